import { totalmem } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { usableMemoryBytes } from '../../../src/host/usable-memory.ts';

describe('usableMemoryBytes', () => {
  it.each([
    ['no bound is known', 0, 2000],
    ['there is none', 2 ** 64, 2000],
    ['a container has less', 1000, 1000],
  ])('counts the machine, or what a control group leaves: %s', (_title, bound, usable) => {
    expect(usableMemoryBytes(bound, 2000)).toBe(usable);
  });

  it('asks this very process', () => {
    expect(usableMemoryBytes()).toBeGreaterThan(0);
    expect(usableMemoryBytes()).toBeLessThanOrEqual(totalmem());
  });
});
