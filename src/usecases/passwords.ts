import { randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { AppError } from '../domain/errors.ts';

/** Hashes and checks passwords with argon2id (19 MiB, 2 passes, the library's default and OWASP's first choice). */
export interface Passwords {
  /** @returns a PHC string */
  hash(password: string): Promise<string>;
  /**
   * @param passwordHash null for a user who has none or does not exist: takes as long as for one who does
   * @throws `rate-limited` when too many wait
   */
  verify(passwordHash: string | null, password: string): Promise<boolean>;
}

/** Each computation holds a core for about 10 ms and 19 MiB. */
const AT_ONCE = 2;
const MAX_WAITING = 50;

export function createPasswords(): Passwords {
  const inTurn = createTurnstile();
  let dummy: Promise<string> | undefined;
  return {
    hash: (password) => inTurn(() => hash(password)),
    async verify(passwordHash, password) {
      dummy ??= hash(randomBytes(16).toString('hex'));
      const compared = passwordHash ?? (await dummy);
      const matches = await inTurn(() => verify(compared, password));
      return matches && passwordHash !== null;
    },
  };
}

/** A password for people to type once: 20 characters, 100 bits. */
export function generatePassword(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789-';
  return [...randomBytes(20)].map((byte) => letters[byte % letters.length]).join('');
}

function createTurnstile(): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= AT_ONCE) {
      if (waiting.length >= MAX_WAITING)
        throw new AppError('rate-limited', { retryAfterSeconds: 2 });
      await new Promise<void>((proceed) => waiting.push(proceed));
    } else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
