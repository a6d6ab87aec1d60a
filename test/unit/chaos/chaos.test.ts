import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { BREAKAGES, type Breakage } from '../../../chaos/breakages.ts';
import { createDice } from '../../../chaos/dice.ts';
import { FAULTS } from '../../../chaos/faults.ts';
import { parseOptions } from '../../../chaos/options.ts';
import { PROJECT_ROOT } from '../../../src/config/env.ts';

describe('what chaos is asked for', () => {
  it('has defaults, and a seed that is told', () => {
    const { seed, ...options } = parseOptions([]);
    expect(options).toEqual({
      ...{ kills: 30, videos: undefined, only: undefined, storage: 'local', breakage: undefined },
    });
    expect(Number.isSafeInteger(seed)).toBe(true);
  });

  it('is read', () => {
    const args = '--kills 100 --seed 7 --storage s3 --videos 30 --only'.split(' ');
    expect(parseOptions([...args, 'kill s3, reset', '--break', 'fence-off'])).toEqual({
      ...{ kills: 100, seed: 7, storage: 's3', breakage: 'fence-off' },
      ...{ videos: 30, only: ['kill s3', 'reset'] },
    });
  });

  it.each([
    ['--kills', 'many'],
    ['--kills', '-1'],
    ['--storage', 'tape'],
    ['--break', 'all'],
    ['x'],
  ])('is refused with the usage: %s %s', (...args) => {
    expect(() => parseOptions(args)).toThrow('Usage: npm run chaos');
  });
});

describe('dice', () => {
  it('fall the same way for the same seed, and another for another', () => {
    const throws = (seed: number) => {
      const dice = createDice(seed);
      return Array.from({ length: 20 }, () => dice.between(0, 1));
    };
    expect(throws(7)).toEqual(throws(7));
    expect(throws(7)).not.toEqual(throws(8));
    expect(throws(7).every((value) => value >= 0 && value < 1)).toBe(true);
  });

  it('choose by weight', () => {
    const dice = createDice(1);
    const drawn = Array.from({ length: 1000 }, () =>
      dice.weighted([
        { name: 'often', weight: 3 },
        { name: 'seldom', weight: 1 },
      ]),
    );
    const often = drawn.filter(({ name }) => name === 'often').length;
    expect(often).toBeGreaterThan(680);
    expect(often).toBeLessThan(820);
    expect(dice.pick([])).toBeUndefined();
  });
});

describe.each(Object.entries(BREAKAGES) as [string, Breakage][])(
  'the breakage %s',
  (_name, breakage) => {
    it('finds what it breaks, and faults that there are', () => {
      for (const { file, find, replace } of breakage.changes) {
        const source = readFileSync(path.join(PROJECT_ROOT, file), 'utf8');
        expect(source).toContain(find);
        expect(source).not.toContain(replace);
      }
      const names = FAULTS.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining([...breakage.faults]));
    });
  },
);
