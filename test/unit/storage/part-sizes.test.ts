import { describe, expect, it } from '@jest/globals';
import { PART_BYTES, partSize } from '../../../src/storage/part-sizes.ts';

const GIB = 1024 ** 3;
const MOST_PARTS = 10_000;

describe('partSize', () => {
  it.each([1, GIB, 78 * GIB])('takes the smallest parts for %d bytes', (sizeBytes) => {
    expect(partSize(1, sizeBytes)).toBe(PART_BYTES);
  });

  it.each([79 * GIB, 1024 * GIB, 5 * 1024 * GIB])(
    'makes 10,000 parts suffice for %d bytes',
    (sizeBytes) => {
      const size = partSize(1, sizeBytes);
      expect(size * MOST_PARTS).toBeGreaterThanOrEqual(sizeBytes);
      expect(size % 1024 ** 2).toBe(0);
      expect(partSize(9_999, sizeBytes)).toBe(size);
    },
  );

  it('grows where the size is not known, so that small uploads stay small and large ones fit', () => {
    let total = 0;
    let last = 0;
    for (let part = 1; part <= MOST_PARTS; part += 1) {
      const size = partSize(part, undefined);
      expect(size).toBeGreaterThanOrEqual(last);
      total += size;
      last = size;
      if (total < 9 * GIB) expect(size).toBe(PART_BYTES);
    }
    expect(total).toBeGreaterThan(2 * 1024 * GIB);
  });
});
