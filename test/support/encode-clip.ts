import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { type EncodingPlan, planEncoding } from '../../src/domain/encoding-plan.ts';
import { type FrameRate, framesPerSecond } from '../../src/domain/frame-rate.ts';
import { colorMatrixOf, type MediaInfo } from '../../src/domain/media-info.ts';
import {
  encodeAudioArgs,
  encodeChunkArgs,
  type EncodeRendition,
  type SourceClock,
} from '../../src/media/encode-args.ts';
import type { Ffmpeg } from '../../src/media/ffmpeg.ts';
import type { InspectTools } from '../../src/media/inspect-output.ts';
import { concatList, type ConcatPiece, muxRenditionArgs } from '../../src/media/join-args.ts';
import { packageHybrid } from '../../src/media/package-hybrid.ts';
import {
  type OutputFacts,
  verifyChunk,
  verifyRendition,
  verifySound,
} from '../../src/media/verify.ts';

export interface EncodeJob {
  readonly ffmpeg: Ffmpeg;
  readonly tools: InspectTools;
  readonly sourcePath: string;
  readonly info: MediaInfo;
  readonly folder: string;
  readonly frameRate: FrameRate;
  readonly frames: number;
  readonly originSeconds: number;
  readonly toneMap?: boolean;
  /** Default: one piece over the whole video. */
  readonly chunkFrames?: number;
  readonly sizes: readonly { readonly widthPx: number; readonly heightPx: number }[];
}

/** What the product would do with a source; everything in one piece. */
export function planClip(info: MediaInfo): EncodingPlan {
  return planEncoding(info, {
    profile: 'ladder',
    crf: 22,
    preset: 'ultrafast',
    timeoutSeconds: 600,
    maxDurationSeconds: 3600,
    thumbnailTimestamps: null,
    platformFaultPatienceSeconds: 60,
    ffmpegMemoryMb: 2048,
    lanes: 1,
    threads: 2,
    decodeCheck: 'smallest',
    onTruncated: 'fail',
  });
}

export interface EncodedRendition {
  readonly path: string;
  /** As it was before it was packaged: an ordinary MP4 with its index at the end. */
  readonly joinedPath: string;
  readonly facts: OutputFacts;
}

const BUDGET = { budgetMs: 120_000 };

/** The whole way of a video through the media tools: pieces, sound, joined and packaged renditions, each of them verified. */
export async function encodeClip(job: EncodeJob): Promise<readonly EncodedRendition[]> {
  await mkdir(job.folder, { recursive: true });
  const gopFrames = Math.round(2 * framesPerSecond(job.frameRate));
  const pieces = await encodePieces(job, gopFrames);
  const audioPath = await encodeSound(job);
  const renditions: EncodedRendition[] = [];
  for (const [index, size] of job.sizes.entries()) {
    const ofSize = pieces.map((piece) => piece[index]).filter((piece) => piece !== undefined);
    const listPath = path.join(job.folder, `${index}.txt`);
    const joinedPath = path.join(job.folder, `${index}-joined.mp4`);
    const outputPath = path.join(job.folder, `${index}.mp4`);
    await writeFile(listPath, concatList(ofSize, job.frameRate));
    const frames = ofSize.reduce((sum, piece) => sum + piece.frames, 0);
    const durationSeconds = frames / framesPerSecond(job.frameRate);
    const mux = { listPath, audioPath, durationSeconds, outputPath: joinedPath };
    await job.ffmpeg.run(muxRenditionArgs(mux), BUDGET);
    await packageHybrid({ sourcePath: joinedPath, outputPath, frameRate: job.frameRate });
    const expected = {
      ...size,
      frames,
      frameRate: job.frameRate,
      gopFrames,
      hasAudio: audioPath !== null,
    };
    renditions.push({
      path: outputPath,
      joinedPath,
      facts: await verifyRendition(outputPath, expected, job.tools),
    });
  }
  return renditions;
}

async function encodePieces(
  job: EncodeJob,
  gopFrames: number,
): Promise<readonly (readonly ConcatPiece[])[]> {
  const pieces: (readonly ConcatPiece[])[] = [];
  const step = job.chunkFrames ?? job.frames;
  for (let firstFrame = 0; firstFrame < job.frames; firstFrame += step) {
    const endFrame = Math.min(job.frames, firstFrame + step);
    const renditions = job.sizes.map((size, index): EncodeRendition => ({
      ...size,
      rateControl: { kind: 'capped-crf', crf: 22, maxrateBps: 5_000_000, bufsizeBps: 10_000_000 },
      outputPath: path.join(job.folder, `${firstFrame}-${index}.mp4`),
    }));
    const command = encodeChunkArgs({
      sourcePath: job.sourcePath,
      clock: clockOf(job),
      videoStreamIndex: job.info.video.index,
      frameRate: job.frameRate,
      originSeconds: job.originSeconds,
      firstFrame,
      endFrame,
      gopFrames,
      interlaced: job.info.video.fieldOrder === 'interlaced',
      toneMap: job.toneMap ?? false,
      colorMatrix: colorMatrixOf(job.info.video),
      preset: 'ultrafast',
      renditions,
    });
    await job.ffmpeg.run(command, BUDGET);
    pieces.push(await checkPieces(job, renditions, { firstFrame, endFrame, gopFrames }));
  }
  return pieces;
}

function clockOf({ info }: EncodeJob): SourceClock {
  return { firstSeconds: info.startSeconds, zeroSeconds: info.startSeconds };
}

async function checkPieces(
  job: EncodeJob,
  renditions: readonly EncodeRendition[],
  { firstFrame, endFrame, gopFrames }: { firstFrame: number; endFrame: number; gopFrames: number },
): Promise<readonly ConcatPiece[]> {
  const checked: ConcatPiece[] = [];
  for (const { outputPath, widthPx, heightPx } of renditions) {
    const expected = {
      frames: endFrame - firstFrame,
      frameRate: job.frameRate,
      gopFrames,
      isLast: endFrame === job.frames,
      widthPx,
      heightPx,
    };
    const facts = await verifyChunk(outputPath, expected, job.tools);
    checked.push({ path: outputPath, frames: facts.frames });
  }
  return checked;
}

async function encodeSound(job: EncodeJob): Promise<string | null> {
  if (job.info.audio === null) return null;
  const outputPath = path.join(job.folder, 'audio.m4a');
  const durationSeconds = job.frames / framesPerSecond(job.frameRate);
  const command = encodeAudioArgs({
    sourcePath: job.sourcePath,
    audioStreamIndex: job.info.audio.index,
    clock: clockOf(job),
    originSeconds: job.originSeconds,
    durationSeconds,
    outputPath,
  });
  await job.ffmpeg.run(command, BUDGET);
  await verifySound(outputPath, { durationSeconds }, job.tools);
  return outputPath;
}
