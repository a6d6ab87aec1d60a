import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EncodingPlan } from '../../src/domain/encoding-plan.ts';
import { framesPerSecond } from '../../src/domain/frame-rate.ts';
import { encodeChunkArgs } from '../../src/media/encode-args.ts';
import { createFfmpeg, type Ffmpeg } from '../../src/media/ffmpeg.ts';
import { probeFile } from '../../src/media/ffprobe.ts';
import { correlate, squareOf } from '../support/correlate.ts';
import { encodeClip, planClip } from '../support/encode-clip.ts';
import { makeClip, makeTempFolder, runTool } from '../support/make-clip.ts';
import { findRealClips } from '../support/real-clips.ts';
import { FFMPEG, FFPROBE } from '../support/sandboxes.ts';

/** The right pictures, the right way up, as many as there are, whoever encodes them and in however many pieces. */

const tools = { ffprobePath: FFPROBE, timeoutMs: 120_000 };

let temp: Awaited<ReturnType<typeof makeTempFolder>>;
let ffmpeg: Ffmpeg;
beforeAll(async () => {
  temp = await makeTempFolder();
  ffmpeg = await createFfmpeg({ ffmpegPath: FFMPEG, logger: { debug: () => undefined } });
});
afterAll(() => temp.remove());

const file = (name: string): string => path.join(temp.path, name);

/** Hashes of every frame that the encoders of the two smallest renditions would get, from pieces of a certain length. */
async function framesFor(
  { sourcePath, startSeconds }: { sourcePath: string; startSeconds: number },
  plan: EncodingPlan,
  chunkFrames: number,
): Promise<readonly (readonly string[])[]> {
  const renditions = plan.renditions.slice(-2).map((rendition, index) => ({
    ...rendition,
    outputPath: file(`${index}.md5`),
  }));
  const hashes: string[][] = renditions.map(() => []);
  for (let firstFrame = 0; firstFrame < plan.frames; firstFrame += chunkFrames) {
    const command = encodeChunkArgs({
      ...{ sourcePath, firstFrame, renditions, preset: 'ultrafast' },
      ...{ frameRate: plan.frameRate, gopFrames: plan.gopFrames },
      clock: { firstSeconds: startSeconds, zeroSeconds: startSeconds },
      ...{ originSeconds: plan.originSeconds, videoStreamIndex: plan.video.streamIndex },
      ...{ interlaced: plan.video.interlaced, toneMap: plan.video.toneMap },
      colorMatrix: plan.video.colorMatrix,
      endFrame: Math.min(plan.frames, firstFrame + chunkFrames),
    });
    const outputs = command.outputs.map(({ path: output }, index) => ({
      options: ['-map', `[v${index}]`, '-fps_mode', 'passthrough', '-f', 'framemd5'],
      path: output,
    }));
    await ffmpeg.run({ ...command, outputs }, { budgetMs: 120_000 });
    for (const [index, { path: output }] of outputs.entries())
      hashes[index]?.push(...hashesIn(await readFile(output, 'utf8')));
  }
  return hashes;
}

function hashesIn(text: string): readonly string[] {
  const rows = text.split('\n').filter((line) => line.startsWith('0,'));
  return rows.map((line) => line.split(',').at(-1)?.trim() ?? '');
}

/** Filters that turn a stored picture as its display matrix says; read from ffprobe, done by hand. */
const TURNS: Readonly<Record<number, readonly string[]>> = {
  0: [],
  90: ['transpose=cclock'],
  [-90]: ['transpose=clock'],
  180: ['hflip', 'vflip'],
  [-180]: ['hflip', 'vflip'],
};

async function rotationOf(sourcePath: string): Promise<number> {
  const show = ['-select_streams', 'v:0', '-show_entries', 'stream_side_data=rotation'];
  const text = await runTool('ffprobe', [...show, '-of', 'json', sourcePath]);
  return Number(/"rotation": (-?\d+)/.exec(text)?.[1] ?? 0);
}

/** When each picture is shown, from the first one on, and at the end when the last one goes. */
async function shownTimes(sourcePath: string): Promise<readonly number[]> {
  const args = ['-i', sourcePath, '-map', '0:v:0', '-fps_mode', 'passthrough'];
  const text = await runTool('ffmpeg', [...args, '-f', 'framecrc', '-']);
  const [, num, den] = /^#tb 0: (\d+)\/(\d+)/m.exec(text) ?? [];
  const rows = text.split('\n').filter((line) => line.startsWith('0,'));
  const frames = rows.map((row) => row.split(',').map(Number));
  const [first, last] = [frames[0]?.[2] ?? 0, frames.at(-1)];
  const ticks = [...frames.map((frame) => frame[2] ?? 0), (last?.[2] ?? 0) + (last?.[3] ?? 0)];
  return ticks.map((tick) => ((tick - first) * Number(num)) / Number(den));
}

