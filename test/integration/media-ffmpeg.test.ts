import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { FfmpegCommand } from '../../src/media/ffmpeg-args.ts';
import type { EncodeProgress } from '../../src/media/ffmpeg-progress.ts';
import { createFfmpeg, type Ffmpeg, toArguments } from '../../src/media/ffmpeg.ts';
import { makeClip, makeTempFolder, runTool } from '../support/make-clip.ts';

const FFMPEG = process.env['FFMPEG_PATH'] ?? '/usr/bin/ffmpeg';
const logger = { debug: () => undefined };

let temp: { path: string; remove: () => Promise<void> };
let clip: string;
let ffmpeg: Ffmpeg;
beforeAll(async () => {
  temp = await makeTempFolder();
  clip = await makeClip(path.join(temp.path, 'clip with  two words.mp4'), { seconds: 4 });
  ffmpeg = await createFfmpeg({ ffmpegPath: FFMPEG, logger });
});
afterAll(() => temp.remove());

/** Slow on purpose (`-re` reads at the speed of a player), so that there is time to interfere. */
function encode(name: string, speed: readonly string[] = []): FfmpegCommand {
  return {
    inputs: [{ options: [...speed, '-protocol_whitelist', 'file'], path: clip }],
    filterGraph: '[0:v]scale=160:90,split=2[a][b]',
    outputs: [
      {
        options: [
          '-map',
          '[a]',
          '-c:v',
          'libx264',
          '-preset',
          'ultrafast',
          '-metadata',
          'title=two words',
          '-f',
          'mp4',
        ],
        path: path.join(temp.path, `${name}-a.mp4`),
      },
      {
        options: ['-map', '[b]', '-c:v', 'libx264', '-preset', 'ultrafast', '-f', 'mp4'],
        path: path.join(temp.path, `${name}-b.mp4`),
      },
    ],
  };
}

/** An ffmpeg that answers questions about itself and then does something else. It writes its pid, and its child's, to `log`. */
async function fakeFfmpeg(
  name: string,
  body: string,
): Promise<{ ffmpeg: Ffmpeg; file: string; pids: () => Promise<readonly number[]> }> {
  const file = path.join(temp.path, name);
  const log = `${file}.pids`;
  const questions = `case "$*" in *-version*|*-formats*|*-encoders*) exec ${FFMPEG} "$@";; esac`;
  await writeFile(
    file,
    `#!/bin/sh\n${questions}\necho $$ >> ${log}\n${body.replaceAll('LOG', log)}\n`,
  );
  await chmod(file, 0o755);
  const pids = async () => (await readFile(log, 'utf8')).trim().split('\n').map(Number);
  return { ffmpeg: await createFfmpeg({ ffmpegPath: file, logger }), file, pids };
}

async function isRunning(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return status !== '' && !/\) Z /.test(status);
}

describe('createFfmpeg', () => {
  it('names the version that it found', () => {
    expect(ffmpeg.version).toMatch(/^ffmpeg version /);
  });

  it('says at once that there is no ffmpeg', async () => {
    await expect(createFfmpeg({ ffmpegPath: '/nowhere/ffmpeg', logger })).rejects.toThrow('ENOENT');
  });
});

