import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PROJECT_ROOT } from '../../src/config/env.ts';
import { reservePort } from '../support/ports.ts';
import { makeClip, makeTempFolder } from '../support/make-clip.ts';
import { type RunningStack, startStack } from '../support/stack.ts';

jest.setTimeout(300_000);

const WEB_UI = 'http://web-ui.example';

let stack: RunningStack;
let folder: Awaited<ReturnType<typeof makeTempFolder>>;

beforeAll(async () => {
  folder = await makeTempFolder();
  stack = await startStack({ TEMPORAL_UI_URL: WEB_UI });
});

afterAll(async () => {
  await stack?.stop();
  await folder?.remove();
});

interface Circumstances {
  readonly settings?: NodeJS.ProcessEnv;
  /** Ctrl-C comes when the output holds this. */
  readonly interruptAt?: string;
}

/** Runs the command to its end; its temporary files go where the test can see them. */
function demo(args: readonly string[], { settings, interruptAt }: Circumstances = {}) {
  return new Promise<{ code: number | null; out: string; fault: string }>((resolve) => {
    const env = { ...stack.env, INIT_CWD: folder.path, TMPDIR: folder.path, ...settings };
    const options = { cwd: PROJECT_ROOT, env, timeout: 250_000 };
    const child = execFile(
      process.execPath,
      ['src/cli/demo.ts', ...args],
      options,
      (_error, out, fault) => resolve({ code: child.exitCode, out, fault }),
    );
    if (interruptAt === undefined) return;
    child.stdout?.on('data', (text: string) => text.includes(interruptAt) && child.kill('SIGINT'));
  });
}

describe('npm run demo', () => {
  it('uploads a file, waits, and says where everything is; the link logs in once', async () => {
    await makeClip(join(folder.path, 'walk.mp4'), { widthPx: 640, heightPx: 360 });
    const { code, out, fault } = await demo(['walk.mp4']);
    expect({ code, fault }).toEqual({ code: 0, fault: '' });
    expect(out).toMatch(/^Uploading +100 % /m);
    expect(out).toMatch(/^Processing +100 % completed$/m);
    expect(out).toMatch(
      new RegExp(
        `^ +Run in Temporal +${WEB_UI}/namespaces/test-\\w+/workflows/process-video-1/[-\\w]{36}/history$`,
        'm',
      ),
    );

    const stream = /^ +360p +640x360 +(\S+)$/m.exec(out)?.[1] ?? '';
    const bytes = await fetch(stream, { headers: { Authorization: `Bearer ${stack.apiKey}` } });
    expect([bytes.status, bytes.headers.get('Content-Type')]).toEqual([200, 'video/mp4']);
    await bytes.arrayBuffer();

    const link = /^ +Watch it here +(\S+)$/m.exec(out)?.[1] ?? '';
    const first = await fetch(link, { redirect: 'manual' });
    expect([first.status, first.headers.get('Location')]).toEqual([303, '/?video=1']);
    expect(first.headers.getSetCookie()).toHaveLength(1);
    expect((await fetch(link, { redirect: 'manual' })).status).toBe(401);
  });

  it('ends with 1 and the sentence of the failure', async () => {
    await makeClip(join(folder.path, 'song.mp4'), { options: ['-vn'] });
    expect(await demo(['song.mp4'])).toMatchObject({
      code: 1,
      fault: expect.stringMatching(/^Video \d+ failed: .*picture.*\n$/),
    });
    expect(await demo(['nowhere.mp4'])).toMatchObject({
      code: 1,
      fault: `${join(folder.path, 'nowhere.mp4')} is not a file.\n`,
    });
  });

  it('says what to do where no stack answers', async () => {
    const port = String(await reservePort());
    const { code, fault } = await demo([], { settings: { PORT: port } });
    expect({ code, fault }).toEqual({
      code: 1,
      fault: `Nothing answers at http://127.0.0.1:${port}: run \`npm start\` in another terminal first, and set PORT here as there.\n`,
    });
  });

  it('ends cleanly at Ctrl-C, and its clip is gone', async () => {
    const { code, out, fault } = await demo([], { interruptAt: 'Making' });
    expect({ code, fault }).toEqual({ code: 130, fault: '' });
    expect(out).toMatch(/\nStopped\.\n$/);
    expect(readdirSync(folder.path).filter((name) => name.startsWith('steadyreel-demo-'))).toEqual(
      [],
    );
  });
});
