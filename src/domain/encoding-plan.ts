import { type Chunk, planChunks, wholeGrid } from './chunk-grid.ts';
import { estimateFrameCpuSeconds, estimateJob, type JobEstimate } from './encoding-cost.ts';
import { estimateEncodeMemoryMb } from './encoding-memory.ts';
import { ENCODING_PROFILES } from './encoding-profile.ts';
import { AppError } from './errors.ts';
import { chooseFrameRate, countedRate, type FrameRate, framesPerSecond } from './frame-rate.ts';
import { type ColorMatrix, colorMatrixOf, type MediaInfo } from './media-info.ts';
import {
  FROM_PROCESSED,
  inOnePiece,
  listWarnings,
  type PlanWarning,
  truncated,
} from './plan-warnings.ts';
import {
  offeredQualities,
  planRenditions,
  type RenditionPlan,
  type SkippedRendition,
} from './rendition-ladder.ts';
import { findImpossible } from './run-request.ts';
import type { RunSettings } from './run-settings.ts';
import type { RunSource } from './run-source.ts';
import { choosePieces, missingAtEnd } from './source-facts.ts';
import { planThumbnailTimes } from './thumbnail-times.ts';
import type { Conversion } from './video.ts';

/**
 * How a source becomes outputs. Made once per run by `planEncoding` and kept with the run. A retry does not change it; only what
 * an encode finds out of the source does (`revise-plan.ts`).
 */
export interface EncodingPlan {
  /** `none`: the original is MP4/H.264 already. `copy`: streams copied into an MP4. `encode`: the tallest rendition serves. */
  readonly conversion: Conversion;
  readonly video: {
    readonly streamIndex: number;
    readonly interlaced: boolean;
    readonly toneMap: boolean;
    readonly colorMatrix: ColorMatrix;
    readonly widthPx: number;
    readonly heightPx: number;
  };
  /** `copy`: AAC-LC with at most two channels already, so a copy may keep it. */
  readonly audio: { readonly streamIndex: number; readonly copyable: boolean } | null;
  readonly frameRate: FrameRate;
  /** Frames between key frames: two seconds. */
  readonly gopFrames: number;
  /** Expected frames of the whole video at `frameRate`; a source's own length is only known to a frame or two. */
  readonly frames: number;
  readonly durationSeconds: number;
  /** The container's first timestamp. */
  readonly startSeconds: number;
  /** Where the output's zero lies on the source's clock that starts at the container's first timestamp. */
  readonly originSeconds: number;
  /** The chunks read a copy of the picture in a container with an index, since seeking in the source itself loses frames. */
  readonly needsIndex: boolean;
  readonly chunks: readonly Chunk[];
  /** Tallest first. */
  readonly renditions: readonly RenditionPlan[];
  readonly skipped: readonly SkippedRendition[];
  readonly thumbnailTimes: readonly number[];
  readonly estimate: JobEstimate & {
    /** Of one chunk's encoder at its peak, with the threads of the settings. */
    readonly encoderMemoryMb: number;
  };
  readonly warnings: readonly PlanWarning[];
}

const GOP_SECONDS = 2;
const HDR_TRANSFERS: readonly string[] = ['smpte2084', 'arib-std-b67'];
/** Sound that starts this much before the picture moves the origin, so that nothing of it is lost. */
const AUDIO_LEAD_SECONDS = 0.1;
/** Fewer frames than one in ten minutes is no video but a gap with a timestamp bomb in it. */
const SPARSEST_FRAMES_PER_SECOND = 1 / 600;

/**
 * Turns a probe into a plan. Pure: the same probe and settings give the same plan.
 * @param source what was probed; the processed version stays what it is, so that a video without original never gets worse
 * @throws `source-has-gaps`, `source-too-long`, `source-too-small-picture`, `source-unreadable` (no duration can be told),
 *   `source-truncated` (its packets were counted and end before the header says, unless what is there is to be kept),
 *   `invalid-workflow-input` (renditions are asked for that the source does not have)
 */
