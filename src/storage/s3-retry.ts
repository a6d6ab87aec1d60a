import { setTimeout as delay } from 'node:timers/promises';
import { isPassing, isThrottling, readS3Failure, type S3Failure } from './s3-faults.ts';

/** How much patience a request gets. */
export interface Patience {
  readonly attempts: number;
  /** Of one attempt, in which the whole answer or, for bodies, its head must come. */
  readonly timeoutMs: number;
  /** Wait after the first failure; doubled after each. */
  readonly backoffMs: number;
  /** No further attempt once this has passed. */
  readonly totalMs: number;
}

const LONGEST_BACKOFF_MS = 10_000;
/** S3 that asks for less is given more air. */
const THROTTLING_FACTOR = 5;

/**
 * Sends a request until it succeeds, fails for good or has used up its attempts. An abort ends it at once, also while it waits.
 *
 * The SDK's own retries are off: they cannot be aborted while they wait, and a buffer could be used again under them.
 * @param send one attempt; its body must be there to be sent again
 */
export async function retrying<T>(
  send: (signal: AbortSignal) => Promise<T>,
  { attempts, timeoutMs, backoffMs, totalMs }: Patience,
  signal?: AbortSignal,
): Promise<T> {
  const giveUpAt = performance.now() + totalMs;
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    try {
      return await withTimeout(send, timeoutMs, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const failure = readS3Failure(error);
      const isLast = attempt >= attempts || performance.now() > giveUpAt;
      if (isLast || !isPassing(failure)) throw error;
      await delay(backoff(failure, attempt, backoffMs), undefined, signal && { signal });
    }
  }
}

/** Half of it by chance, so that many who failed together do not come back together. */
export function backoff(failure: S3Failure, attempt: number, backoffMs: number): number {
  const base = backoffMs * (isThrottling(failure) ? THROTTLING_FACTOR : 1) * 2 ** (attempt - 1);
  const waitMs = Math.max(Math.min(base, LONGEST_BACKOFF_MS), failure.retryAfterMs ?? 0);
  return Math.min(waitMs, 3 * LONGEST_BACKOFF_MS) * (0.5 + Math.random() / 2);
}

/** @throws an error named `TimeoutError`; the signal's reason where that fired */
export async function withTimeout<T>(
  action: (signal: AbortSignal) => Promise<T>,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeoutMs);
  try {
    return await action(
      signal === undefined ? late.signal : AbortSignal.any([late.signal, signal]),
    );
  } catch (error) {
    if (late.signal.aborted && signal?.aborted !== true) throw timeoutError(timeoutMs);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** An error of the kind that passes. */
export function timeoutError(timeoutMs: number): Error {
  return Object.assign(new Error(`no answer within ${timeoutMs} ms`), {
    name: 'TimeoutError',
    code: 'ETIMEDOUT',
  });
}
