import { parseArgs } from 'node:util';
import { UsageError } from '../encode/options.ts';

/** What can be measured, each by itself. */
const PARTS = ['upload', 'proxy', 'source', 'wall'] as const;
export type StoragePart = (typeof PARTS)[number];

export interface StorageOptions {
  readonly parts: ReadonlySet<StoragePart>;
  /** Medians are of this many. */
  readonly rounds: number;
  /** Of each reading. */
  readonly seconds: number;
}

const USAGE = `npm run bench:storage -- [--only ${PARTS.join(',')}] [--rounds 3] [--seconds 10]`;

/** @throws UsageError */
export function readStorageOptions(args: readonly string[]): StorageOptions {
  const values = parse(args);
  const wanted: readonly string[] = values.only?.split(',') ?? PARTS;
  const unknown = wanted.find((part) => !(PARTS as readonly string[]).includes(part));
  if (unknown !== undefined) throw new UsageError(`There is no part “${unknown}”.\n${USAGE}`);
  return {
    parts: new Set(wanted as readonly StoragePart[]),
    rounds: readCount('rounds', values.rounds),
    seconds: readCount('seconds', values.seconds),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: 'string' },
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '10' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`, { cause: error });
  }
}

function readCount(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 100)
    throw new UsageError(`--${name} is a whole number from 1 to 100.\n${USAGE}`);
  return value;
}
