import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for something that comes without being announced. Fails after `timeoutMs`, a guard against hanging, saying what it last saw. */
export async function waitUntil<T>(
  look: () => T | Promise<T>,
  isThere: (seen: T) => boolean,
  timeoutMs = 150_000,
  everyMs = 20,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (isThere(seen)) return seen;
    if (performance.now() > deadline)
      throw new Error(`still ${JSON.stringify(seen)} after ${timeoutMs} ms`);
    await sleep(everyMs);
  }
}
