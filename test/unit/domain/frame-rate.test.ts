import { describe, expect, it } from '@jest/globals';
import { chooseFrameRate, countedRate } from '../../../src/domain/frame-rate.ts';

const none = { average: null, nominal: null, counted: null, durationSeconds: null };

describe('chooseFrameRate', () => {
  it.each([
    ['an exact rate', { num: 25, den: 1 }, { num: 25, den: 1 }],
    ['NTSC', { num: 30000, den: 1001 }, { num: 30000, den: 1001 }],
    ['a phone near 30', { num: 2995, den: 100 }, { num: 30000, den: 1001 }],
    ['a film rate written in decimals', { num: 23976, den: 1000 }, { num: 24000, den: 1001 }],
    ['a low natural rate', { num: 15, den: 1 }, { num: 15, den: 1 }],
    ['a rate between the standards', { num: 275, den: 10 }, { num: 27500, den: 1000 }],
    ['more than 60', { num: 120, den: 1 }, { num: 60, den: 1 }],
  ])('keeps or snaps %s', (_title, average, expected) => {
    expect(chooseFrameRate({ ...none, average })).toEqual(expected);
  });

  it('takes counted frames when the average is absurd, then the nominal rate', () => {
    const average = { num: 1000, den: 1 };
    expect(
      chooseFrameRate({ ...none, average, nominal: { num: 60, den: 1 }, counted: 30.1 }),
    ).toEqual({
      num: 30,
      den: 1,
    });
    expect(chooseFrameRate({ ...none, average, nominal: { num: 24, den: 1 } })).toEqual({
      num: 24,
      den: 1,
    });
  });

  it('takes a standard nominal rate where the average is off by a frame of the whole clip', () => {
    const nominal = { num: 25, den: 1 };
    // 75 frames of 25 a second in fragments, whose length is told as 3.02 s
    const average = { num: 480_000, den: 19_337 };
    expect(chooseFrameRate({ ...none, average, nominal, durationSeconds: 3.021 })).toEqual(nominal);
    expect(chooseFrameRate({ ...none, average, nominal, durationSeconds: 30 })).toEqual({
      num: 24_823,
      den: 1000,
    });
    const uneven = { num: 20, den: 1 };
    expect(chooseFrameRate({ ...none, average: uneven, nominal, durationSeconds: 0.1 })).toEqual(
      uneven,
    );
  });

  it('counts without the last frame where the container leaves out its length', () => {
    expect(countedRate(30, 0.967)).toBeCloseTo(29.99, 2);
    expect(countedRate(30, 1)).toBe(30);
    expect(countedRate(12, 1)).toBe(12);
  });

  it('falls back to 25 when nothing is known', () => {
    expect(chooseFrameRate(none)).toEqual({ num: 25, den: 1 });
  });
});
