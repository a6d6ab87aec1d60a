import { describe, expect, it } from '@jest/globals';
import { estimateEncodeMemoryMb } from '../../../src/domain/encoding-memory.ts';

const LADDER = [
  { widthPx: 1920, heightPx: 1080 },
  { widthPx: 1280, heightPx: 720 },
  { widthPx: 854, heightPx: 480 },
  { widthPx: 640, heightPx: 360 },
  { widthPx: 426, heightPx: 240 },
];
const FULL_HD = 1920 * 1080;
const UHD = 3840 * 2160;
const SDR_1080P = {
  sourcePixels: FULL_HD,
  bitDepth: 8,
  toneMap: false,
  renditions: LADDER,
  preset: 'veryfast',
};
const HDR_1080P = { ...SDR_1080P, bitDepth: 10, toneMap: true };
const SDR_720P = { ...SDR_1080P, sourcePixels: 1280 * 720, renditions: LADDER.slice(1) };

/** Proportional set size at the peak, MB: encodes of the product with ffmpeg 5.1.9 on two cores. Encoder and decoder threads. */
const MEASURED = [
  ['1080p H.264', SDR_1080P, 1, 1, 380],
  ['1080p H.264', SDR_1080P, 2, 3, 489],
  ['1080p H.264', SDR_1080P, 4, 5, 565],
  ['1080p HEVC', SDR_1080P, 1, 1, 384],
  ['1080p HEVC', SDR_1080P, 2, 3, 485],
  ['1080i H.264', SDR_1080P, 1, 1, 388],
  ['1080i H.264', SDR_1080P, 2, 3, 497],
  ['720p H.264', SDR_720P, 1, 1, 208],
  ['720p H.264', SDR_720P, 2, 3, 259],
  ['720p H.264', SDR_720P, 4, 5, 301],
  ['2160p H.264', { ...SDR_1080P, sourcePixels: UHD }, 1, 1, 441],
  ['2160p H.264', { ...SDR_1080P, sourcePixels: UHD }, 2, 3, 578],
  ['1080p HDR10', HDR_1080P, 1, 1, 479],
  ['1080p HDR10', HDR_1080P, 2, 3, 579],
  ['1080p HLG', HDR_1080P, 2, 2, 588],
  ['2160p60 HDR10', { ...HDR_1080P, sourcePixels: UHD }, 1, 1, 634],
  ['2160p60 HDR10', { ...HDR_1080P, sourcePixels: UHD }, 1, 2, 648],
  ['2160p60 HDR10', { ...HDR_1080P, sourcePixels: UHD }, 2, 2, 739],
  ['2160p60 HDR10', { ...HDR_1080P, sourcePixels: UHD }, 4, 5, 922],
  ['ultrafast', { ...SDR_1080P, preset: 'ultrafast' }, 1, 1, 154],
  ['ultrafast', { ...SDR_1080P, preset: 'ultrafast' }, 2, 2, 188],
  ['superfast', { ...SDR_1080P, preset: 'superfast' }, 1, 1, 291],
  ['faster', { ...SDR_1080P, preset: 'faster' }, 1, 1, 509],
  ['fast', { ...SDR_1080P, preset: 'fast' }, 1, 1, 636],
  ['medium', { ...SDR_1080P, preset: 'medium' }, 1, 1, 767],
  ['slow', { ...SDR_1080P, preset: 'slow' }, 1, 1, 911],
  ['profile 720p', { ...SDR_1080P, renditions: LADDER.slice(1, 2) }, 1, 1, 153],
] as const;

describe('estimateEncodeMemoryMb', () => {
  it.each(MEASURED)(
    'is at, or a little above, what was measured: %s, %#',
    (_name, input, encode, decode, measuredMb) => {
      const ratio = estimateEncodeMemoryMb({ ...input, threads: { encode, decode } }) / measuredMb;
      expect(ratio).toBeGreaterThan(0.95);
      expect(ratio).toBeLessThan(1.15);
    },
  );

  it('lets two 1080p encodes of one thread each run on a machine that is sold as 2 GB', () => {
    const threads = { encode: 1, decode: 1 };
    const budgetMb = Math.floor(1967 * 0.4);
    expect(2 * estimateEncodeMemoryMb({ ...SDR_1080P, threads })).toBeLessThanOrEqual(budgetMb);
  });

  it('counts a preset it does not know as the slowest', () => {
    const threads = { encode: 1, decode: 1 };
    expect(estimateEncodeMemoryMb({ ...SDR_1080P, preset: 'placebo', threads })).toBe(
      estimateEncodeMemoryMb({ ...SDR_1080P, preset: 'veryslow', threads }),
    );
  });
});
