import { AppError } from './errors.ts';
import {
  chooseRateControl,
  ENCODING_PROFILES,
  type RateControl,
  type Rung,
  RUNGS,
} from './encoding-profile.ts';
import type { Profile, Quality, SkipReason } from './video.ts';

/** A rung may be reached within this factor, so that 1900 px wide still counts as 1080p. */
const UPSCALE_TOLERANCE = 1.02;
/** Below this x264 and 4:2:0 chroma distort the picture beyond use. */
const SMALLEST_SIDE_PX = 16;

export interface RenditionPlan {
  readonly quality: Quality;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rateControl: RateControl;
}

export interface SkippedRendition {
  readonly quality: Quality;
  readonly reason: SkipReason;
}

export interface LadderInput {
  readonly profile: Profile;
  /** Displayed size: sample aspect ratio applied, rotated upright. */
  readonly widthPx: number;
  readonly heightPx: number;
  readonly framesPerSecond: number;
  readonly crf: number;
  readonly sourceBitrateBps: number | null;
}

/**
 * Chooses which renditions to make for a source, tallest first.
 *
 * Never upscales. A box is turned for portrait; a picture smaller than every box gets one rendition at its own size, named
 * after the smallest box that holds it.
 * @returns at least one rendition; `skipped` lists the other rungs with a reason each
 * @throws `source-too-small-picture` when a side is below 16 px
 * Sizes are even because of 4:2:0 chroma (H.264 §6.2).
 */
export function planRenditions(input: LadderInput): {
  renditions: readonly RenditionPlan[];
  skipped: readonly SkippedRendition[];
} {
  if (!isLargeEnough(input)) refuseSmall(input);
  const profile = ENCODING_PROFILES[input.profile];
  const wanted = RUNGS.filter((rung) => profile.rungs.includes(rung.quality));
  const fitting = wanted.filter((rung) => scaleFactor(input, rung) <= UPSCALE_TOLERANCE);
  const offered = fitting.length > 0 ? fitting : [smallestBoxAround(input)];
  // A very wide picture in a small box is a line.
  const chosen = offered.filter((rung) => isLargeEnough(scaledSize(input, rung)));
  if (chosen.length === 0) refuseSmall(input);

  const renditions = chosen
    .map((rung) => {
      const size = scaledSize(input, rung);
      return {
        quality: rung.quality,
        ...size,
        rateControl: chooseRateControl({ ...input, ...size, rung, profile }),
      };
    })
    .toReversed();
  const skipped = RUNGS.filter((rung) => !chosen.includes(rung)).map((rung) => ({
    quality: rung.quality,
    reason: chooseReason(rung, wanted, offered),
  }));
  return { renditions, skipped };
}

function isLargeEnough({ widthPx, heightPx }: { widthPx: number; heightPx: number }): boolean {
  return Math.min(widthPx, heightPx) >= SMALLEST_SIDE_PX;
}

function refuseSmall({ widthPx, heightPx }: LadderInput): never {
  throw new AppError('source-too-small-picture', {
    detail: `The picture is ${widthPx}x${heightPx}; each side needs at least ${SMALLEST_SIDE_PX} pixels, also when it is scaled into a box.`,
  });
}

function chooseReason(rung: Rung, wanted: readonly Rung[], offered: readonly Rung[]): SkipReason {
  if (!wanted.includes(rung)) return 'not-in-profile';
  return offered.includes(rung) ? 'too-narrow' : 'taller-than-source';
}

function scaleFactor(picture: { widthPx: number; heightPx: number }, rung: Rung): number {
  const long = Math.max(picture.widthPx, picture.heightPx);
  const short = Math.min(picture.widthPx, picture.heightPx);
  return Math.min(rung.longPx / long, rung.shortPx / short);
}

function smallestBoxAround(picture: { widthPx: number; heightPx: number }): Rung {
  const holding = RUNGS.find((rung) => scaleFactor(picture, rung) >= 1);
  const tallest = RUNGS.at(-1);
  if (tallest === undefined) throw new Error('the table of rungs is empty');
  return holding ?? tallest;
}

function scaledSize(
  picture: { widthPx: number; heightPx: number },
  rung: Rung,
): { widthPx: number; heightPx: number } {
  const factor = Math.min(1, scaleFactor(picture, rung));
  const even = factor === 1 ? evenBelow : evenNearest;
  return { widthPx: even(picture.widthPx * factor), heightPx: even(picture.heightPx * factor) };
}

/** At the source's own size a missing row is cropped by scaling, never invented. */
function evenBelow(px: number): number {
  return Math.floor(px / 2) * 2;
}

function evenNearest(px: number): number {
  return Math.round(px / 2) * 2;
}
