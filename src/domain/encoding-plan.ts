import { type Chunk, planChunks } from './chunk-grid.ts';
import { estimateFrameCpuSeconds } from './encoding-cost.ts';
import { AppError } from './errors.ts';
import { chooseFrameRate, countedRate, type FrameRate, framesPerSecond } from './frame-rate.ts';
import { type ColorMatrix, colorMatrixOf, type MediaInfo } from './media-info.ts';
import { planRenditions, type RenditionPlan, type SkippedRendition } from './rendition-ladder.ts';
import type { RunSettings } from './run-settings.ts';
import { planThumbnailTimes } from './thumbnail-times.ts';

/**
 * How a source becomes outputs. Made once per run by `planEncoding`, kept with the run, never changed by a retry.
 */
export interface EncodingPlan {
  /** `none`: the original is MP4/H.264 already. `copy`: streams copied into an MP4. `encode`: the tallest rendition serves. */
  readonly conversion: 'none' | 'copy' | 'encode';
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
  /** Where the output's zero lies on the source's clock that starts at the container's first timestamp. */
  readonly originSeconds: number;
  readonly chunks: readonly Chunk[];
  /** Tallest first. */
  readonly renditions: readonly RenditionPlan[];
  readonly skipped: readonly SkippedRendition[];
  readonly thumbnailTimes: readonly number[];
  readonly warnings: readonly PlanWarning[];
}

export interface PlanWarning {
  readonly code:
    | 'audio-dropped'
    | 'hdr-tone-mapped'
    | 'variable-frame-rate'
    | 'pictures-failed'
    | 'storyboard-failed';
  readonly detail: string;
}

const GOP_SECONDS = 2;
const HDR_TRANSFERS: readonly string[] = ['smpte2084', 'arib-std-b67'];
/** Sound that starts this much before the picture moves the origin, so that nothing of it is lost. */
const AUDIO_LEAD_SECONDS = 0.1;
/** Fewer frames than one in ten minutes is no video but a gap with a timestamp bomb in it. */
const SPARSEST_FRAMES_PER_SECOND = 1 / 600;

/**
 * Turns a probe into a plan. Pure: the same probe and settings give the same plan.
 * @throws `source-has-gaps`, `source-too-long`, `source-too-small-picture`, `source-unreadable` (no duration can be told)
 */
export function planEncoding(info: MediaInfo, settings: RunSettings): EncodingPlan {
  const { video, audio } = info;
  const originSeconds = chooseOrigin(info);
  const durationSeconds = chooseDuration(info);
  refuseGaps(info, durationSeconds);
  if (durationSeconds > settings.maxDurationSeconds) {
    throw new AppError('source-too-long', {
      detail: `The video lasts ${Math.round(durationSeconds)} s; this server takes ${settings.maxDurationSeconds} s.`,
    });
  }

  const counted = video.frameCount === null ? null : countedRate(video.frameCount, durationSeconds);
  const frameRate = chooseFrameRate({
    average: video.averageFrameRate,
    nominal: video.nominalFrameRate,
    counted,
  });
  const rate = framesPerSecond(frameRate);
  const frames = Math.max(1, Math.round(durationSeconds * rate));
  const toneMap = video.transfer !== null && HDR_TRANSFERS.includes(video.transfer);
  const ladder = planRenditions({
    profile: settings.profile,
    widthPx: video.displayWidthPx,
    heightPx: video.displayHeightPx,
    framesPerSecond: rate,
    crf: settings.crf,
    sourceBitrateBps: video.bitrateBps,
  });
  const gopFrames = Math.max(1, Math.round(GOP_SECONDS * rate));
  const frameCpuSeconds = estimateFrameCpuSeconds({
    sourcePixels: video.codedWidthPx * video.codedHeightPx,
    renditions: ladder.renditions,
    toneMap,
    preset: settings.preset,
  });
  return {
    conversion: chooseConversion(info),
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
    durationSeconds: Number((frames / rate).toFixed(6)),
    originSeconds,
    chunks: isSeekable(info)
      ? planChunks({
          frames,
          gopFrames,
          framesPerSecond: rate,
          frameCpuSeconds,
          timeoutSeconds: settings.timeoutSeconds,
          lanes: settings.lanes,
          threads: settings.threads,
        })
      : [{ index: 0, firstFrame: 0, endFrame: frames }],
    ...ladder,
    thumbnailTimes: planThumbnailTimes(settings.thumbnailTimestamps, frames / rate, 1 / rate),
    warnings: collectWarnings(info, toneMap),
  };
}

function chooseOrigin({ startSeconds, video, audio }: MediaInfo): number {
  const lead = audio === null ? 0 : video.startSeconds - audio.startSeconds;
  const first =
    audio !== null && lead >= AUDIO_LEAD_SECONDS ? audio.startSeconds : video.startSeconds;
  return Math.max(0, first - startSeconds);
}

/** The picture's own length where it is told; sound that goes on after the last picture is cut. */
function chooseDuration(info: MediaInfo): number {
  const seconds = info.video.durationSeconds ?? info.durationSeconds;
  if (seconds === null || !(seconds > 0)) {
    throw new AppError('source-unreadable', { detail: 'The length of the video cannot be told.' });
  }
  const lead = info.video.startSeconds - info.startSeconds - chooseOrigin(info);
  return seconds + Math.max(0, lead);
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

/** Formats with an index, in which a chunk finds its first frame. In the others seeking loses frames. */
const SEEKABLE_FORMATS: readonly string[] = ['mp4', 'matroska', 'avi'];

function isSeekable({ formatNames }: MediaInfo): boolean {
  return SEEKABLE_FORMATS.some((format) => formatNames.includes(format));
}

/** H.264, 8 bit, 4:2:0 can be kept as it is; in an MP4 that is not QuickTime's there is nothing to do at all. */
function chooseConversion(info: MediaInfo): EncodingPlan['conversion'] {
  const { video } = info;
  const keepable =
    video.codec === 'h264' && (video.pixelFormat === 'yuv420p' || video.pixelFormat === 'yuvj420p');
  if (!keepable) return 'encode';
  const isMp4 =
    info.formatNames.includes('mp4') && info.majorBrand !== null && info.majorBrand.trim() !== 'qt';
  return isMp4 ? 'none' : 'copy';
}

function isCopyableAudio(audio: NonNullable<MediaInfo['audio']>): boolean {
  return audio.codec === 'aac' && audio.profile === 'LC' && audio.channels <= 2;
}

function collectWarnings(info: MediaInfo, toneMap: boolean): readonly PlanWarning[] {
  const warnings: PlanWarning[] = [];
  if (info.droppedAudio > 0 && info.audio === null) {
    warnings.push({
      code: 'audio-dropped',
      detail: 'The sound is coded in a way that cannot be read; it was left out.',
    });
  }
  if (toneMap) {
    warnings.push({
      code: 'hdr-tone-mapped',
      detail: 'The video is HDR; its colours were mapped for ordinary screens.',
    });
  }
  return warnings;
}
