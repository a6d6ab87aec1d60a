import type { Database } from '../db/database.ts';
import type { VideoWorkflows } from '../temporal/video-workflows.ts';
import type { AttemptLimiter } from './attempt-limiter.ts';
import type { Passwords } from './passwords.ts';

/** What use cases work with; each takes the part that it needs. */
export interface UseCaseDeps {
  readonly database: Database;
  readonly workflows: VideoWorkflows;
  readonly passwords: Passwords;
  readonly logInLimiter: AttemptLimiter;
  /** The clock. */
  readonly now: () => Date;
}

/** One page of a list, and where the next one begins; null after the last. */
export interface Page<T> {
  readonly data: readonly T[];
  readonly nextId: number | null;
}

/** Turns one row more than asked for into a page. */
export function toPage<T>(rows: readonly T[], limit: number, idOf: (row: T) => number): Page<T> {
  const data = rows.slice(0, limit);
  const last = data.at(-1);
  return { data, nextId: rows.length > limit && last !== undefined ? idOf(last) : null };
}