export function planEncoding(
  info: MediaInfo,
  settings: RunSettings,
  source: RunSource['kind'] = 'original',
): EncodingPlan {
  const { video, audio } = info;
  const originSeconds = chooseOrigin(info);
  const toldSeconds = tellDuration(info);
  if (toldSeconds !== null) refuseGaps(info, toldSeconds);

  const frameRate = chooseFrameRate({
    average: video.averageFrameRate,
    nominal: video.nominalFrameRate,
    counted:
      video.frameCount === null || toldSeconds === null
        ? null
        : countedRate(video.frameCount, toldSeconds),
    durationSeconds: toldSeconds,
  });
  const rate = framesPerSecond(frameRate);
  const sourceSeconds = toldSeconds ?? countDuration(info, rate);
  refuseTooLong(sourceSeconds, settings);
  const frames = Math.max(1, Math.round(sourceSeconds * rate));
  const durationSeconds = Number((frames / rate).toFixed(6));
  const toneMap = video.transfer !== null && HDR_TRANSFERS.includes(video.transfer);
  const ladder = planRenditions({
    profile: settings.profile,
    widthPx: video.displayWidthPx,
    heightPx: video.displayHeightPx,
    framesPerSecond: rate,
    crf: settings.crf,
    sourceBitrateBps: video.bitrateBps,
    ...(settings.skip && { skip: settings.skip }),
  });
  refuseImpossible(info, settings);
  const gopFrames = Math.max(1, Math.round(GOP_SECONDS * rate));
  const frameCpuSeconds = estimateFrameCpuSeconds({
    sourcePixels: video.codedWidthPx * video.codedHeightPx,
    renditions: ladder.renditions,
    toneMap,
    preset: settings.preset,
  });
  const encoderMemoryMb = estimateEncodeMemoryMb({
    sourcePixels: video.codedWidthPx * video.codedHeightPx,
    bitDepth: video.bitDepth,
    toneMap,
    renditions: ladder.renditions,
    preset: settings.preset,
    threads: { encode: settings.threads, decode: settings.threads },
  });
  const pieces = choosePieces(info, { isTold: toldSeconds !== null });
  const chunks =
    pieces === 'one'
      ? wholeGrid(frames)
      : planChunks({
          frames,
          gopFrames,
          framesPerSecond: rate,
          frameCpuSeconds,
          timeoutSeconds: settings.timeoutSeconds,
          lanes: lanesWithRoom(encoderMemoryMb, settings),
          threads: settings.threads,
        });
  const cut = keepTruncated(info, settings);
  const isOriginal = source === 'original';
  const servesItself = ENCODING_PROFILES[settings.profile].keepsSource || !isOriginal;
  const conversion = servesItself ? chooseConversion(info, { isCut: cut.length > 0 }) : 'encode';
  const thumbnails = planThumbnailTimes(settings.thumbnailTimestamps, frames / rate, 1 / rate);
  return {
    conversion,
    video: {
      streamIndex: video.index,
      interlaced: video.fieldOrder === 'interlaced',
      toneMap,
      colorMatrix: colorMatrixOf(video),
      widthPx: video.displayWidthPx,
      heightPx: video.displayHeightPx,
    },
    audio: audio === null ? null : { streamIndex: audio.index, copyable: isCopyableAudio(audio) },
    frameRate,
    gopFrames,
    frames,
    durationSeconds,
    startSeconds: info.startSeconds,
    originSeconds,
    needsIndex: pieces === 'indexed-copy' && chunks.length > 1,
    chunks,
    ...ladder,
    thumbnailTimes: thumbnails.times,
    estimate: {
      ...estimateJob({
        frames,
        frameCpuSeconds,
        durationSeconds,
        renditions: ladder.renditions,
        hasAudio: audio !== null,
        copiedBytes: conversion === 'copy' ? info.sizeBytes : 0,
      }),
      encoderMemoryMb,
    },
    warnings: [
      ...listWarnings(info, { toneMap, frameRate, frames, movedThumbnails: thumbnails.moved }),
      ...cut,
      ...(isOriginal ? [] : [FROM_PROCESSED]),
      ...(toldSeconds === null ? [inOnePiece('its length is told nowhere')] : []),
    ],
  };
}

