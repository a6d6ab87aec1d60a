import { readChoices } from '../options.ts';

/** What can be measured, each by itself. */
const PARTS = ['cpu', 'wall3', 'quality', 'bytes', 'kill', 'eta'] as const;
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

/** @throws UsageError */
export function readOptions(args: readonly string[]): BenchOptions {
  const { only, counts, flags } = readChoices(args, {
    command: 'bench:encode',
    parts: PARTS,
    counts: { rounds: { most: 20, otherwise: 3 }, seconds: { most: 30, otherwise: 30 } },
    flags: ['timeline'],
  });
  const timeline = flags.has('timeline');
  return { ...counts, timeline, parts: only ?? new Set(timeline ? [] : PARTS) };
}
