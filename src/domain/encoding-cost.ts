import type { RenditionPlan } from './rendition-ladder.ts';

/**
 * What an encode costs, from measurements of ffmpeg 5.1 with x264 veryfast on one core of a 2.6 GHz server.
 *
 * Only good to a factor of two, which is what the planner needs: it keeps a piece within a quarter of its time budget. Costs
 * are CPU time per pixel of one frame.
 */
const DECODE_NS = 6;
const ENCODE_NS = 15;
const SCALE_NS = 2;
/** Tone mapping works on the tallest rendition's pixels; HLG with one thread was measured at twice this. */
const TONE_MAP_NS = 36;
/** A shared virtual CPU is this much slower than the machine above. */
export const SLOW_HOST = 2;
/** Slower presets of x264 against veryfast. */
const PRESET_FACTORS: Readonly<Record<string, number>> = {
  ultrafast: 0.6,
  superfast: 0.8,
  veryfast: 1,
  faster: 1.5,
  fast: 1.8,
  medium: 2.1,
  slow: 3.5,
  slower: 7,
  veryslow: 12,
};

export interface CostInput {
  /** Of one frame as it is coded. */
  readonly sourcePixels: number;
  readonly renditions: readonly Pick<RenditionPlan, 'widthPx' | 'heightPx'>[];
  readonly toneMap: boolean;
  readonly preset: string;
}

/** CPU seconds for one frame in all renditions, on a slow host. */
export function estimateFrameCpuSeconds(input: CostInput): number {
  const pixels = input.renditions.map(({ widthPx, heightPx }) => widthPx * heightPx);
  const encoded = pixels.reduce((sum, count) => sum + count, 0);
  const tallest = Math.max(0, ...pixels);
  const encodeNs = ENCODE_NS * (PRESET_FACTORS[input.preset] ?? 2.5);
  const nanoseconds =
    input.sourcePixels * (DECODE_NS + SCALE_NS) +
    encoded * (encodeNs + SCALE_NS) +
    (input.toneMap ? tallest * TONE_MAP_NS : 0);
  return (nanoseconds * SLOW_HOST) / 1e9;
}
