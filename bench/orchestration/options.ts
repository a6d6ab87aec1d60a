import { readChoices } from '../options.ts';

/** What can be measured, each by itself. */
export const PARTS = ['overhead', 'many', 'replay', 'cancel', 'kill', 'reconcile'] as const;
export type Part = (typeof PARTS)[number];

export interface BenchOptions {
  readonly parts: ReadonlySet<Part>;
  /** Cancels and kills: medians are of this many. */
  readonly rounds: number;
}

/** @throws UsageError */
export function readOptions(args: readonly string[]): BenchOptions {
  const { only, counts } = readChoices(args, {
    command: 'bench:orchestration',
    parts: PARTS,
    counts: { rounds: { most: 20, otherwise: 5 } },
  });
  return { ...counts, parts: only ?? new Set(PARTS) };
}
