import { describe, expect, it } from '@jest/globals';
import {
  averageBitrateBps,
  type Fragment,
  fragmentedSeconds,
  longestFragmentSeconds,
  peakBitrateBps,
} from '../../../src/domain/fragment-index.ts';

/** Sizes in bytes and lengths in seconds. */
function track(...fragments: readonly (readonly [number, number])[]) {
  return {
    codec: 'avc1.64001f',
    timescale: 1000,
    init: [0, 10] as const,
    fragments: fragments.map(([size, seconds]): Fragment => [0, size, seconds * 1000]),
  };
}

describe('bit rates of fragments', () => {
  it('measures mean and peak over fragments', () => {
    const of = track([500, 4], [2000, 4], [100, 4]);
    expect([averageBitrateBps(of), peakBitrateBps(of)]).toEqual([1734, 4000]);
    expect([fragmentedSeconds(of), longestFragmentSeconds(of)]).toEqual([12, 4]);
  });

  it('does not count a last fragment of one frame for itself', () => {
    expect(peakBitrateBps(track([500, 4], [500, 4], [200, 0.04]))).toBe(1387);
  });

  it('takes a short last fragment together with the one before', () => {
    expect(peakBitrateBps(track([500, 4], [500, 4], [900, 1.5]))).toBe(2037);
  });

  it('measures a video of one frame', () => {
    const of = track([100, 0.04]);
    expect([averageBitrateBps(of), peakBitrateBps(of)]).toEqual([20_000, 20_000]);
  });

  it('says 0 where nothing lasts', () => {
    expect(peakBitrateBps(track())).toBe(0);
  });
});
