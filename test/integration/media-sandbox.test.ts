import { execFile } from 'node:child_process';
import { chmod, copyFile, link, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { PROJECT_ROOT } from '../../src/config/env.ts';
import { createFfmpeg } from '../../src/media/ffmpeg.ts';
import { probeFile } from '../../src/media/ffprobe.ts';
import { openSandbox, SandboxProblem } from '../../src/media/open-sandbox.ts';
import { ffmpegLimits } from '../../src/media/process-limits.ts';
import { runProcess } from '../../src/media/run-process.ts';
import type { ToolAccess } from '../../src/media/sandbox.ts';
import type { ToolLauncher } from '../../src/media/tool-launcher.ts';
import { countConnections } from '../support/count-connections.ts';
import { makeClip, makeTempFolder } from '../support/make-clip.ts';
import {
  FFMPEG,
  FFPROBE,
  hasBubblewrap,
  openBubblewrap,
  withTempFolder,
} from '../support/sandboxes.ts';

const describeSandbox = hasBubblewrap() ? describe : describe.skip;

describeSandbox('bubblewrap', () => {
  let temp: { path: string; remove: () => Promise<void> };
  let job: string;
  let launcher: ToolLauncher;
  beforeAll(async () => {
    temp = await makeTempFolder();
    job = path.join(temp.path, 'job-1');
    await writeFile(path.join(temp.path, 'private'), 'of somebody else');
    await mkdir(job);
    launcher = await openBubblewrap();
  });
  afterAll(() => temp.remove());

  /** What a shell in the sandbox answers; stands for an ffmpeg that a file has taken over. */
  async function shell(body: string, access: Partial<ToolAccess> = {}): Promise<string> {
    const { prefix, env } = launcher.launch(
      { reads: [], writes: [job], ...access },
      ffmpegLimits(),
    );
    const run = { command: '/bin/sh', args: ['-c', `{ ${body}; } 2>&1 || true`] };
    return (await runProcess({ ...run, launchPrefix: prefix, env })).stdout;
  }

  it('shows no file but those of the run', async () => {
    expect(await shell(`cat ${temp.path}/private`)).toContain('No such file');
    expect(await shell(`ls ${temp.path}`)).toBe('job-1\n');
    for (const place of ['/etc/passwd', '/proc/1/environ', '/home', '/root', '/var', '/usr/src'])
      expect(await shell(`ls ${place}`)).toContain('No such file');
  });

  it('lets nothing be written but in the folders of the run', async () => {
    expect(await shell(`echo ok > ${job}/piece && cat ${job}/piece`)).toBe('ok\n');
    for (const place of ['/note', '/usr/bin/note', '/usr/lib/note', '/dev/note'])
      expect(await shell(`echo no > ${place}`)).toMatch(/Read-only|Permission denied/);
  });

  it('keeps the original as it is, though it is the stored file itself under a second name', async () => {
    const stored = path.join(temp.path, 'stored.mp4');
    const source = path.join(job, 'source.mp4');
    await writeFile(stored, 'the original');
    await link(stored, source);
    const body = `cat ${source}; echo changed > ${source}; rm -f ${source}; truncate -s 0 ${source}`;
    const said = await shell(body, { reads: [source] });
    expect(said).toContain('the original');
    expect(said).toContain('Read-only file system');
    expect(await readFile(stored, 'utf8')).toBe('the original');
    expect((await stat(source)).size).toBe(12);
  });

  it('has no network, not even to this host', async () => {
    const knock = (port: number) => `exec 3<>/dev/tcp/127.0.0.1/${port}`;
    const fromInside = await countConnections(async (port) => {
      expect(await shell(`bash -c '${knock(port)}'`)).toMatch(/refused|unreachable/);
    });
    const fromOutside = await countConnections(async (port) => {
      await runProcess({ command: '/bin/bash', args: ['-c', knock(port)] });
    });
    expect([fromInside, fromOutside]).toEqual([0, 1]);
  });

  it('sees no other process, and none of it is heard of elsewhere', async () => {
    expect(await shell(`kill -0 ${process.pid}`)).toContain('No such process');
    expect(Number(await shell('echo $$'))).toBeLessThan(10);
  });

  it('runs programs that lie outside the system’s folders, by their link and with nothing beside them', async () => {
    const folder = path.join(temp.path, 'opt');
    await mkdir(folder);
    const program = path.join(folder, 'ffprobe-7');
    const linked = path.join(temp.path, 'ffprobe');
    await copyFile(FFPROBE, program);
    await chmod(program, 0o755);
    await symlink(program, linked);
    await writeFile(path.join(folder, 'beside'), 'private');
    const clip = await makeClip(path.join(job, 'clip.mp4'), { seconds: 1 });
    const opened = await openSandbox({
      mode: 'require',
      ffmpegPath: FFMPEG,
      ffprobePath: linked,
      withScratch: withTempFolder,
    });
    const options = { ffprobePath: linked, launcher: opened.launcher, timeoutMs: 120_000 };
    expect((await probeFile(clip, options)).video.codec).toBe('h264');
    const { prefix, env } = opened.launcher.launch({ reads: [], writes: [] }, ffmpegLimits());
    const ls = { command: '/bin/ls', args: [folder], launchPrefix: prefix, env };
    expect((await runProcess(ls)).stdout).toBe('ffprobe-7\n');
  });
});

describe('openSandbox', () => {
  const options = { ffmpegPath: FFMPEG, ffprobePath: FFPROBE, withScratch: withTempFolder };

  it('opens none when told so', async () => {
    const { launcher, shortcoming } = await openSandbox({ ...options, mode: 'off' });
    expect([launcher.sandbox, shortcoming]).toEqual(['none', undefined]);
  });

  it('falls back, and says why, where the tools do not run in it', async () => {
    await withTempFolder(async (folder) => {
      // It lives on a file that the sandbox does not show.
      await writeFile(path.join(folder, 'needed'), '');
      const picky = path.join(folder, 'picky');
      await writeFile(picky, `#!/bin/sh\ncat ${folder}/needed || exit 5\nexec ${FFMPEG} "$@"\n`);
      await chmod(picky, 0o755);
      const opened = await openSandbox({ ...options, ffmpegPath: picky, mode: 'auto' });
      expect(opened.launcher.sandbox).not.toBe('bubblewrap');
      expect(opened.shortcoming).toMatch(/bubblewrap (does not work here|is not installed)/);
      await expect(openSandbox({ ...options, ffmpegPath: picky, mode: 'require' })).rejects.toThrow(
        SandboxProblem,
      );
      await expect(openSandbox({ ...options, ffmpegPath: picky, mode: 'require' })).rejects.toThrow(
        /^SANDBOX=require, but bubblewrap .*SANDBOX=auto\.$/s,
      );
      const ffmpeg = await createFfmpeg({
        ffmpegPath: picky,
        logger: { debug: () => undefined },
        launcher: opened.launcher,
      });
      expect(ffmpeg.version).toContain('ffmpeg version');
    });
  });
});

describe('a worker whose tools are not what they should be', () => {
  /** A worker with servers that do not exist: it must not come that far. */
  async function startWorker(settings: Record<string, string>): Promise<unknown> {
    return withTempFolder((folder) => {
      const env = {
        ...process.env,
        NODE_OPTIONS: '',
        DATA_DIR: folder,
        DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
        TEMPORAL_ADDRESS: '127.0.0.1:1',
        FFMPEG_PATH: FFMPEG,
        FFPROBE_PATH: FFPROBE,
        ...settings,
      };
      const options = { cwd: PROJECT_ROOT, env, timeout: 120_000 };
      return promisify(execFile)(process.execPath, ['src/workers/worker.ts'], options);
    });
  }

  it('refuses to start without a sandbox that it must have, in one sentence', async () => {
    await withTempFolder(async (folder) => {
      const broken = path.join(folder, 'ffmpeg');
      await writeFile(broken, '#!/bin/sh\necho broken >&2; exit 5\n');
      await chmod(broken, 0o755);
      const start = startWorker({ SANDBOX: 'require', FFMPEG_PATH: broken });
      await expect(start).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^SANDBOX=require, but bubblewrap [^\n]*\.\n$/),
      });
    });
  });

  it.each(['/bin/true', '/bin/false'])('refuses to start with %s as ffprobe', async (program) => {
    await expect(startWorker({ FFPROBE_PATH: program })).rejects.toMatchObject({
      code: 1,
      stderr: `${program} is not an ffprobe: correct FFPROBE_PATH.\n`,
    });
  });
});
