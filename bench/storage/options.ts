import { readChoices } from '../options.ts';

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

/** @throws UsageError */
export function readStorageOptions(args: readonly string[]): StorageOptions {
  const { only, counts } = readChoices(args, {
    command: 'bench:storage',
    parts: PARTS,
    counts: { rounds: { most: 100, otherwise: 3 }, seconds: { most: 100, otherwise: 10 } },
  });
  return { ...counts, parts: only ?? new Set(PARTS) };
}
