/** Choices that a seed repeats. */
export interface Dice {
  /** From `low` to below `high`. */
  between(low: number, high: number): number;
  /** Undefined for an empty list. */
  pick<T>(of: readonly T[]): T | undefined;
  /** One of the entries, each as likely as its weight. */
  weighted<T extends { readonly weight: number }>(of: readonly [T, ...T[]]): T;
}

/** Mulberry32, a public-domain generator by Tommy Ettinger: 32 bits of state are enough to choose victims. */
export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    between: (low, high) => low + next() * (high - low),
    pick: (of) => of[Math.floor(next() * of.length)],
    weighted(of) {
      let left = next() * of.reduce((sum, { weight }) => sum + weight, 0);
      return of.find(({ weight }) => (left -= weight) < 0) ?? of[0];
    },
  };
}
