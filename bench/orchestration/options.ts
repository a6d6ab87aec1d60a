import { parseArgs } from 'node:util';
import { UsageError } from '../encode/options.ts';

/** What can be measured, each by itself. */
export const PARTS = ['overhead', 'many', 'replay', 'cancel', 'kill', 'reconcile'] as const;
export type Part = (typeof PARTS)[number];

export interface BenchOptions {
  readonly parts: ReadonlySet<Part>;
  /** Cancels and kills: medians are of this many. */
  readonly rounds: number;
}

export const USAGE = `npm run bench:orchestration -- [--only ${PARTS.join(',')}] [--rounds 5]`;

/** @throws UsageError */
export function readOptions(args: readonly string[]): BenchOptions {
  const { only, rounds: text } = parse(args);
  const wanted: readonly string[] = only?.split(',') ?? PARTS;
  const unknown = wanted.find((part) => !(PARTS as readonly string[]).includes(part));
  if (unknown !== undefined) throw new UsageError(`There is no part “${unknown}”.\n${USAGE}`);
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 20)
    throw new UsageError(`--rounds is a whole number from 1 to 20.\n${USAGE}`);
  return { parts: new Set(wanted as readonly Part[]), rounds };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: { only: { type: 'string' }, rounds: { type: 'string', default: '5' } },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`, { cause: error });
  }
}
