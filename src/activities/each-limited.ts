import { Context } from '@temporalio/activity';

/**
 * Works on all items, some at a time, with a heartbeat for each. After an error no other item is begun; it goes on when those
 * under way have ended.
 */
export async function eachLimited<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  // Shared: each item goes to one lane.
  const waiting = items.values();
  const errors: unknown[] = [];
  const lane = async (): Promise<void> => {
    for (const item of waiting) {
      if (errors.length > 0) return;
      Context.current().heartbeat();
      await work(item).catch((error: unknown) => errors.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  if (errors.length > 0) throw errors[0];
}
