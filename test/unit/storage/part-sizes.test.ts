import { describe, expect, it } from '@jest/globals';
import { PART_BYTES, partSize } from '../../../src/storage/part-sizes.ts';

const GIB = 1024 ** 3;
const MOST_PARTS = 10_000;

describe('partSize', () => {
  it.each([undefined, 1, GIB, 78 * GIB])('takes the smallest parts for %p bytes', (maxBytes) => {
    expect(partSize(maxBytes)).toBe(PART_BYTES);
  });

  it.each([79 * GIB, 1024 * GIB, 5 * 1024 * GIB])(
    'makes 10,000 parts suffice for %d bytes',
    (maxBytes) => {
      const size = partSize(maxBytes);
      expect(size * MOST_PARTS).toBeGreaterThanOrEqual(maxBytes);
      expect(size % 1024 ** 2).toBe(0);
    },
  );
});
