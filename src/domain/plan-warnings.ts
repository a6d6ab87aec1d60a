import { type FrameRate, framesPerSecond } from './frame-rate.ts';
import type { MediaInfo, VideoStreamInfo } from './media-info.ts';

/** What the owner of a video should know of it, though nothing failed. */
export interface PlanWarning {
  readonly code:
    | 'audio-dropped'
    | 'hdr-tone-mapped'
    | 'variable-frame-rate'
    | 'odd-sample-aspect-ratio'
    | 'thumbnail-times-clamped'
    | 'source-truncated'
    | 'encoded-in-one-piece'
    | 'made-from-processed'
    | 'pictures-failed'
    | 'storyboard-failed';
  readonly detail: string;
}

export interface Planned {
  readonly toneMap: boolean;
  readonly frameRate: FrameRate;
  readonly frames: number;
  /** Asked times of thumbnails that lay beyond the end. */
  readonly movedThumbnails: number;
}

/** Of the width: scaling to an odd size leaves a ratio of 1.002 behind, which nobody sees. */
const ODD_FROM = 0.01;

/** The warnings that follow from a probe. Pure. */
export function listWarnings(info: MediaInfo, planned: Planned): readonly PlanWarning[] {
  const { num, den } = info.video.sampleAspectRatio;
  const rate = Number(framesPerSecond(planned.frameRate).toFixed(3));
  const warnings: readonly (PlanWarning & { readonly applies: boolean })[] = [
    {
      applies: info.droppedAudio > 0 && info.audio === null,
      code: 'audio-dropped',
      detail: 'The sound is coded in a way that cannot be read; it was left out.',
    },
    {
      applies: planned.toneMap,
      code: 'hdr-tone-mapped',
      detail: 'The video is HDR; its colours were mapped for ordinary screens.',
    },
    {
      applies: hasVariableRate(info.video, planned.frames),
      code: 'variable-frame-rate',
      detail: `The pictures do not follow each other evenly; they were put on a grid of ${rate} a second.`,
    },
    {
      applies: Math.abs(num / den - 1) > ODD_FROM,
      code: 'odd-sample-aspect-ratio',
      detail: `The pixels of the source are not square (${num}:${den}); the picture was made as wide as it is shown.`,
    },
    {
      applies: planned.movedThumbnails > 0,
      code: 'thumbnail-times-clamped',
      detail: `${planned.movedThumbnails} of the asked thumbnails lay beyond the end and show the last picture.`,
    },
  ];
  return warnings.flatMap(({ applies, code, detail }) => (applies ? [{ code, detail }] : []));
}

/** The nominal rate is the lowest whose grid has a place for every picture: where they lie unevenly it is above the average. */
const UNEVEN_FROM = 0.01;
/** Fields of interlaced pictures, and some FLV, are counted twice. */
const DOUBLED_WITHIN = 0.005;
const SLOWEST_PLAUSIBLE = 1;
const FASTEST_PLAUSIBLE = 120;

/** A picture more or less at the ends is no sign of an uneven rate: it weighs much in a short clip. */
function hasVariableRate(video: VideoStreamInfo, frames: number): boolean {
  const { averageFrameRate, nominalFrameRate, fieldOrder } = video;
  if (averageFrameRate === null || nominalFrameRate === null || fieldOrder === 'interlaced')
    return false;
  const average = framesPerSecond(averageFrameRate);
  if (average < SLOWEST_PLAUSIBLE || average > FASTEST_PLAUSIBLE) return false;
  const ratio = framesPerSecond(nominalFrameRate) / average;
  const isDoubled = Math.abs(ratio / 2 - 1) <= DOUBLED_WITHIN;
  return !isDoubled && Math.abs(ratio - 1) > Math.max(UNEVEN_FROM, 1.5 / frames);
}

/** @param cut  lengths in seconds: what the file says, and what it has */
export function truncated(cut: {
  readonly saidSeconds: number;
  readonly foundSeconds: number;
}): PlanWarning {
  return {
    code: 'source-truncated',
    detail: `The file says ${cut.saidSeconds.toFixed(1)} s, but it ends after ${cut.foundSeconds.toFixed(1)} s; what is there was kept.`,
  };
}

/** The original was not kept. */
export const FROM_PROCESSED: PlanWarning = {
  code: 'made-from-processed',
  detail:
    'The original was not kept; this was made from the processed version, whose quality it cannot exceed.',
};

/** @param why  ends the sentence "It was encoded in one piece, because …" */
export function inOnePiece(why: string): PlanWarning {
  return { code: 'encoded-in-one-piece', detail: `It was encoded in one piece, because ${why}.` };
}
