import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeClip, makeTempFolder, runTool } from '../support/make-clip.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';

/** Sources that end before they say so, that have no index, or that cannot be divided: through the whole pipeline. */

let clips: { path: string; remove: () => Promise<void> };
beforeAll(async () => {
  clips = await makeTempFolder();
});
afterAll(() => clips.remove());
const clip = (name: string): string => path.join(clips.path, name);

/** Twelve seconds, of which the file keeps a share. */
async function makeCut(name: string, share: number, options: readonly string[] = []) {
  const whole = await makeClip(clip(`whole-${name}`), {
    widthPx: 320,
    heightPx: 180,
    seconds: 12,
    options: ['-g', '75', ...options],
  });
  const bytes = await readFile(whole);
  await writeFile(clip(name), bytes.subarray(0, Math.floor(bytes.length * share)));
  return clip(name);
}

async function planOf(pipeline: Pipeline, id: number) {
  const [run] = await pipeline.db.sql('select plan from video_runs where video_id = $1', [id]);
  return run?.['plan'] as { chunks: object[]; frames: number; needsIndex: boolean };
}

/** Frames and seconds of sound of each finished rendition. */
async function measure(pipeline: Pipeline, id: number) {
  const keys = (await pipeline.keys(`streams/${id}/`)).toSorted();
  return Promise.all(
    keys.map(async (key) => {
      const file = path.join(pipeline.folder, 'media', key);
      const count = async (stream: string, entry: string) =>
        Number.parseFloat(
          await runTool('ffprobe', [
            ...['-count_packets', '-select_streams', stream],
            ...['-show_entries', `stream=${entry}`, '-of', 'csv=p=0', file],
          ]),
        );
      return {
        frames: await count('v:0', 'nb_read_packets'),
        soundSeconds: await count('a:0', 'duration'),
      };
    }),
  );
}

