import path from 'node:path';
import type { EncodingPlan } from '../../src/domain/encoding-plan.ts';
import { framesPerSecond } from '../../src/domain/frame-rate.ts';
import type { RenditionPlan } from '../../src/domain/rendition-ladder.ts';
import { type Clip, ENCODER } from './clips.ts';

/**
 * The ways of making a ladder that the product is compared with, as arguments of plain ffmpeg. Sizes, caps, key frames and preset
 * are those of the product's own plan; threads are as ffmpeg chooses them.
 */
type Command = readonly string[];

/** a: convert, compress what came out, five passes over that, four pictures. Every rendition is a third encode. */
export function naiveChain({ file, plan }: Clip, folder: string): readonly Command[] {
  const [tallest] = plan.renditions;
  if (tallest === undefined) throw new Error('the plan has no renditions');
  const converted = path.join(folder, 'converted.mp4');
  const compressed = path.join(folder, 'compressed.mp4');
  const pass = (from: string, rendition: RenditionPlan, to: string): Command => [
    ...['-i', from, '-map', '0:v:0', '-map', '0:a:0', '-vf', `${scale(rendition)},format=yuv420p`],
    ...x264(plan, rendition),
    ...AAC,
    ...['-movflags', '+faststart', to],
  ];
  return [
    pass(file, tallest, converted),
    pass(converted, tallest, compressed),
    ...plan.renditions.map((rendition) =>
      pass(compressed, rendition, renditionFile(folder, rendition)),
    ),
    ...plan.thumbnailTimes.map((seconds, index) => [
      ...['-ss', String(seconds), '-i', compressed, '-frames:v', '1', '-q:v', '3'],
      path.join(folder, `${index}.jpg`),
    ]),
  ];
}

/** b: one process, one decode, scaled in a cascade, five outputs, the sound five times. */
export function oneDecode({ file, plan }: Clip, folder: string): readonly Command[] {
  const graph = plan.renditions.map((rendition, index) => {
    const from = index === 0 ? '[0:v:0]' : `[x${index - 1}]`;
    const format = index === 0 ? ',format=yuv420p' : '';
    const isLast = index === plan.renditions.length - 1;
    return `${from}${scale(rendition)}${format}${isLast ? '' : ',split=2'}[v${index}]${isLast ? '' : `[x${index}]`}`;
  });
  const outputs = plan.renditions.flatMap((rendition, index) => [
    ...['-map', `[v${index}]`, '-map', '0:a:0'],
    ...x264(plan, rendition),
    ...AAC,
    ...['-movflags', '+faststart', renditionFile(folder, rendition)],
  ]);
  return [['-i', file, '-filter_complex', graph.join(';'), ...outputs]];
}

/** What c reads: each rendition's pictures, raw. Making them is not measured. */
export function rawInputs({ file, plan }: Clip, folder: string): readonly Command[] {
  return plan.renditions.map((rendition) => [
    ...['-i', file, '-map', '0:v:0', '-vf', `${scale(rendition)},format=yuv420p`],
    ...['-f', 'rawvideo', rawFile(folder, rendition)],
  ]);
}

/** c: the floor. Bare x264 for each rendition, one decode, one encode of the sound. */
export function floor({ file, plan }: Clip, folder: string): readonly Command[] {
  const { num, den } = plan.frameRate;
  return [
    ['-i', file, '-map', '0:v:0', '-f', 'null', '-'],
    ['-i', file, '-map', '0:a:0', ...AAC, path.join(folder, 'audio.m4a')],
    ...plan.renditions.map((rendition) => [
      ...['-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-framerate', `${num}/${den}`],
      ...['-video_size', `${rendition.widthPx}x${rendition.heightPx}`],
      ...['-i', rawFile(folder, rendition)],
      ...x264(plan, rendition),
      path.join(folder, `floor-${rendition.quality}.mp4`),
    ]),
  ];
}

/** Bytes of all raw pictures. */
export function rawBytes({ plan }: Clip): number {
  const pixels = plan.renditions.reduce((sum, each) => sum + each.widthPx * each.heightPx, 0);
  return pixels * 1.5 * plan.frames;
}

export function renditionFile(folder: string, { quality }: Pick<RenditionPlan, 'quality'>): string {
  return path.join(folder, `${quality}.mp4`);
}

function rawFile(folder: string, { quality }: RenditionPlan): string {
  return path.join(folder, `${quality}.yuv`);
}

const AAC = ['-c:a', 'aac', '-b:a', '128k', '-ac', '2', '-ar', '48000'];

function scale({ widthPx, heightPx }: RenditionPlan): string {
  return `scale=${widthPx}:${heightPx}:flags=bicubic,setsar=1`;
}

function x264(plan: EncodingPlan, { rateControl }: RenditionPlan): Command {
  return [
    ...['-c:v', 'libx264', '-preset', ENCODER.preset, '-profile:v', 'high', '-pix_fmt', 'yuv420p'],
    ...['-crf', String(ENCODER.crf)],
    ...['-maxrate', String(rateControl.maxrateBps), '-bufsize', String(rateControl.bufsizeBps)],
    ...['-g', String(plan.gopFrames), '-keyint_min', String(plan.gopFrames), '-sc_threshold', '0'],
  ];
}

/** One line for people. */
export function describeEncoder({ plan }: Clip): string {
  const renditions = plan.renditions
    .map(({ quality, rateControl }) => `${quality} ≤ ${rateControl.maxrateBps / 1000} kb/s`)
    .join(', ');
  const rate = framesPerSecond(plan.frameRate);
  return `x264 ${ENCODER.preset}, CRF ${ENCODER.crf}, key frame every ${plan.gopFrames} of ${rate} fps; ${renditions}`;
}
