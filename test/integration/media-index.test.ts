import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type EncodingPlan, planEncoding } from '../../src/domain/encoding-plan.ts';
import { type EncodeChunk, encodeAudioArgs, encodeChunkArgs } from '../../src/media/encode-args.ts';
import type { FfmpegCommand } from '../../src/media/ffmpeg-command.ts';
import { createFfmpeg, type Ffmpeg } from '../../src/media/ffmpeg.ts';
import { countPackets, probeFile } from '../../src/media/ffprobe.ts';
import { COPIED_STREAM_INDEX, indexSourceArgs } from '../../src/media/index-source-args.ts';
import { makeTempFolder, runTool } from '../support/make-clip.ts';

/** Chunks of sources without an index, through their copy: the very frames of one pass over the source. */

const tools = {
  ffprobePath: process.env['FFPROBE_PATH'] ?? '/usr/bin/ffprobe',
  timeoutMs: 120_000,
};
const BUDGET = { budgetMs: 240_000 };
const SETTINGS = {
  profile: '720p',
  crf: 28,
  preset: 'ultrafast',
  timeoutSeconds: 600,
  maxDurationSeconds: 3600,
  thumbnailTimestamps: null,
  onTruncated: 'fail',
  decodeCheck: 'smallest',
  platformFaultPatienceSeconds: 60,
  ffmpegMemoryMb: 8000,
  lanes: 2,
  threads: 1,
} as const;

const progressive = 'testsrc2=s=160x90:r=25:d=9';
const interlaced = 'testsrc2=s=160x96:r=50:d=9,interlace,setfield=tff';
const h264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-pix_fmt', 'yuv420p'];
const mpeg2 = ['-c:v', 'mpeg2video', '-bf', '2', '-b:v', '1M'];
/** Longer than a chunk, so that most chunks begin within one. */
const GROUP = ['-g', '75', '-sc_threshold', '1000000000'];

let temp: { path: string; remove: () => Promise<void> };
let ffmpeg: Ffmpeg;
beforeAll(async () => {
  temp = await makeTempFolder();
  const ffmpegPath = process.env['FFMPEG_PATH'] ?? '/usr/bin/ffmpeg';
  ffmpeg = await createFfmpeg({ ffmpegPath, logger: { debug: () => undefined } });
});
afterAll(() => temp.remove());

describe('chunks of a source without an index', () => {
  it.each([
    ['h264.ts', progressive, [...h264, '-c:a', 'aac']],
    ['interlaced.ts', interlaced, [...mpeg2, '-flags', '+ilme+ildct', '-c:a', 'mp2']],
    ['program-stream.mpg', progressive, [...mpeg2, '-c:a', 'mp2']],
    ['h264.flv', progressive, [...h264, '-c:a', 'aac']],
    ['sorenson.flv', progressive, ['-c:v', 'flv1', '-c:a', 'aac']],
    ['wmv2.wmv', progressive, ['-c:v', 'wmv2', '-c:a', 'wmav2']],
    ['theora.ogv', progressive, ['-c:v', 'libtheora', '-c:a', 'libvorbis', '-ac', '2']],
  ])('%s: as many frames as in one pass, and the same ones', async (name, picture, options) => {
    const source = path.join(temp.path, name);
    await runTool('ffmpeg', [
      ...['-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', 'sine=r=48000:d=9'],
      ...[...options, ...GROUP, source],
    ]);
    const info = await probeFile(source, tools);
    const plan = planEncoding(info, SETTINGS);
    expect(plan.needsIndex).toBe(true);

    const copyPath = path.join(temp.path, `${name}.mkv`);
    const { streamIndex } = plan.video;
    const { startSeconds, sizeBytes } = info;
    const copy = { sourcePath: source, videoStreamIndex: streamIndex, startSeconds, sizeBytes };
    await ffmpeg.run(indexSourceArgs({ ...copy, outputPath: copyPath }), BUDGET);
    const scan = await countPackets(copyPath, COPIED_STREAM_INDEX, tools);
    const copied = {
      sourcePath: copyPath,
      videoStreamIndex: COPIED_STREAM_INDEX,
      clock: {
        firstSeconds: (scan.pictureEndSeconds ?? 0) - (scan.durationSeconds ?? 0),
        zeroSeconds: 0,
      },
    };

    const clock = { firstSeconds: startSeconds, zeroSeconds: startSeconds };
    const straight = { sourcePath: source, videoStreamIndex: streamIndex, clock };
    const whole = await hashFrames(plan, straight, 0, plan.frames);
    expect(whole.length).toBeGreaterThan(221);
    expect(new Set(whole).size).toBe(whole.length);
    const chunked: string[] = [];
    for (let first = 0; first < plan.frames; first += plan.gopFrames) {
      const end = Math.min(plan.frames, first + plan.gopFrames);
      const hashes = await hashFrames(plan, copied, first, end);
      if (end < plan.frames) expect(hashes).toHaveLength(plan.gopFrames);
      chunked.push(...hashes);
    }
    expect(chunked).toEqual(whole);
  });

  it('begins by the clock of the source: two seconds of sound before the picture are kept', async () => {
    const source = path.join(temp.path, 'late.ts');
    await runTool('ffmpeg', [
      ...['-f', 'lavfi', '-i', 'sine=r=48000:d=8', '-itsoffset', '2', '-f', 'lavfi'],
      ...['-i', 'testsrc2=s=160x90:r=25:d=6', '-map', '1', '-map', '0', ...h264, ...GROUP],
      ...['-c:a', 'aac', source],
    ]);
    const info = await probeFile(source, tools);
    expect(info.video.startSeconds - info.startSeconds).toBeGreaterThan(1.9);
    const plan = planEncoding(info, SETTINGS);
    const outputPath = path.join(temp.path, 'late.mkv');
    const { streamIndex } = plan.video;
    const { startSeconds, sizeBytes } = info;
    const copy = { sourcePath: source, videoStreamIndex: streamIndex, startSeconds, sizeBytes };
    await ffmpeg.run(indexSourceArgs({ ...copy, outputPath }), BUDGET);
    const { pictureEndSeconds, durationSeconds } = await countPackets(outputPath, 0, tools);
    const firstSeconds = (pictureEndSeconds ?? 0) - (durationSeconds ?? 0);
    expect(firstSeconds).toBeCloseTo(info.video.startSeconds - info.startSeconds, 2);

    const clock = { firstSeconds: startSeconds, zeroSeconds: startSeconds };
    const straight = { sourcePath: source, videoStreamIndex: streamIndex, clock };
    const copied = {
      sourcePath: outputPath,
      videoStreamIndex: 0,
      clock: { firstSeconds, zeroSeconds: 0 },
    };
    const whole = await hashFrames(plan, straight, 0, plan.frames);
    const half = plan.gopFrames * 2;
    const chunked = [
      ...(await hashFrames(plan, copied, 0, half)),
      ...(await hashFrames(plan, copied, half, plan.frames)),
    ];
    expect(whole).toHaveLength(plan.frames);
    expect(chunked).toEqual(whole);
  });
});