describe('by default', () => {
  let pipeline: Pipeline;
  let copiesToLose = 0;
  beforeAll(async () => {
    pipeline = await startPipeline({
      replace: ({ store }) => ({
        store: {
          ...store,
          async fetchToFile(key, file, signal) {
            if (key.endsWith('.mkv') && key.includes('/work/') && copiesToLose > 0) {
              copiesToLose -= 1;
              await store.delete([key]);
            }
            await store.fetchToFile(key, file, signal);
          },
        },
      }),
    });
  });
  afterAll(() => pipeline.close());

  it.each([
    ['cut.mp4', ['-movflags', '+faststart']],
    ['cut.mkv', []],
  ])(
    'refuses %s, which ends before it says so, and leaves nothing of it',
    async (name, options) => {
      const id = await pipeline.submit(await makeCut(name, 0.4, options));
      const video = await pipeline.waitForStatus(id, 'failed');
      expect(video['failure']).toMatchObject({
        code: 'source-truncated',
        detail: expect.stringMatching(/^The file says 12\.\d s, but it ends after [45]\.\d s\.$/),
      });
      await pipeline.until('nothing but the original is left', async () =>
        (await pipeline.keys()).every((key) => !key.includes(`/${id}/`)),
      );
    },
  );

  it('refuses an FLV that ends before it says so when it looks at it', async () => {
    const id = await pipeline.submit(await makeCut('cut.flv', 0.5));
    const { failure } = await pipeline.waitForStatus(id, 'failed');
    expect(failure).toMatchObject({ code: 'source-truncated', step: 'probe', attempt: 1 });
  });

  it('takes of a transport stream what is there: it promises no length', async () => {
    const id = await pipeline.submit(await makeCut('cut.ts', 0.45));
    const video = await pipeline.waitForStatus(id, 'completed');
    expect(video['warnings']).toEqual([]);
    expect(video['duration_seconds']).toBeGreaterThan(4);
    expect(video['duration_seconds']).toBeLessThan(7);
  });

  it('encodes a transport stream in chunks out of a copy with an index, made again when it is lost', async () => {
    copiesToLose = 1;
    const file = await makeClip(clip('plain.ts'), {
      seconds: 9,
      options: ['-g', '75', '-bf', '2'],
    });
    const id = await pipeline.submit(file);
    await pipeline.client.workflow.getHandle(`process-video-${id}`).result();
    expect(copiesToLose).toBe(0);
    const plan = await planOf(pipeline, id);
    expect(plan).toMatchObject({ frames: 225, needsIndex: true });
    expect(plan.chunks).toHaveLength(2);
    const measured = await measure(pipeline, id);
    expect(measured).toHaveLength(2);
    for (const { frames, soundSeconds } of measured) {
      expect(Math.abs(frames - 225)).toBeLessThanOrEqual(1);
      expect(Math.abs(soundSeconds - 9)).toBeLessThan(0.1);
    }
    expect(await pipeline.keys(`work/${id}/`)).toEqual([]);
    const pieces = await pipeline.db.sql('select name from pieces where video_id = $1', [id]);
    expect(pieces.map(({ name }) => String(name).split('/')[0])).not.toContain('indexed-copy');
    // The MP4 of the copied streams belongs to the version.
    expect(await pipeline.keys(`processed/${id}/`)).toEqual([`videos/processed/${id}/v1.mp4`]);
  });

  it('divides a picture that stands still over the place where two chunks meet', async () => {
    const file = clip('still.mkv');
    await runTool('ffmpeg', [
      ...['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25:d=12'],
      ...['-vf', String.raw`select=not(between(t\,3.5\,8.5))`, '-fps_mode', 'vfr'],
      ...['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '25', file],
    ]);
    const id = await pipeline.submit(file);
    await pipeline.waitForStatus(id, 'completed');
    const plan = await planOf(pipeline, id);
    expect(plan.chunks).toHaveLength(2);
    expect((await measure(pipeline, id)).map(({ frames }) => frames)).toEqual([plan.frames]);
    expect(await faultsOf(pipeline, id)).toEqual([]);
  });
});

async function faultsOf(pipeline: Pipeline, id: number): Promise<readonly unknown[]> {
  const rows = await pipeline.db.sql(
    `select encoder_faults from piece_attempts join video_runs on video_runs.id = video_run_id
      where video_id = $1 and name like 'chunk/%' and encoder_faults > 0`,
    [id],
  );
  return rows.map((row) => row['encoder_faults']);
}

describe('where chunks come out with other frames than planned', () => {
  let pipeline: Pipeline;
  beforeAll(async () => {
    pipeline = await startPipeline({
      replace: ({ ffmpeg }) => ({
        ffmpeg: {
          ...ffmpeg,
          // Every chunk but a video's first loses a second of frames.
          run(command, limits) {
            const filterGraph = command.filterGraph?.replace(
              /trim=start_pts=([1-9]\d*)/,
              (_all, first) => `trim=start_pts=${Number(first) + 25}`,
            );
            return ffmpeg.run(
              filterGraph === undefined ? command : { ...command, filterGraph },
              limits,
            );
          },
        },
      }),
    });
  });
  afterAll(() => pipeline.close());

  it('tries once more, then encodes in one piece', async () => {
    const file = await makeClip(clip('undivided.mp4'), { seconds: 12 });
    const id = await pipeline.submit(file);
    const video = await pipeline.hurryTo(id, 'completed');
    const warnings = video['warnings'] as readonly { code: string }[];
    expect(warnings.map(({ code }) => code)).toContain('encoded-in-one-piece');
    const plan = await planOf(pipeline, id);
    expect(plan.chunks).toHaveLength(1);
    const measured = await measure(pipeline, id);
    expect(new Set(measured.map(({ frames }) => frames))).toEqual(new Set([plan.frames]));
    expect(await faultsOf(pipeline, id)).toEqual([1]);
  });
});

describe('with ON_TRUNCATED=keep', () => {
  let pipeline: Pipeline;
  beforeAll(async () => {
    pipeline = await startPipeline({ settings: { onTruncated: 'keep' } });
  });
  afterAll(() => pipeline.close());

  it.each([
    ['kept.mp4', 0.7, ['-movflags', '+faststart']],
    ['first-chunk.mp4', 0.15, ['-movflags', '+faststart']],
    ['kept.mkv', 0.4, []],
    ['kept.flv', 0.5, []],
  ] as const)('publishes what is there of %s, and says so', async (name, share, options) => {
    const id = await pipeline.submit(await makeCut(name, share, options));
    await pipeline.client.workflow.getHandle(`process-video-${id}`).result();
    const video = await pipeline.video(id);
    expect(video['warnings']).toMatchObject([{ code: 'source-truncated' }]);
    const plan = await planOf(pipeline, id);
    expect(plan.frames).toBeLessThan(12 * 25 * (share + 0.15));
    expect(video['duration_seconds']).toBeCloseTo(plan.frames / 25, 3);

    const measured = await measure(pipeline, id);
    expect(measured).toHaveLength(1);
    for (const { frames, soundSeconds } of measured) {
      // The last pictures may want what was cut off.
      expect(plan.frames - frames).toBeGreaterThanOrEqual(0);
      expect(plan.frames - frames).toBeLessThan(13);
      expect(soundSeconds).toBeLessThanOrEqual(plan.frames / 25 + 0.1);
    }
    expect(await pipeline.keys(`work/${id}/`)).toEqual([]);
    const [processed] = await pipeline.db.sql(
      `select object_key from video_streams where video_id = $1 and output = 'processed'`,
      [id],
    );
    expect(processed?.['object_key']).toBe(`videos/processed/${id}/v1.mp4`);
  });
});
