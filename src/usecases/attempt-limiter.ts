import { AppError } from '../domain/errors.ts';

/**
 * Counts attempts that may fail, so that passwords cannot be guessed quickly. In memory: one process, forgotten at a restart.
 */
export interface AttemptLimiter {
  /** Counts one attempt under each key before it is made. @throws `rate-limited` with `retryAfterSeconds` */
  take(keys: readonly AttemptKey[]): void;
  /** The attempt succeeded and does not count. */
  giveBack(keys: readonly AttemptKey[]): void;
}

export interface AttemptKey {
  readonly name: string;
  /** Attempts that are allowed within the window. */
  readonly allowed: number;
}

const WINDOW_MS = 15 * 60_000;
/** More keys than this are not remembered; the oldest go first. */
const MAX_KEYS = 10_000;

export function createAttemptLimiter(now: () => Date): AttemptLimiter {
  const windows = new Map<string, { startedMs: number; attempts: number }>();

  const current = (name: string) => {
    const found = windows.get(name);
    if (found !== undefined && now().getTime() - found.startedMs < WINDOW_MS) return found;
    const fresh = { startedMs: now().getTime(), attempts: 0 };
    windows.delete(name);
    windows.set(name, fresh);
    if (windows.size > MAX_KEYS) windows.delete(windows.keys().next().value ?? '');
    return fresh;
  };

  return {
    take(keys) {
      for (const key of keys) {
        const window = current(key.name);
        if (window.attempts < key.allowed) continue;
        const retryAfterSeconds = Math.max(
          1,
          Math.ceil((window.startedMs + WINDOW_MS - now().getTime()) / 1000),
        );
        throw new AppError('rate-limited', {
          detail: `Too many failed attempts; try again in ${retryAfterSeconds} s.`,
          retryAfterSeconds,
        });
      }
      for (const key of keys) current(key.name).attempts += 1;
    },
    giveBack(keys) {
      for (const key of keys) {
        const window = current(key.name);
        window.attempts = Math.max(0, window.attempts - 1);
      }
    },
  };
}
