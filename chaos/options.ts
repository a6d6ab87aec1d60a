import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { BREAKAGES, type BreakageName } from './breakages.ts';
import { FAULTS } from './faults.ts';

/** What `npm run chaos` was asked for. */
export interface ChaosOptions {
  /** Faults to inflict. */
  readonly kills: number;
  /** Uploads that are acknowledged in the end, at least; undefined: as many as the faults are worth. */
  readonly videos: number | undefined;
  /** Names of the only faults to choose from; undefined: all. */
  readonly only: readonly string[] | undefined;
  /** Fixes every choice, not the timing: what is hit when two things happen at once differs from run to run. */
  readonly seed: number;
  readonly storage: 'local' | 's3';
  /** Breaks one guarantee of the product, to show that it is noticed. */
  readonly breakage: BreakageName | undefined;
}

export const USAGE = `Usage: npm run chaos -- [--kills 30] [--seed N] [--storage local|s3] [--videos N] [--only FAULT,…] [--break ${Object.keys(BREAKAGES).join('|')}]`;

const MOST_KILLS = 10_000;
const MOST_SEED = 2 ** 31;

/** @throws Error with the usage */
export function parseOptions(args: readonly string[]): ChaosOptions {
  const { values } = readArguments(args);
  const { storage, break: breakage } = values;
  if (storage !== 'local' && storage !== 's3') throw new Error(USAGE);
  if (breakage !== undefined && !isBreakage(breakage)) throw new Error(USAGE);
  const only = values.only?.split(',').map((name) => name.trim());
  if (only?.some((name) => !FAULTS.some((fault) => fault.name === name)) === true)
    throw new Error(`${USAGE}\nFaults: ${FAULTS.map(({ name }) => name).join(', ')}`);
  return {
    kills: wholeNumber(values.kills, MOST_KILLS),
    videos: values.videos === undefined ? undefined : wholeNumber(values.videos, MOST_KILLS),
    only,
    seed: values.seed === undefined ? randomInt(MOST_SEED) : wholeNumber(values.seed, MOST_SEED),
    storage,
    breakage,
  };
}

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        kills: { type: 'string', default: '30' },
        seed: { type: 'string' },
        storage: { type: 'string', default: 'local' },
        videos: { type: 'string' },
        only: { type: 'string' },
        break: { type: 'string' },
      },
    });
  } catch (error) {
    throw new Error(USAGE, { cause: error });
  }
}

function isBreakage(text: string): text is BreakageName {
  return Object.hasOwn(BREAKAGES, text);
}

function wholeNumber(text: string, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > most) throw new Error(USAGE);
  return value;
}
