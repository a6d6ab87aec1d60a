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
  /** Not made, though the source has them. */
  readonly skip?: readonly Quality[];
}

/**
 * Chooses which renditions to make for a source, tallest first.
 *
 * Never upscales. A box is turned for portrait; a picture smaller than every box gets one rendition at its own size, named
 * after the smallest box that holds it.
 * @returns at least one rendition, unless `skip` names all there are; `skipped` lists the other rungs with a reason each
 * @throws `source-too-small-picture` when a side is below 16 px
 * Sizes are even because of 4:2:0 chroma (H.264 §6.2).
 */
export function planRenditions(input: LadderInput): {
  renditions: readonly RenditionPlan[];
  skipped: readonly SkippedRendition[];
} {
  const { skip = [] } = input;
  const profile = ENCODING_PROFILES[input.profile];
  const { wanted, fitting, offered } = offerRungs(input);
  if (offered.length === 0) refuseSmall(input);
  const chosen = offered.filter(({ quality }) => !skip.includes(quality));

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
    reason: offered.includes(rung) ? 'skipped-by-request' : chooseReason(rung, wanted, fitting),
  }));
  return { renditions, skipped };
}

type Picture = Pick<LadderInput, 'widthPx' | 'heightPx'>;

/** The renditions that a source and a profile have, smallest first. */
export function offeredQualities(input: Picture & Pick<LadderInput, 'profile'>): Quality[] {
  return offerRungs(input).offered.map(({ quality }) => quality);
}

function offerRungs(input: Picture & Pick<LadderInput, 'profile'>) {
  const wanted = RUNGS.filter((rung) =>
    ENCODING_PROFILES[input.profile].rungs.includes(rung.quality),
  );
  const within = wanted.filter((rung) => scaleFactor(input, rung) <= UPSCALE_TOLERANCE);
  const fitting = within.length > 0 ? within : [smallestBoxAround(input)];
  // A very wide picture in a small box is a line.
  const offered = isLargeEnough(input)
    ? fitting.filter((rung) => isLargeEnough(scaledSize(input, rung)))
    : [];
  return { wanted, fitting, offered };
}

function isLargeEnough({ widthPx, heightPx }: Picture): boolean {
  return Math.min(widthPx, heightPx) >= SMALLEST_SIDE_PX;
}

function refuseSmall({ widthPx, heightPx }: LadderInput): never {
  throw new AppError('source-too-small-picture', {
    detail: `The picture is ${widthPx}x${heightPx}; each side needs at least ${SMALLEST_SIDE_PX} pixels, also when it is scaled into a box.`,
  });
}

function chooseReason(rung: Rung, wanted: readonly Rung[], fitting: readonly Rung[]): SkipReason {
  if (!wanted.includes(rung)) return 'not-in-profile';
  return fitting.includes(rung) ? 'too-narrow' : 'taller-than-source';
}

function scaleFactor(picture: Picture, rung: Rung): number {
  const long = Math.max(picture.widthPx, picture.heightPx);
  const short = Math.min(picture.widthPx, picture.heightPx);
  return Math.min(rung.longPx / long, rung.shortPx / short);
}

function smallestBoxAround(picture: Picture): Rung {
  const holding = RUNGS.find((rung) => scaleFactor(picture, rung) >= 1);
  const tallest = RUNGS.at(-1);
  if (tallest === undefined) throw new Error('the table of rungs is empty');
  return holding ?? tallest;
}

function scaledSize(picture: Picture, rung: Rung): Picture {
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