describe('run', () => {
  it('runs a graph with several outputs and reports how far it is', async () => {
    const reports: EncodeProgress[] = [];
    await ffmpeg.run(encode('whole'), {
      budgetMs: 60_000,
      onProgress: (progress) => reports.push(progress),
    });
    expect(reports.at(-1)?.outTimeSeconds).toBeGreaterThan(3);
    for (const name of ['whole-a.mp4', 'whole-b.mp4']) {
      const frames = await runTool('ffprobe', [
        '-count_packets',
        '-select_streams',
        'v',
        '-show_entries',
        'stream=nb_read_packets',
        '-of',
        'csv=p=0',
        path.join(temp.path, name),
      ]);
      expect(Number(frames)).toBe(100);
    }
  });

  it('passes words on unsplit, and exactly those that it records', async () => {
    const seen = path.join(temp.path, 'seen.txt');
    const recorder = await fakeFfmpeg(
      'recorder',
      `for word in "$@"; do printf '%s\\n' "$word"; done > ${seen}; exit 0`,
    );
    const command = encode('recorded');
    await recorder.ffmpeg.run(command, { budgetMs: 10_000 });
    const words = (await readFile(seen, 'utf8')).trimEnd().split('\n');
    expect(words).toEqual(toArguments(command));
    expect(words).toContain('title=two words');
    expect(words).toContain(clip);
  });

  it('names why ffmpeg failed, with its last words', async () => {
    const text = path.join(temp.path, 'text.mp4');
    await writeFile(text, 'this is not a video');
    const command = {
      ...encode('text'),
      inputs: [{ options: ['-protocol_whitelist', 'file'], path: text }],
    };
    await expect(ffmpeg.run(command, { budgetMs: 10_000 })).rejects.toMatchObject({
      code: 'source-unreadable',
      details: { exitCode: 1, stderrTail: expect.stringContaining('Invalid data found') },
    });
  });

  it('refuses names that are not absolute', async () => {
    const command = {
      ...encode('relative'),
      inputs: [{ options: [], path: 'http://localhost/video.mp4' }],
    };
    await expect(ffmpeg.run(command, { budgetMs: 10_000 })).rejects.toThrow('absolute');
  });

  it('ends with the reason of a cancel, when ffmpeg is gone', async () => {
    const real = await fakeFfmpeg('real', `exec ${FFMPEG} "$@"`);
    const stop = new AbortController();
    const reason = new TypeError('CANCELLED');
    const run = real.ffmpeg.run(encode('cancelled', ['-re']), {
      budgetMs: 60_000,
      signal: stop.signal,
      onProgress: () => stop.abort(reason),
    });
    await expect(run).rejects.toBe(reason);
    const pids = await real.pids();
    expect(pids).toHaveLength(1);
    expect(await isRunning(pids[0] ?? 0)).toBe(false);
  });

  it('does not start what was cancelled before', async () => {
    const reason = new TypeError('CANCELLED');
    await expect(
      ffmpeg.run(encode('never'), { budgetMs: 60_000, signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
    await expect(stat(path.join(temp.path, 'never-a.mp4'))).rejects.toThrow('ENOENT');
  });

  it('keeps to its budget with a real encode', async () => {
    await expect(ffmpeg.run(encode('slow', ['-re']), { budgetMs: 700 })).rejects.toMatchObject({
      code: 'processing-timeout',
    });
  });

  it('goes on when the budget was raised meanwhile', async () => {
    let asked = 0;
    const extendDeadline = async () => {
      asked += 1;
      return 60_000;
    };
    await ffmpeg.run(encode('raised', ['-re']), { budgetMs: 700, extendDeadline });
    expect(asked).toBe(1);
  });

  it('ends one that ignores SIGTERM, with its children', async () => {
    const deaf = await fakeFfmpeg(
      'deaf',
      `trap '' TERM INT\nsleep 600 & echo $! >> LOG\nsleep 601 >/dev/null 2>&1 & echo $! >> LOG\nwhile :; do sleep 0.1; done`,
    );
    await expect(deaf.ffmpeg.run(encode('deaf'), { budgetMs: 600 })).rejects.toMatchObject({
      code: 'processing-timeout',
    });
    const pids = await deaf.pids();
    expect(pids).toHaveLength(3);
    expect(await Promise.all(pids.map((pid) => isRunning(pid)))).toEqual([false, false, false]);
  });

  it('ends one that reports progress for ever when its time is up', async () => {
    const body =
      'n=0\nwhile :; do n=$((n+1)); echo frame=$n; echo progress=continue; sleep 0.02; done';
    const eager = await fakeFfmpeg('eager', body);
    const run = eager.ffmpeg.run(encode('eager'), { budgetMs: 800, stallMs: 400 });
    await expect(run).rejects.toMatchObject({ code: 'processing-timeout' });
  });

  it('ends one that talks but does not get on', async () => {
    const body =
      'while :; do echo frame=1; echo out_time_us=40000; echo total_size=N/A; echo progress=continue; sleep 0.02; done';
    const stuck = await fakeFfmpeg('stuck', body);
    const run = stuck.ffmpeg.run(encode('stuck'), { budgetMs: 60_000, stallMs: 400 });
    await expect(run).rejects.toMatchObject({ code: 'encoder-stalled' });
  });

  it('tells a kill from outside from its own', async () => {
    const victim = await fakeFfmpeg('victim', 'kill -KILL $$');
    await expect(victim.ffmpeg.run(encode('victim'), { budgetMs: 60_000 })).rejects.toMatchObject({
      code: 'encoder-out-of-memory',
    });
  });

  it.each([[[]], [undefined]])(
    'survives that the binary is gone (launchers %j)',
    async (launchPrefix) => {
      const gone = await fakeFfmpeg(
        `gone-${launchPrefix === undefined ? 'launched' : 'plain'}`,
        'exit 0',
      );
      const launched = await createFfmpeg({ ffmpegPath: gone.file, logger, launchPrefix });
      await rm(gone.file);
      await expect(launched.run(encode('gone'), { budgetMs: 10_000 })).rejects.toMatchObject({
        name: 'ProcessFailure',
      });
    },
  );
});
