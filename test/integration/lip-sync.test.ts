import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeTempFolder, runTool } from '../support/make-clip.ts';
import { beeps, flashes } from '../support/measure.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';

/** Flash and beep happen together at these times of a clip's own clock. */
const TIMES = [2, 5, 8, 10] as const;
const SECONDS = 12;
/** Half a frame at 25 a second. */
const HALF_A_FRAME = 0.02;

interface Starts {
  /** Seconds on the clip's clock at which each track begins. */
  readonly picture: number;
  readonly sound: number;
}

/** Flashes last two frames, beeps about as long. Tracks that begin later hold the rest of the same performance. */
async function makeFlashAndBeep(file: string, { picture, sound }: Starts): Promise<string> {
  const during = (clock: string, frames: string) =>
    TIMES.map((time) => `between(${clock},${time}-${frames},${time}+0.06)`).join('+');
  const light = `color=black:s=640x360:r=25:d=${SECONDS - picture},drawbox=color=white:thickness=fill:enable='${during(`t+${picture}`, '0.001')}'`;
  const noise = `aevalsrc='if(${during(`t+${sound}`, '0')},0.8*sin(6000*t),0)':s=48000:d=${SECONDS - sound}`;
  await runTool('ffmpeg', [
    ...['-itsoffset', String(picture), '-f', 'lavfi', '-i', light],
    ...['-itsoffset', String(sound), '-f', 'lavfi', '-i', noise, '-c:v', 'libx264', '-preset'],
    ...['ultrafast', '-g', '250', '-bf', '2', '-pix_fmt', 'yuv420p', '-c:a', 'aac', file],
  ]);
  return file;
}

/** Seconds from each flash to its beep. */
async function offsets(file: string): Promise<readonly number[]> {
  const [seen, heard] = [await flashes(file), await beeps(file)];
  expect(heard).toHaveLength(seen.length);
  return seen.map((seconds, index) => (heard[index] ?? 0) - seconds);
}

describe('sound and picture', () => {
  let temp: Awaited<ReturnType<typeof makeTempFolder>>;
  let pipeline: Pipeline;
  beforeAll(async () => {
    temp = await makeTempFolder();
    pipeline = await startPipeline({ settings: { lanes: 4, threads: 1 } });
  });
  afterAll(async () => {
    await pipeline.close();
    await temp.remove();
  });

  it.each([
    ['begin together', { picture: 0, sound: 0 }, 'mp4'],
    ['the sound begins 0.5 s late', { picture: 0, sound: 0.5 }, 'mp4'],
    ['the sound begins 1.3 s late', { picture: 0, sound: 1.3 }, 'mkv'],
    ['the sound begins a little early', { picture: 0.04, sound: 0 }, 'mkv'],
    ['the picture begins 0.52 s late', { picture: 0.52, sound: 0 }, 'mp4'],
    ['the picture begins 1.32 s late', { picture: 1.32, sound: 0 }, 'mkv'],
  ])('stay together in every rendition of several pieces: %s', async (name, starts, container) => {
    const file = path.join(temp.path, `${name}.${container}`);
    const id = await pipeline.submit(await makeFlashAndBeep(file, starts));
    await pipeline.waitForStatus(id, 'completed');
    const [run] = await pipeline.db.sql('select plan from video_runs where video_id = $1', [id]);
    expect(run?.['plan']).toMatchObject({ chunks: { length: 4 } });

    const own = await offsets(file);
    for (const quality of ['360p', '240p']) {
      const rendition = path.join(pipeline.folder, `media/videos/streams/${id}/v1/${quality}.mp4`);
      const found = await offsets(rendition);
      expect(found).toHaveLength(TIMES.length);
      for (const [index, offset] of found.entries())
        expect(Math.abs(offset - (own[index] ?? 9))).toBeLessThanOrEqual(HALF_A_FRAME);
    }
  });
});