/** Everything that is claimed of one source. */
async function expectRight(sourcePath: string, chunkFrames: number): Promise<EncodingPlan> {
  const info = await probeFile(sourcePath, tools);
  const plan = planClip(info);
  const source = { sourcePath, startSeconds: info.startSeconds };
  const whole = await framesFor(source, plan, plan.frames);
  const chunked = await framesFor(source, plan, chunkFrames);
  expect(chunked).toEqual(whole);
  for (const hashes of whole) expect(plan.frames - hashes.length).toBeLessThanOrEqual(1);

  const { widthPx, heightPx } = plan.renditions.at(-1) ?? { widthPx: 0, heightPx: 0 };
  const [rendition] = await encodeClip({
    ...{ ffmpeg, tools, sourcePath, info, frameRate: plan.frameRate, frames: plan.frames },
    folder: file(path.basename(sourcePath, path.extname(sourcePath))),
    originSeconds: plan.originSeconds,
    toneMap: plan.video.toneMap,
    sizes: [{ widthPx, heightPx }],
  });
  if (rendition === undefined) throw new Error('there is one rendition');
  const frameSeconds = 1 / framesPerSecond(plan.frameRate);
  const times = await shownTimes(sourcePath);
  const { durationSeconds } = rendition.facts;
  // The last picture of a variable rate lasts as long as one likes to think.
  expect(Math.abs(durationSeconds - (times.at(-1) ?? 0))).toBeLessThanOrEqual(1.5 * frameSeconds);

  const middle = Math.floor(rendition.facts.frames / 2);
  const made = await squareOf(rendition.path, { frame: middle });
  const frame = times.findLastIndex((seconds) => seconds <= (middle + 0.5) * frameSeconds);
  const filters = TURNS[await rotationOf(sourcePath)] ?? [];
  const shown = await squareOf(sourcePath, { frame, input: ['-noautorotate'], filters });
  expect(correlate(made, shown)).toBeGreaterThan(0.95);
  const overHead = shown.toReversed();
  expect(correlate(made, Buffer.from(overHead))).toBeLessThan(0.8);
  return plan;
}

describe('generated clips', () => {
  const SECONDS = 3;
  let hasRotationOption: boolean;
  beforeAll(async () => {
    hasRotationOption = (await runTool('ffmpeg', ['-h', 'full'])).includes('display_rotation');
  });

  it.each([
    ['upright', 0, 0],
    ['turned by 90 degrees', 90, 0],
    ['turned by 180 degrees', 180, 0],
    ['turned by 270 degrees', 270, 0],
    ['cut in the middle of a group by an edit list', 0, 1.3],
    ['turned, and cut by an edit list', 90, 1.3],
  ])('are right in pieces and as a whole: %s', async (name, degrees, cutSeconds) => {
    const flat = await makeClip(file(`${name} flat.mp4`), {
      // Where both tracks are cut, the sound begins first.
      ...{ widthPx: 640, heightPx: 360, seconds: SECONDS, audio: cutSeconds > 0 },
      options: ['-preset', 'veryfast', '-g', '60'],
    });
    const turned = file(`${name}.mp4`);
    const cut = cutSeconds > 0 ? ['-ss', String(cutSeconds)] : [];
    await runTool('ffmpeg', turn([...cut], flat, degrees, turned));
    const plan = await expectRight(turned, 29);
    const isPortrait = degrees % 180 === 90;
    expect(plan.renditions[0]).toMatchObject(
      isPortrait ? { widthPx: 360, heightPx: 640 } : { widthPx: 640, heightPx: 360 },
    );
    expect(plan.frames).toBe(Math.round((SECONDS - cutSeconds) * 25));
  });

  /** Stream copy with a display matrix; 7.0 took the tag away and brought an option. */
  function turn(
    before: readonly string[],
    from: string,
    degrees: number,
    to: string,
  ): readonly string[] {
    return hasRotationOption
      ? [...before, '-display_rotation', String(-degrees), '-i', from, '-c', 'copy', to]
      : [...before, '-i', from, '-c', 'copy', '-metadata:s:v:0', `rotate=${degrees}`, to];
  }
});

const folder = findRealClips('media-orientation');
(folder === undefined ? describe.skip : describe)('real clips', () => {
  it.each([
    ['portrait-4k60-rotated.mp4', 9],
    ['hlg-hevc-editlist-rotated.mp4', 36],
    ['dolbyvision-iphone.mov', 2],
    ['hevc-data-track-first.mp4', 2],
    ['bbb-1080p24-8s.mp4', 97],
    ['vfr-fullrange-518x488.mp4', 84],
  ])('are right in pieces and as a whole: %s', async (name, chunkFrames) => {
    await expectRight(path.join(folder ?? '', `real-${name}`), chunkFrames);
  });
});
