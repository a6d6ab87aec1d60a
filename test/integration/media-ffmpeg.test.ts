import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { FfmpegCommand } from '../../src/media/ffmpeg-command.ts';
import type { EncodeProgress } from '../../src/media/ffmpeg-progress.ts';
import { createFfmpeg, type Ffmpeg, toArguments } from '../../src/media/ffmpeg.ts';
import type { ToolLauncher } from '../../src/media/tool-launcher.ts';
import { makeClip, makeTempFolder, runTool } from '../support/make-clip.ts';
import { findProcesses } from '../support/processes.ts';
import { everyLauncher, FFMPEG, openBubblewrap } from '../support/sandboxes.ts';

const logger = { debug: () => undefined };

let temp: { path: string; remove: () => Promise<void> };
let clip: string;
beforeAll(async () => {
  temp = await makeTempFolder();
  clip = await makeClip(path.join(temp.path, 'clip with  two words.mp4'), { seconds: 4 });
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

/** An ffmpeg that answers questions about itself and then does something else. */
async function fakeFfmpeg(
  name: string,
  body: string,
  launcher: ToolLauncher,
): Promise<{ ffmpeg: Ffmpeg; file: string }> {
  const file = path.join(temp.path, `${name}-${launcher.sandbox}`);
  const questions = `case "$*" in *-version*|*-formats*|*-encoders*) exec ${FFMPEG} "$@";; esac`;
  await writeFile(file, `#!/bin/sh\n${questions}\n${body}\n`);
  await chmod(file, 0o755);
  // The sandbox shows a program outside the system's folders only when it knows of it.
  const own = launcher.sandbox === 'bubblewrap' ? await openBubblewrap(file) : launcher;
  return { ffmpeg: await createFfmpeg({ ffmpegPath: file, logger, launcher: own }), file };
}

describe.each(await everyLauncher())('with %s', (_name, launcher) => {
  let ffmpeg: Ffmpeg;
  beforeAll(async () => {
    ffmpeg = await createFfmpeg({ ffmpegPath: FFMPEG, logger, launcher });
  });

  describe('createFfmpeg', () => {
    it('names the version that it found', () => {
      expect(ffmpeg.version).toMatch(/^ffmpeg version /);
    });

    it('says at once that there is no ffmpeg', async () => {
      await expect(
        createFfmpeg({ ffmpegPath: '/nowhere/ffmpeg', logger, launcher }),
      ).rejects.toThrow('ENOENT');
    });
  });

  describe('run', () => {
    it('runs a graph with several outputs and reports how far it is', async () => {
      const reports: EncodeProgress[] = [];
      await ffmpeg.run(encode('whole'), {
        budgetMs: 120_000,
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
        launcher,
      );
      const command = encode('recorded');
      await recorder.ffmpeg.run(command, { budgetMs: 120_000 });
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
      await expect(ffmpeg.run(command, { budgetMs: 120_000 })).rejects.toMatchObject({
        code: 'source-unreadable',
        details: { exitCode: 1, stderrTail: expect.stringContaining('Invalid data found') },
      });
    });

    it('refuses names that are not absolute', async () => {
      const command = {
        ...encode('relative'),
        inputs: [{ options: [], path: 'http://localhost/video.mp4' }],
      };
      await expect(ffmpeg.run(command, { budgetMs: 120_000 })).rejects.toThrow('absolute');
    });

    it('ends with the reason of a cancel, when ffmpeg is gone', async () => {
      const output = path.join(temp.path, 'cancelled-a.mp4');
      const stop = new AbortController();
      const reason = new TypeError('CANCELLED');
      let seen: Promise<readonly number[]> | undefined;
      const run = ffmpeg.run(encode('cancelled', ['-re', '-stream_loop', '-1']), {
        budgetMs: 120_000,
        signal: stop.signal,
        onProgress: () => {
          seen ??= findProcesses(output);
          void seen.then(() => stop.abort(reason));
        },
      });
      await expect(run).rejects.toBe(reason);
      expect((await seen)?.length).toBeGreaterThan(0);
      expect(await findProcesses(output)).toEqual([]);
    });

    it('does not start what was cancelled before', async () => {
      const reason = new TypeError('CANCELLED');
      await expect(
        ffmpeg.run(encode('never'), { budgetMs: 120_000, signal: AbortSignal.abort(reason) }),
      ).rejects.toBe(reason);
      await expect(stat(path.join(temp.path, 'never-a.mp4'))).rejects.toThrow('ENOENT');
    });

    it('keeps to its budget with a real encode', async () => {
      await expect(
        ffmpeg.run(encode('slow', ['-re', '-stream_loop', '-1']), { budgetMs: 700 }),
      ).rejects.toMatchObject({
        code: 'processing-timeout',
      });
    });

    it('goes on when the budget was raised meanwhile', async () => {
      let asked = 0;
      const extendDeadline = async () => {
        asked += 1;
        return 120_000;
      };
      await ffmpeg.run(encode('raised', ['-re']), { budgetMs: 700, extendDeadline });
      expect(asked).toBe(1);
    });

    it('ends one that ignores SIGTERM, with its children', async () => {
      const seconds = `601.${process.pid}`;
      const deaf = await fakeFfmpeg(
        'deaf',
        `trap '' TERM INT\nsleep ${seconds} &\nsleep ${seconds} >/dev/null 2>&1 &\necho frame=1; echo progress=continue\nwhile :; do sleep 0.1; done`,
        launcher,
      );
      let budgetMs = 500;
      const run = deaf.ffmpeg.run(encode('deaf'), {
        budgetMs,
        // Until its children are up.
        extendDeadline: async () =>
          (await findProcesses(`sleep ${seconds}`)).length < 2 ? (budgetMs += 500) : undefined,
      });
      await expect(run).rejects.toMatchObject({ code: 'processing-timeout' });
      expect(await findProcesses(seconds)).toEqual([]);
      expect(await findProcesses(deaf.file)).toEqual([]);
    });

    it('ends one that reports progress for ever when its time is up', async () => {
      const body =
        'n=0\nwhile :; do n=$((n+1)); echo frame=$n; echo progress=continue; sleep 0.02; done';
      const eager = await fakeFfmpeg('eager', body, launcher);
      const run = eager.ffmpeg.run(encode('eager'), { budgetMs: 800 });
      await expect(run).rejects.toMatchObject({ code: 'processing-timeout' });
    });

    it('ends one that talks but does not get on', async () => {
      const body =
        'while :; do echo frame=1; echo out_time_us=40000; echo total_size=N/A; echo progress=continue; sleep 0.02; done';
      const stuck = await fakeFfmpeg('stuck', body, launcher);
      const run = stuck.ffmpeg.run(encode('stuck'), { budgetMs: 120_000, stallMs: 400 });
      await expect(run).rejects.toMatchObject({ code: 'encoder-stalled' });
    });

    it('tells a kill from outside from its own', async () => {
      const victim = await fakeFfmpeg('victim', 'kill -KILL $$', launcher);
      await expect(
        victim.ffmpeg.run(encode('victim'), { budgetMs: 120_000 }),
      ).rejects.toMatchObject({
        code: 'encoder-out-of-memory',
      });
    });

    it('survives that the binary is gone', async () => {
      const gone = await fakeFfmpeg('gone', 'exit 0', launcher);
      await rm(gone.file);
      await expect(gone.ffmpeg.run(encode('gone'), { budgetMs: 120_000 })).rejects.toMatchObject({
        name: 'ProcessFailure',
      });
    });

    it('holds an output to the bound of its command, which ffmpeg oversteps only by its buffers', async () => {
      const greedy = await fakeFfmpeg('greedy', 'ulimit -f >&2; exit 1', launcher);
      const plain = encode('greedy');
      const limited = {
        ...plain,
        outputs: plain.outputs.map(({ options, path: file }) => ({
          options: [...options, '-fs', '1048576'],
          path: file,
        })),
      };
      await expect(greedy.ffmpeg.run(limited, { budgetMs: 120_000 })).rejects.toMatchObject({
        details: { stderrTail: `${(1_048_576 + 256 * 1024 * 1024) / 512}\n` },
      });
    });
  });
});

/** Nothing stands before the command: then the spawn itself fails. */
it('survives that the binary is gone where nothing launches it', async () => {
  const bare: ToolLauncher = {
    sandbox: 'none',
    launch: () => ({ prefix: [], env: process.env }),
  };
  const gone = await fakeFfmpeg('gone-bare', 'exit 0', bare);
  await rm(gone.file);
  await expect(gone.ffmpeg.run(encode('gone'), { budgetMs: 120_000 })).rejects.toMatchObject({
    name: 'ProcessFailure',
  });
});
