/** Counts what each user has under way. */
export interface Slots {
  /** @returns gives the slot back, once; undefined where the user has as many as allowed */
  take(userId: number): (() => void) | undefined;
}

/** @param limit of one user at a time */
export function createSlots(limit: number): Slots {
  const taken = new Map<number, number>();
  return {
    take(userId) {
      const count = taken.get(userId) ?? 0;
      if (count >= limit) return undefined;
      taken.set(userId, count + 1);
      return () => {
        const left = (taken.get(userId) ?? 1) - 1;
        if (left > 0) taken.set(userId, left);
        else taken.delete(userId);
      };
    },
  };
}
