import { parseArgs } from 'node:util';

/** What can be measured, each by itself. */
export const PARTS = ['cpu', 'wall3', 'quality', 'bytes', 'kill', 'eta'] as const;
export type Part = (typeof PARTS)[number];

export interface BenchOptions {
  readonly parts: ReadonlySet<Part>;
  /** Medians are of this many. */
  readonly rounds: number;
  /** Of the short clip; the long one is six times as long. */
  readonly seconds: number;
  /** Print every activity of one run of the short clip. */
  readonly timeline: boolean;
}

export class UsageError extends Error {}

export const USAGE = `npm run bench:encode -- [--only ${PARTS.join(',')}] [--rounds 3] [--seconds 30] [--timeline]`;

/** @throws UsageError */
export function readOptions(args: readonly string[]): BenchOptions {
  const values = parse(args);
  const wanted: readonly string[] = values.only?.split(',') ?? (values.timeline ? [] : PARTS);
  const unknown = wanted.find((part) => !(PARTS as readonly string[]).includes(part));
  if (unknown !== undefined) throw new UsageError(`There is no part “${unknown}”.\n${USAGE}`);
  return {
    parts: new Set(wanted as readonly Part[]),
    rounds: readCount('rounds', values.rounds, 20),
    seconds: readCount('seconds', values.seconds, 30),
    timeline: values.timeline,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: 'string' },
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '30' },
        timeline: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`, { cause: error });
  }
}

function readCount(name: string, text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most)
    throw new UsageError(`--${name} is a whole number from 1 to ${most}.\n${USAGE}`);
  return value;
}
