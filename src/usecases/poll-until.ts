import { setTimeout as delay } from 'node:timers/promises';

const EVERY_MS = 200;

/**
 * Asks again and again until there is an answer: for what another process writes to the database within seconds.
 * @returns undefined when the time is over or nobody waits any more; what `look` throws goes on
 */
export async function pollUntil<T>(
  look: () => Promise<T | undefined>,
  { deadlineMs, signal }: { readonly deadlineMs: number; readonly signal: AbortSignal },
): Promise<T | undefined> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const answer = await look();
    if (answer !== undefined) return answer;
    if (signal.aborted || performance.now() + EVERY_MS > deadline) return undefined;
    await delay(EVERY_MS);
  }
}
