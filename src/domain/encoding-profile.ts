import type { Profile, Quality } from './video.ts';

/**
 * The boxes and bitrate caps of the renditions.
 *
 * A box is landscape, long side first; portrait pictures use it turned. Caps are for 30 frames a second and below, CRF 22,
 * x264 veryfast; above 30 they are multiplied by 1.5. Measured averages lie between 50 and 90 % of the cap.
 */
export interface Rung {
  readonly quality: Quality;
  readonly longPx: number;
  readonly shortPx: number;
  readonly maxrateBps: number;
  readonly bufsizeBps: number;
}

export const RUNGS: readonly Rung[] = [
  { quality: '240p', longPx: 426, shortPx: 240, maxrateBps: 400_000, bufsizeBps: 800_000 },
  { quality: '360p', longPx: 640, shortPx: 360, maxrateBps: 800_000, bufsizeBps: 1_600_000 },
  { quality: '480p', longPx: 854, shortPx: 480, maxrateBps: 1_400_000, bufsizeBps: 2_800_000 },
  { quality: '720p', longPx: 1280, shortPx: 720, maxrateBps: 2_800_000, bufsizeBps: 5_600_000 },
  { quality: '1080p', longPx: 1920, shortPx: 1080, maxrateBps: 5_000_000, bufsizeBps: 10_000_000 },
];

/** How many bits a rendition may spend. */
export type RateControl =
  | {
      readonly kind: 'capped-crf';
      readonly crf: number;
      readonly maxrateBps: number;
      readonly bufsizeBps: number;
    }
  | {
      readonly kind: 'abr';
      readonly bitrateBps: number;
      readonly maxrateBps: number;
      readonly bufsizeBps: number;
    };

/**
 * What a profile asks for. `ladder`: every rung that fits. `720p`: one rendition in its box at a mean bitrate, and no other file.
 */
export interface EncodingProfile {
  readonly rungs: readonly Quality[];
  /** Mean bitrate for a picture of `pixels`; undefined where the rung's cap and CRF decide. */
  readonly bitrateBps: number | undefined;
  readonly bitrateAtPixels: number;
  /** H.264 is kept as the processed version, as it is or copied; else the tallest rendition is all that there is. */
  readonly keepsSource: boolean;
}

export const ENCODING_PROFILES: Readonly<Record<Profile, EncodingProfile>> = {
  ladder: {
    rungs: RUNGS.map((rung) => rung.quality),
    bitrateBps: undefined,
    bitrateAtPixels: 0,
    keepsSource: true,
  },
  '720p': {
    rungs: ['720p'],
    bitrateBps: 1_500_000,
    bitrateAtPixels: 1280 * 720,
    keepsSource: false,
  },
};

export interface RateControlInput {
  readonly rung: Rung;
  readonly profile: EncodingProfile;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly framesPerSecond: number;
  readonly crf: number;
  /** The source's own video bitrate, when it is known: a mean bitrate never goes above it. */
  readonly sourceBitrateBps: number | null;
}

/** The bitrate rule of one rendition. Caps hold 2 s in the decoder's buffer, so a peak stays within about 1.2 × the cap. */
export function chooseRateControl(input: RateControlInput): RateControl {
  if (input.profile.bitrateBps !== undefined) {
    const wanted =
      (input.profile.bitrateBps * input.widthPx * input.heightPx) / input.profile.bitrateAtPixels;
    const bitrateBps = Math.round(
      Math.min(wanted, input.sourceBitrateBps ?? Number.POSITIVE_INFINITY),
    );
    return {
      kind: 'abr',
      bitrateBps,
      maxrateBps: Math.round(bitrateBps * 1.5),
      bufsizeBps: bitrateBps * 2,
    };
  }
  const factor = input.framesPerSecond > 30.5 ? 1.5 : 1;
  return {
    kind: 'capped-crf',
    crf: input.crf,
    maxrateBps: input.rung.maxrateBps * factor,
    bufsizeBps: input.rung.bufsizeBps * factor,
  };
}
