import { describe, expect, it } from '@jest/globals';
import {
  clampThumbnailTime,
  isSameTime,
  planThumbnailTimes,
} from '../../../src/domain/thumbnail-times.ts';

describe('thumbnail times', () => {
  it('are 0, 25, 50 and 75 % where nobody asks', () => {
    expect(planThumbnailTimes(null, 30, 0.04)).toEqual({ times: [0, 7.5, 15, 22.5], moved: 0 });
  });

  it('beyond the end are the last frame, once', () => {
    expect(planThumbnailTimes([1, 99, 30], 30, 0.04)).toEqual({ times: [1, 29.96], moved: 1 });
    expect(clampThumbnailTime(1e7, 30, 0.04)).toBe(29.96);
    expect(clampThumbnailTime(5, 0.02, 0.04)).toBe(0);
  });

  it('are the same when they differ by less than a millisecond', () => {
    expect(isSameTime(1.2, 1.2004)).toBe(true);
    expect(isSameTime(1.2, 1.208)).toBe(false);
  });
});