/** @throws `invalid-workflow-input` when what is asked for cannot be had from this source */
export function refuseImpossible(
  { video }: Pick<MediaInfo, 'video'>,
  { profile, skip, redo }: Pick<RunSettings, 'profile' | 'skip' | 'redo'>,
): void {
  const picture = { widthPx: video.displayWidthPx, heightPx: video.displayHeightPx };
  const request = {
    ...(skip && { skip }),
    ...(redo?.renditions && { renditions: redo.renditions }),
  };
  const fault = findImpossible(request, offeredQualities({ profile, ...picture }));
  if (fault !== undefined) throw new AppError('invalid-workflow-input', { ...fault });
}

/** Pieces that memory lets run one after the other need not come in pairs. */
function lanesWithRoom(encoderMemoryMb: number, settings: RunSettings): number {
  return Math.max(
    1,
    Math.min(settings.lanes, Math.floor(settings.ffmpegMemoryMb / encoderMemoryMb)),
  );
}

/** A source whose packets were counted may be known to be cut off. @throws `source-truncated` */
function keepTruncated(info: MediaInfo, settings: RunSettings): readonly PlanWarning[] {
  const cut = missingAtEnd(info);
  if (cut === null) return [];
  if (settings.onTruncated === 'keep') return [truncated(cut)];
  throw sourceTruncated(cut);
}

/** @param cut  lengths in seconds: what the file says, and what it has */
export function sourceTruncated(cut: {
  readonly saidSeconds: number;
  readonly foundSeconds: number;
}): AppError {
  return new AppError('source-truncated', {
    detail: `The file says ${cut.saidSeconds.toFixed(1)} s, but it ends after ${cut.foundSeconds.toFixed(1)} s.`,
    ...cut,
  });
}

function chooseOrigin({ startSeconds, video, audio }: MediaInfo): number {
  const lead = audio === null ? 0 : video.startSeconds - audio.startSeconds;
  const first =
    audio !== null && lead >= AUDIO_LEAD_SECONDS ? audio.startSeconds : video.startSeconds;
  return Math.max(0, first - startSeconds);
}

/** The picture's own length where it is told; sound that goes on after the last picture is cut. */
function tellDuration(info: MediaInfo): number | null {
  const seconds = info.video.durationSeconds ?? info.durationSeconds;
  if (seconds === null || !(seconds > 0)) return null;
  const lead = info.video.startSeconds - info.startSeconds - chooseOrigin(info);
  return seconds + Math.max(0, lead);
}

/** Of pictures without times: as many as were counted, one after the other. @throws `source-unreadable` */
function countDuration({ video }: MediaInfo, rate: number): number {
  if (video.frameCount === null)
    throw new AppError('source-unreadable', { detail: 'The length of the video cannot be told.' });
  return video.frameCount / rate;
}

function refuseTooLong(seconds: number, { maxDurationSeconds }: RunSettings): void {
  if (seconds <= maxDurationSeconds) return;
  throw new AppError('source-too-long', {
    detail: `The video lasts ${Math.round(seconds)} s; this server takes ${maxDurationSeconds} s.`,
  });
}

/** Two frames twenty hours apart would become two million at a constant rate. */
function refuseGaps({ video }: MediaInfo, durationSeconds: number): void {
  const frames = video.frameCount;
  if (
    frames !== null &&
    durationSeconds > 600 &&
    frames / durationSeconds < SPARSEST_FRAMES_PER_SECOND
  ) {
    throw new AppError('source-has-gaps', {
      detail: `The file holds ${frames} pictures for ${Math.round(durationSeconds)} s; that is not a video.`,
    });
  }
}

/**
 * H.264, 8 bit, 4:2:0 can be kept as it is; in an MP4 that is not QuickTime's there is nothing to do at all, unless its end is
 * missing.
 */
function chooseConversion(info: MediaInfo, { isCut }: { readonly isCut: boolean }): Conversion {
  const { video, formatNames, majorBrand } = info;
  const keepable =
    video.codec === 'h264' && (video.pixelFormat === 'yuv420p' || video.pixelFormat === 'yuvj420p');
  if (!keepable) return 'encode';
  const isMp4 = formatNames.includes('mp4') && majorBrand !== null && majorBrand.trim() !== 'qt';
  if (!isMp4) return 'copy';
  return isCut ? 'encode' : 'none';
}

function isCopyableAudio(audio: NonNullable<MediaInfo['audio']>): boolean {
  return audio.codec === 'aac' && audio.profile === 'LC' && audio.channels <= 2;
}
