import { AppError } from '../domain/errors.ts';
import type { EntityManager, MikroORM } from './orm.ts';

/** The door to PostgreSQL: every piece of work gets an EntityManager of its own. */
export interface Database {
  /** @throws `database-unavailable` when the server cannot be reached or takes too long; other errors pass untouched */
  run<T>(work: (em: EntityManager) => Promise<T>): Promise<T>;
  /** Like `run`, in one transaction. */
  transact<T>(work: (em: EntityManager) => Promise<T>): Promise<T>;
  /** Like `run`, for reading alone: every query sees the same instant, so that no answer mixes what was before a commit and after. */
  snapshot<T>(work: (em: EntityManager) => Promise<T>): Promise<T>;
  isReachable(): Promise<boolean>;
  close(): Promise<void>;
}

/** Wraps an open ORM; `close` closes it. */
export function createDatabase(orm: MikroORM): Database {
  return {
    run: (work) => translateFaults(() => work(orm.em.fork())),
    transact: (work) => translateFaults(() => orm.em.fork().transactional(work)),
    snapshot: (work) =>
      translateFaults(() =>
        orm.em.fork().transactional(work, { isolationLevel: 'repeatable read', readOnly: true }),
      ),
    async isReachable() {
      try {
        await orm.em.fork().execute('select 1');
        return true;
      } catch {
        return false;
      }
    },
    close: () => orm.close(true),
  };
}

async function translateFaults<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AppError || !isUnreachable(error)) throw error;
    throw new AppError('database-unavailable', {}, { cause: error });
  }
}

/** Errors of the socket, and what PostgreSQL says when it stops, starts, has no connection or no disk left, or was too slow for us. */
const UNREACHABLE_CODES: readonly string[] = [
  ...[
    'ECONNREFUSED',
    'ECONNRESET',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ENOENT',
  ],
  ...['57P01', '57P02', '57P03', '53300', '08000', '08001', '08003', '08004', '08006'],
  ...['57014', '55P03'],
  // Its disk is full: it reads, and writes again once there is room.
  '53100',
];
/** pg gives these without a code. */
const UNREACHABLE_MESSAGES =
  /Connection terminated|Connection ended|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error/;

/** What an error tells, whichever realm it comes from. */
interface Told {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly errors?: unknown;
  readonly previous?: unknown;
  readonly cause?: unknown;
}

function isUnreachable(error: unknown): boolean {
  let current = error;
  for (let depth = 0; typeof current === 'object' && current !== null && depth < 5; depth += 1) {
    const { code, message, errors, previous, cause }: Told = current;
    if (typeof code === 'string' && UNREACHABLE_CODES.includes(code)) return true;
    if (typeof message === 'string' && UNREACHABLE_MESSAGES.test(message)) return true;
    if (Array.isArray(errors) && errors.some(isUnreachable)) return true;
    current = previous ?? cause;
  }
  return false;
}
