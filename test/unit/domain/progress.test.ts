import { describe, expect, it } from '@jest/globals';
import { estimateRestSeconds } from '../../../src/domain/progress.ts';

describe('estimateRestSeconds', () => {
  it('goes on as it went', () => {
    const pace = { donePercent: 26, startPercent: 1, workedSeconds: 50 };
    expect(estimateRestSeconds(pace)).toBe(148);
  });

  it('learns nothing from what an earlier run had made', () => {
    const pace = { donePercent: 85, startPercent: 80, workedSeconds: 10 };
    expect(estimateRestSeconds(pace)).toBe(30);
  });

  it('grows when a step begins anew, and never goes below nothing', () => {
    const before = { donePercent: 50, startPercent: 0, workedSeconds: 60 };
    const after = { ...before, donePercent: 40, workedSeconds: 62 };
    expect(estimateRestSeconds(after)).toBeGreaterThan(estimateRestSeconds(before) ?? Infinity);
    expect(estimateRestSeconds({ ...before, donePercent: 100.0001 })).toBe(0);
  });

  it.each([
    { donePercent: 2, startPercent: null, workedSeconds: 0 },
    { donePercent: 3.9, startPercent: 1, workedSeconds: 30 },
    { donePercent: 30, startPercent: 0, workedSeconds: 1 },
  ])('is silent while there is too little to learn from: $donePercent %', (pace) => {
    expect(estimateRestSeconds(pace)).toBeNull();
  });
});
