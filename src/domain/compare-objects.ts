/** An object that the store has. */
export interface StoredFact {
  readonly key: string;
  readonly sizeBytes: number;
}

/** An object that rows name. */
export interface NamedFact {
  readonly key: string;
  readonly sizeBytes: number;
}

export interface Comparison<S, N> {
  /** The last key that was compared; null where both lists were compared to their ends. */
  readonly end: string | null;
  /** In the store, and no row names them. */
  readonly unnamed: readonly S[];
  /** Rows name them, and they are not in the store, or of another size. */
  readonly unsound: readonly N[];
}

/**
 * Holds a page of what the store lists against a page of what rows name, both in the order of keys from the same key on, both of
 * at most `limit`. A page that is full may go on; so only what lies before the end of each full page can be judged.
 */
export function compareObjects<S extends StoredFact, N extends NamedFact>(
  stored: readonly S[],
  named: readonly N[],
  limit: number,
): Comparison<S, N> {
  const ends = [stored, named]
    .filter((page) => page.length >= limit)
    .map((page) => page.at(-1)?.key ?? '')
    .toSorted(byKey);
  const end = ends[0] ?? null;
  const isJudged = ({ key }: { readonly key: string }): boolean => end === null || key <= end;
  const names = new Set(named.map(({ key }) => key));
  const sizes = new Map(stored.map(({ key, sizeBytes }) => [key, sizeBytes]));
  return {
    end,
    unnamed: stored.filter((object) => isJudged(object) && !names.has(object.key)),
    unsound: named.filter((row) => isJudged(row) && sizes.get(row.key) !== row.sizeBytes),
  };
}

/** By code units, as stores list them: keys are plain ASCII. */
function byKey(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