type Picture = Pick<EncodeChunk, 'sourcePath' | 'videoStreamIndex' | 'clock'>;

/** A hash of every frame that the encoder of the one rendition would be given. */
async function hashFrames(
  plan: EncodingPlan,
  picture: Picture,
  firstFrame: number,
  endFrame: number,
): Promise<readonly string[]> {
  const outputPath = path.join(temp.path, 'frames.txt');
  const encode = encodeChunkArgs({
    ...picture,
    frameRate: plan.frameRate,
    originSeconds: plan.originSeconds,
    firstFrame,
    endFrame,
    gopFrames: plan.gopFrames,
    interlaced: plan.video.interlaced,
    toneMap: plan.video.toneMap,
    colorMatrix: plan.video.colorMatrix,
    preset: 'ultrafast',
    renditions: plan.renditions.map((rendition) => ({ ...rendition, outputPath })),
    threads: { encode: 1, decode: 1 },
  });
  const outputs = [{ options: ['-map', '[v0]', '-f', 'framemd5'], path: outputPath }];
  await ffmpeg.run({ ...encode, outputs } satisfies FfmpegCommand, BUDGET);
  const lines = (await readFile(outputPath, 'utf8')).split('\n');
  return lines
    .filter((line) => line.startsWith('0,'))
    .map((line) => line.split(',').at(-1)?.trim() ?? '');
}

describe('sound of a transport stream', () => {
  it('keeps its place where the picture begins a second before it', async () => {
    const source = path.join(temp.path, 'late-sound.ts');
    await runTool('ffmpeg', [
      ...['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=25:d=4', '-itsoffset', '1', '-f', 'lavfi'],
      ...['-i', 'sine=r=48000:d=3', ...h264, '-c:a', 'aac', source],
    ]);
    const info = await probeFile(source, tools);
    const plan = planEncoding(info, SETTINGS);
    const { startSeconds } = plan;
    const outputPath = path.join(temp.path, 'late-sound.m4a');
    const command = encodeAudioArgs({
      sourcePath: source,
      audioStreamIndex: plan.audio?.streamIndex ?? -1,
      clock: { firstSeconds: startSeconds, zeroSeconds: startSeconds },
      originSeconds: plan.originSeconds,
      durationSeconds: plan.durationSeconds,
      outputPath,
    });
    await ffmpeg.run(command, BUDGET);
    const raw = path.join(temp.path, 'late-sound.raw');
    await runTool('ffmpeg', ['-i', outputPath, '-ac', '1', '-ar', '1000', '-f', 'u8', raw]);
    const loud = (await readFile(raw)).findIndex((sample) => Math.abs(sample - 128) > 3);
    expect(loud / 1000).toBeGreaterThan(0.95);
    expect(loud / 1000).toBeLessThan(1.05);
  });
});
