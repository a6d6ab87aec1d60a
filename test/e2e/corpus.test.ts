import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PROJECT_ROOT } from '../../src/config/env.ts';
import { makeClip, makeTempFolder, runTool } from '../support/make-clip.ts';
import { hasBubblewrap } from '../support/sandboxes.ts';
import { type RunningStack, startStack } from '../support/stack.ts';

jest.setTimeout(300_000);

let stack: RunningStack;
let folder: Awaited<ReturnType<typeof makeTempFolder>>;

beforeAll(async () => {
  folder = await makeTempFolder();
  await makeClip(join(folder.path, 'plain.mp4'), { widthPx: 320, heightPx: 180, seconds: 1 });
  await runTool('ffmpeg', ['-f', 'lavfi', '-i', 'sine=d=1', join(folder.path, 'sound.m4a')]);
  writeFileSync(join(folder.path, 'list.mp4'), "ffconcat version 1.0\nfile 'plain.mp4'\n");
  stack = await startStack(hasBubblewrap() ? { SANDBOX: 'require' } : {});
});

afterAll(async () => {
  await stack?.stop();
  await folder?.remove();
});

function corpus(wanted: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const lines = Object.entries(wanted).map(([name, wish]) => `${name}\t${wish}\ta test\n`);
  writeFileSync(join(folder.path, 'manifest.tsv'), lines.join(''));
  return new Promise<{ code: number | null; out: string; fault: string }>((resolve) => {
    const options = {
      cwd: PROJECT_ROOT,
      env: { ...stack.env, INIT_CWD: folder.path },
      timeout: 250_000,
    };
    const child = execFile(
      process.execPath,
      ['src/cli/corpus.ts', '.', ...args],
      options,
      (_error, out, fault) => resolve({ code: child.exitCode, out, fault }),
    );
  });
}

async function countVideos(): Promise<number> {
  const response = await fetch(`${stack.url}/videos`, {
    headers: { Authorization: `Bearer ${stack.apiKey}` },
  });
  const { data } = (await response.json()) as { data: readonly unknown[] };
  return data.length;
}

describe('npm run corpus', () => {
  it('says what became of each file, and is content when that is as wanted', async () => {
    const wanted = { 'plain.mp4': 'accept', 'sound.m4a': 'reject', 'list.mp4': 'reject' };
    const { code, out, fault } = await corpus(wanted);
    expect({ code, fault, out }).toEqual({ code: 0, fault: '', out: expect.any(String) });
    const rows = out.split('\n').filter((line) => /^[✓✗]/.test(line));
    expect(rows.map((row) => row.replaceAll(/ +/g, ' '))).toEqual([
      expect.stringMatching(/^✓ list\.mp4 reject refused upload-not-a-video \d+$/),
      expect.stringMatching(/^✓ plain\.mp4 accept completed \d+ 320x180 \S+ 1\.00$/),
      expect.stringMatching(/^✓ sound\.m4a reject failed source-has-no-video \d+$/),
    ]);
    expect(out).toContain(
      '3 files: 1 completed, 1 failed, 1 refused at the upload; all as wanted.',
    );
    expect(await countVideos()).toBe(2);
  });

  it('ends with 1 when a file is not as wanted, and takes its videos away when asked', async () => {
    const before = await countVideos();
    const { code, out } = await corpus({ 'plain.mp4': 'reject', 'sound.m4a': 'accept' }, '--clean');
    expect(code).toBe(1);
    expect(out).toContain('2 not as wanted');
    expect(out).toMatch(
      /sound\.m4a: accept was wanted, it is failed\. source-has-no-video The file has no picture/,
    );
    expect(await countVideos()).toBe(before);
  });

  it('tells a wrong manifest before it uploads anything', async () => {
    const before = await countVideos();
    const { code, fault } = await corpus({ 'gone.mp4': 'accept' });
    expect(code).toBe(1);
    expect(fault).toMatch(/gone\.mp4 is missing\.\n$/);
    expect(await countVideos()).toBe(before);
  });
});
