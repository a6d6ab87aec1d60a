import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { findCurrentRuns } from '../../src/db/run-views.ts';
import { estimateEncodeMemoryMb } from '../../src/domain/encoding-memory.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { presentStage } from '../../src/usecases/present-video.ts';
import { makeClip } from '../support/make-clip.ts';
import { type Pipeline, type PipelineOptions, startPipeline } from '../support/pipeline.ts';
import { findProcesses, withoutForks } from '../support/processes.ts';
import { writeStubFfmpeg } from '../support/stub-ffmpeg.ts';

/** One whose encodes differ enough in memory from the program itself. */
const PRESET = 'veryfast';

/** What one encode of the test's 720p clip counts, with so many threads. */
const largeMb = (threads: number): number =>
  estimateEncodeMemoryMb({
    sourcePixels: 1280 * 720,
    bitDepth: 8,
    toneMap: false,
    renditions: [{ widthPx: 1280, heightPx: 720 }],
    preset: PRESET,
    threads: { encode: threads, decode: threads },
  });
/** One of them, and nearly another. */
const ONE_AT_A_TIME_MB = 2 * largeMb(1) - 1;
const ONE_RENDITION = { profile: '720p' } as const;
const LARGE = 'scale=1280:720';

describe('memory of encoders', () => {
  let pipeline: Pipeline;
  let folder: string;
  let large: string;
  let small: string;
  let gate: string;
  let log: string;
  let gated: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'steadyreel-memory-'));
    large = await makeClip(path.join(folder, 'large.mp4'), {
      widthPx: 1280,
      heightPx: 720,
      framesPerSecond: 10,
      seconds: 1,
    });
    small = await makeClip(path.join(folder, 'small.mp4'), {
      widthPx: 160,
      heightPx: 120,
      framesPerSecond: 10,
      seconds: 1,
    });
    gate = path.join(folder, 'gate');
    log = path.join(folder, 'log');
    // Notes its arguments; an encode of the large clip waits until the gate is open.
    gated = await writeStubFfmpeg(
      folder,
      `echo "$*" >> ${log}; case "$*" in *${LARGE}:*) while [ ! -e ${gate} ]; do sleep 0.1; done ;; esac; exec ffmpeg "$@"`,
    );
  });

  afterEach(async () => {
    await pipeline.close();
    await rm(gate, { force: true });
    await rm(log, { force: true });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function start(options: PipelineOptions): Promise<void> {
    pipeline = await startPipeline({
      ...options,
      settings: { preset: PRESET, ...options.settings },
    });
  }

  async function readLog(): Promise<readonly string[]> {
    return (await readFile(log, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  }

  /** What it is told that this video waits for, while that is memory. */
  async function waitOf(id: VideoId): Promise<string | undefined> {
    const [run] = await pipeline.deps.database.run((em) => findCurrentRuns(em, [id]));
    const isWaiting = run && presentStage(run, new Date()) === 'waiting-for-memory';
    return isWaiting ? (run.waitingFor ?? undefined) : undefined;
  }

  const largeEncoders = async (): Promise<readonly number[]> =>
    withoutForks(await findProcesses(`${pipeline.folder}/`, LARGE));

  /** Opens the gate and waits until all are completed. @returns how many encoded at a time, at most */
  async function mostAbreast(ids: readonly VideoId[]): Promise<number> {
    let most = (await largeEncoders()).length;
    await writeFile(gate, '');
    await pipeline.until('all are completed', async () => {
      most = Math.max(most, (await largeEncoders()).length);
      for (const id of ids) await pipeline.tryNow(`process-video-${id}`);
      const states = await Promise.all(ids.map((id) => pipeline.video(id)));
      return states.every(({ status }) => status === 'completed');
    });
    return most;
  }

  it('rule 33: what does not fit waits in plain sight, holds no slot, and has its turn', async () => {
    await start({ ffmpegPath: gated, settings: { ffmpegMemoryMb: ONE_AT_A_TIME_MB } });
    const first = await pipeline.submit(large, ONE_RENDITION);
    await pipeline.until(
      'the first encode has begun',
      async () => (await largeEncoders()).length > 0,
    );
    const second = await pipeline.submit(large, ONE_RENDITION);
    // Told until another step of the video begins, or the next try.
    let wait: string | undefined;
    const isWaiting = async () => (wait = await waitOf(second)) !== undefined;
    await pipeline.until('the second is seen to wait', isWaiting);
    expect(wait).toMatch(
      new RegExp(
        `^waiting-for-memory: the encoder needs ${largeMb(1)} MB, free are \\d+ of ${ONE_AT_A_TIME_MB} MB, next try \\d\\d:`,
      ),
    );

    // With two slots, one of them taken for as long as the gate is shut, a third video needs the other one throughout.
    const third = await pipeline.submit(small);
    await pipeline.waitForStatus(third, 'completed');
    expect(await largeEncoders()).toHaveLength(1);
    await pipeline.until('the second waits still', isWaiting);
    const [waited] = await pipeline.db.sql(
      `select a.* from piece_attempts a join video_runs r on r.id = a.video_run_id
        where r.video_id = $1 and a.name = 'chunk/0'`,
      [second],
    );
    expect(waited).toMatchObject({ encoder_faults: 0, kills: 0, platform_fault_since: null });
    expect(Number(waited?.['unended_starts'])).toBeLessThanOrEqual(1);

    expect(await mostAbreast([first, second])).toBe(1);
    expect((await readLog()).filter((line) => line.includes(LARGE))).toHaveLength(2);
  });

  it('runs an oversized piece alone with one thread', async () => {
    await start({ ffmpegPath: gated, settings: { ffmpegMemoryMb: largeMb(1) - 1 } });
    const ids = [
      await pipeline.submit(large, ONE_RENDITION),
      await pipeline.submit(large, ONE_RENDITION),
    ];
    await pipeline.until('one has begun', async () => (await largeEncoders()).length > 0);
    expect(await mostAbreast(ids)).toBe(1);
    const encodes = (await readLog()).filter((line) => line.includes(LARGE));
    expect(encodes).toHaveLength(2);
    for (const line of encodes) expect(line).toContain('-threads:v 1 ');
  });

  it('gives a lone piece all cores, and one core to each of two that run side by side', async () => {
    await start({ ffmpegPath: gated, settings: { threads: 1 } });
    await writeFile(gate, '');
    await pipeline.waitForStatus(await pipeline.submit(small), 'completed');
    const lone = await readLog();
    expect(lone).toHaveLength(1);
    expect(lone[0]).toContain('-threads:v 2 ');

    await rm(gate);
    const long = await makeClip(path.join(folder, 'long.mp4'), {
      widthPx: 1280,
      heightPx: 720,
      framesPerSecond: 10,
      seconds: 4,
    });
    const id = await pipeline.submit(long, ONE_RENDITION);
    await pipeline.until(
      'two chunks are encoding',
      async () => (await largeEncoders()).length === 2,
    );
    await writeFile(gate, '');
    await pipeline.waitForStatus(id, 'completed');
    const chunks = (await readLog()).slice(1);
    expect(chunks).toHaveLength(2);
    for (const line of chunks) expect(line).toContain('-threads:v 1 ');
  });

  it('rule 17: killed encoders give their room back, and are tried again with one thread', async () => {
    const killed = await writeStubFfmpeg(
      folder,
      `case " $* " in *" -threads:v 1 "*) exec ffmpeg "$@" ;; esac; echo "$*" >> ${log}; kill -9 $$`,
    );
    await start({ ffmpegPath: killed, settings: { ffmpegMemoryMb: largeMb(2) } });
    const id = await pipeline.submit(large, ONE_RENDITION);
    await pipeline.hurryTo(id, 'completed');
    expect(await readLog()).toHaveLength(2);
    expect(pipeline.deps.encoders.isWorkingFor((await runIds(id))[0] ?? 0)).toBe(false);
  });

  it('rule 28: the kernel takes an encoder before anything else', async () => {
    await start({ ffmpegPath: gated });
    const id = await pipeline.submit(large, ONE_RENDITION);
    // Its own note comes after all that is done to it before it begins.
    await pipeline.until('the encode has begun', async () => (await readLog()).length > 0);
    const [pid] = await largeEncoders();
    expect((await readFile(`/proc/${pid}/oom_score_adj`, 'utf8')).trim()).toBe('1000');
    await writeFile(gate, '');
    await pipeline.waitForStatus(id, 'completed');
  });

  async function runIds(id: VideoId): Promise<readonly number[]> {
    const rows = await pipeline.db.sql('select id from video_runs where video_id = $1', [id]);
    return rows.map((row) => Number(row['id']));
  }
});
