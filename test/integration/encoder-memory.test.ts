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
import { findProcesses } from '../support/processes.ts';
import { writeStubFfmpeg } from '../support/stub-ffmpeg.ts';

/** One whose encodes differ enough in memory from the program itself. */
const PRESET = 'veryfast';

/** What one encode of the test's 720p clip counts, with so many threads. */
const largeMb = (threads: number): number =>
  estimateEncodeMemoryMb({
    sourcePixels: 1280 * 720,
    bitDepth: 8,
    toneMap: false,
    renditions: [
      { widthPx: 1280, heightPx: 720 },
      { widthPx: 854, heightPx: 480 },
      { widthPx: 640, heightPx: 360 },
      { widthPx: 426, heightPx: 240 },
    ],
    preset: PRESET,
    threads: { encode: threads, decode: threads },
  });
/** One of them, and nearly another. */
const ONE_AT_A_TIME_MB = 2 * largeMb(1) - 1;
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
      seconds: 1,
    });
    small = await makeClip(path.join(folder, 'small.mp4'), {
      widthPx: 160,
      heightPx: 120,
      seconds: 1,
    });
    gate = path.join(folder, 'gate');
    log = path.join(folder, 'log');
    // Notes its arguments; an encode of the large clip waits until the gate is open.
    gated = await writeStubFfmpeg(
      folder,
      `echo "$*" >> ${log}; case "$*" in *${LARGE}:*) while [ ! -e ${gate} ]; do sleep 0.1; done ;; esac; exec ffmpeg "$@"`,
    );
  }, 60_000);

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

  async function runOf(id: VideoId) {
    const [run] = await pipeline.deps.database.run((em) => findCurrentRuns(em, [id]));
    return run;
  }

  const largeEncoders = (): Promise<readonly number[]> =>
    findProcesses(`${pipeline.folder}/`, LARGE);

  it('rule 33: what does not fit waits in plain sight, holds no slot, and has its turn', async () => {
    await start({ ffmpegPath: gated, ffmpegMemoryMb: ONE_AT_A_TIME_MB });
    const first = await pipeline.submit(large);
    await pipeline.until(
      'the first encode has begun',
      async () => (await largeEncoders()).length > 0,
    );
    const second = await pipeline.submit(large);
    await pipeline.until('the second is seen to wait', async () => {
      const run = await runOf(second);
      return run !== undefined && presentStage(run, new Date()) === 'waiting-for-memory';
    });
    expect((await runOf(second))?.waitingFor).toMatch(
      new RegExp(
        `^waiting-for-memory: the encoder needs ${largeMb(1)} MB, free are \\d+ of ${ONE_AT_A_TIME_MB} MB, next try \\d\\d:`,
      ),
    );

    // With two slots, one of them taken for as long as the gate is shut, a third video needs the other one throughout.
    const third = await pipeline.submit(small);
    await pipeline.waitForStatus(third, 'completed', 120);
    expect(await largeEncoders()).toHaveLength(1);
    expect((await runOf(second))?.waitingFor).not.toBeNull();
    const [waited] = await pipeline.db.sql(
      `select a.* from piece_attempts a join video_runs r on r.id = a.video_run_id
        where r.video_id = $1 and a.name = 'chunk/0'`,
      [second],
    );
    expect(waited).toMatchObject({ encoder_faults: 0, kills: 0, platform_fault_since: null });
    expect(Number(waited?.['unended_starts'])).toBeLessThanOrEqual(1);

    await writeFile(gate, '');
    let most = 0;
    await pipeline.until(
      'both are completed',
      async () => {
        most = Math.max(most, (await largeEncoders()).length);
        const states = await Promise.all([first, second].map((id) => pipeline.video(id)));
        return states.every(({ status }) => status === 'completed');
      },
      150,
    );
    expect(most).toBe(1);
    expect((await readLog()).filter((line) => line.includes(LARGE))).toHaveLength(2);
  }, 300_000);

  it('runs an oversized piece alone with one thread', async () => {
    await start({ ffmpegPath: gated, ffmpegMemoryMb: largeMb(1) - 1 });
    await writeFile(gate, '');
    const ids = [await pipeline.submit(large), await pipeline.submit(large)];
    let most = 0;
    await pipeline.until(
      'both are completed',
      async () => {
        most = Math.max(most, (await largeEncoders()).length);
        const states = await Promise.all(ids.map((id) => pipeline.video(id)));
        return states.every(({ status }) => status === 'completed');
      },
      150,
    );
    expect(most).toBeLessThanOrEqual(1);
    const encodes = (await readLog()).filter((line) => line.includes(LARGE));
    expect(encodes).toHaveLength(2);
    for (const line of encodes) expect(line).toContain('-threads:v 1 ');
  }, 240_000);

  it('gives a lone piece all cores, and one core to each of two that run side by side', async () => {
    await start({ ffmpegPath: gated, settings: { threads: 1 } });
    await writeFile(gate, '');
    await pipeline.waitForStatus(await pipeline.submit(small), 'completed', 120);
    const lone = await readLog();
    expect(lone).toHaveLength(1);
    expect(lone[0]).toContain('-threads:v 2 ');

    await rm(gate);
    const long = await makeClip(path.join(folder, 'long.mp4'), {
      widthPx: 1280,
      heightPx: 720,
      seconds: 4,
    });
    const id = await pipeline.submit(long);
    await pipeline.until(
      'two chunks are encoding',
      async () => (await largeEncoders()).length === 2,
    );
    await writeFile(gate, '');
    await pipeline.waitForStatus(id, 'completed', 120);
    const chunks = (await readLog()).slice(1);
    expect(chunks).toHaveLength(2);
    for (const line of chunks) expect(line).toContain('-threads:v 1 ');
  }, 240_000);

  it('rule 17: killed encoders give their room back, and are tried again with one thread', async () => {
    const killed = await writeStubFfmpeg(
      folder,
      `case " $* " in *" -threads:v 1 "*) exec ffmpeg "$@" ;; esac; echo "$*" >> ${log}; kill -9 $$`,
    );
    await start({ ffmpegPath: killed, ffmpegMemoryMb: largeMb(2) });
    const id = await pipeline.submit(large);
    await pipeline.waitForStatus(id, 'completed', 120);
    expect(await readLog()).toHaveLength(2);
    expect(pipeline.deps.encoders.isWorkingFor((await runIds(id))[0] ?? 0)).toBe(false);
  }, 240_000);

  it('rule 28: the kernel takes an encoder before anything else', async () => {
    await start({ ffmpegPath: gated });
    const id = await pipeline.submit(large);
    await pipeline.until('the encode has begun', async () => (await largeEncoders()).length > 0);
    const [pid] = await largeEncoders();
    expect((await readFile(`/proc/${pid}/oom_score_adj`, 'utf8')).trim()).toBe('1000');
    await writeFile(gate, '');
    await pipeline.waitForStatus(id, 'completed', 120);
  }, 180_000);

  async function runIds(id: VideoId): Promise<readonly number[]> {
    const rows = await pipeline.db.sql('select id from video_runs where video_id = $1', [id]);
    return rows.map((row) => Number(row['id']));
  }
});
