import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createFfmpeg, type Ffmpeg } from '../../src/media/ffmpeg.ts';
import { probeFile } from '../../src/media/ffprobe.ts';
import { encodeClip, planClip } from '../support/encode-clip.ts';
import { makeTempFolder, runTool } from '../support/make-clip.ts';
import { watch } from '../support/measure.ts';
import { findRealClips } from '../support/real-clips.ts';
import { FFMPEG, FFPROBE } from '../support/sandboxes.ts';

/** HDR sources come out as ordinary video with their colours, not grey. */

const tools = { ffprobePath: FFPROBE, timeoutMs: 120_000 };
/** Of a clip; enough for a mean. */
const MOST_FRAMES = 24;
const SIZE = { widthPx: 320, heightPx: 180 };
/** What white of ordinary video is in HDR (ITU-R BT.2408 §2). */
const WHITE_NITS = 203;

let temp: Awaited<ReturnType<typeof makeTempFolder>>;
let ffmpeg: Ffmpeg;
beforeAll(async () => {
  temp = await makeTempFolder();
  ffmpeg = await createFfmpeg({ ffmpegPath: FFMPEG, logger: { debug: () => undefined } });
});
afterAll(() => temp.remove());

const file = (name: string): string => path.join(temp.path, name);

interface Colours {
  readonly luma: number;
  readonly darkLuma: number;
  readonly saturation: number;
}

/** Means over all frames. */
async function coloursOf(clip: string): Promise<Colours> {
  const frames = await watch(clip);
  const mean = (pick: (frame: Colours) => number) =>
    frames.reduce((sum, frame) => sum + pick(frame), 0) / frames.length;
  return {
    luma: mean(({ luma }) => luma),
    darkLuma: mean(({ darkLuma }) => darkLuma),
    saturation: mean(({ saturation }) => saturation),
  };
}

/** As the product encodes it, or as it would be without tone mapping. */
async function encode(sourcePath: string, toneMap: boolean): Promise<string> {
  const info = await probeFile(sourcePath, tools);
  const plan = planClip(info);
  expect(plan.video.toneMap).toBe(true);
  const isPortrait = info.video.displayHeightPx > info.video.displayWidthPx;
  const [rendition] = await encodeClip({
    ...{ ffmpeg, tools, sourcePath, info, toneMap },
    folder: file(`${path.basename(sourcePath)}-${toneMap ? 'mapped' : 'flat'}`),
    frames: Math.min(plan.frames, MOST_FRAMES),
    ...{ frameRate: plan.frameRate, originSeconds: plan.originSeconds },
    sizes: [isPortrait ? { widthPx: SIZE.heightPx, heightPx: SIZE.widthPx } : SIZE],
  });
  if (rendition === undefined) throw new Error('there is one rendition');
  return rendition.path;
}

async function tagsOf(clip: string): Promise<unknown> {
  const entries =
    'stream=pix_fmt,color_range,color_space,color_transfer,color_primaries:stream_side_data';
  const show = ['-select_streams', 'v:0', '-show_entries', entries, '-of', 'json'];
  return (JSON.parse(await runTool('ffprobe', [...show, clip])) as { streams: unknown[] })
    .streams[0];
}

const ORDINARY = {
  pix_fmt: 'yuv420p',
  color_range: 'tv',
  color_space: 'bt709',
  color_transfer: 'bt709',
  color_primaries: 'bt709',
};

describe('a test picture put into HDR', () => {
  let reference: string;
  beforeAll(async () => {
    reference = file('reference.mp4');
    await runTool('ffmpeg', [
      ...['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25:d=0.4'],
      ...['-vf', 'scale=out_color_matrix=bt709:out_range=tv,format=yuv420p', '-c:v', 'libx264'],
      ...['-crf', '8', '-colorspace', 'bt709', '-color_primaries', 'bt709'],
      ...['-color_trc', 'bt709', '-color_range', 'tv', reference],
    ]);
  });

  it.each(['smpte2084', 'arib-std-b67'])('comes back with its colours: %s', async (transfer) => {
    const source = file(`${transfer}.mp4`);
    const intoHdr = [
      `zscale=tin=bt709:min=bt709:pin=bt709:rin=tv:t=linear:npl=${WHITE_NITS}`,
      'format=gbrpf32le',
      'zscale=p=bt2020',
      `zscale=t=${transfer}:m=bt2020nc:r=tv:npl=${WHITE_NITS}`,
      'format=yuv420p10le',
    ].join(',');
    await runTool('ffmpeg', [
      ...['-i', reference, '-vf', intoHdr, '-c:v', 'libx265', '-preset', 'ultrafast', '-crf', '8'],
      ...['-x265-params', 'log-level=error', '-color_primaries', 'bt2020', '-color_trc', transfer],
      ...['-colorspace', 'bt2020nc', '-color_range', 'tv', '-tag:v', 'hvc1', source],
    ]);
    const mapped = await encode(source, true);
    expect(await tagsOf(mapped)).toEqual(ORDINARY);

    const [wanted, found, flat] = await Promise.all(
      [reference, mapped, await encode(source, false)].map(coloursOf),
    );
    if (wanted === undefined || found === undefined || flat === undefined) throw new Error('three');
    // Darker than it was: brighter things than white must have room above it.
    expect(Math.abs(found.luma - wanted.luma)).toBeLessThan(30);
    expect(Math.abs(found.darkLuma - wanted.darkLuma)).toBeLessThan(15);
    expect(found.saturation / wanted.saturation).toBeGreaterThan(0.65);
    // What is only relabelled is grey, and its black is no black.
    expect(flat.darkLuma - wanted.darkLuma).toBeGreaterThan(25);
    expect(flat.saturation / wanted.saturation).toBeLessThan(0.5);
  });
});

const folder = findRealClips('media-hdr');
(folder === undefined ? describe.skip : describe)('real clips', () => {
  it.each([
    'hdr10-hevc-1080p.mp4',
    'hdr10-av1-portrait.mp4',
    'hlg-hevc-audio-first.mp4',
    'hlg-hevc-editlist-rotated.mp4',
    'dolbyvision-iphone.mov',
  ])('have their colours, and the brightness of a day outside: %s', async (name) => {
    const source = path.join(folder ?? '', `real-${name}`);
    const mapped = await encode(source, true);
    expect(await tagsOf(mapped)).toEqual(ORDINARY);
    const found = await coloursOf(mapped);
    const flat = await coloursOf(await encode(source, false));
    expect(found.luma).toBeGreaterThan(100);
    expect(found.luma).toBeLessThan(190);
    expect(found.saturation / flat.saturation).toBeGreaterThan(1.5);
  });
});
