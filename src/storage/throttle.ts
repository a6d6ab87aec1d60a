import { setTimeout as delay } from 'node:timers/promises';

/** Lets so many bytes pass in a second, for all who use it together. */
export interface Throttle {
  /** The chunks of `source`, each when its turn has come. */
  slow(source: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** @param bytesPerSecond null: unlimited */
export function createThrottle(bytesPerSecond: number | null): Throttle {
  if (bytesPerSecond === null) return { slow: (source) => source };
  /** When everything that was let through so far has had its time. */
  let freeAtMs = 0;
  return {
    async *slow(source, signal) {
      for await (const chunk of source) {
        const nowMs = performance.now();
        freeAtMs = Math.max(freeAtMs, nowMs) + (chunk.length / bytesPerSecond) * 1000;
        await delay(freeAtMs - nowMs, undefined, { signal });
        yield chunk;
      }
    },
  };
}
