import { findUserByEmail, insertUser, type UserRecord } from '../db/users.ts';
import { AppError } from '../domain/errors.ts';
import type { UserId } from '../domain/ids.ts';
import type { Role } from '../domain/video.ts';
import type { AttemptKey } from './attempt-limiter.ts';
import { authenticateApiKey } from './authenticate.ts';
import type { UseCaseDeps } from './deps.ts';
import { openSession, type OpenedSession, SESSION_SECONDS } from './open-session.ts';
import { requireAllScopes } from './viewer.ts';

type Deps = Pick<UseCaseDeps, 'database' | 'passwords' | 'logInLimiter' | 'now'>;

export interface Credentials {
  readonly email: string;
  readonly password: string;
}

/** Who has logged in, and the session for the cookie. */
export interface LogIn {
  readonly user: { readonly id: UserId; readonly email: string; readonly role: Role };
  readonly session: OpenedSession;
}

/**
 * Checks a password and opens a browser session. An unknown address takes as long and answers the same as a wrong password.
 * @throws `invalid-credentials`, `rate-limited`
 */
export async function logIn(
  deps: Deps,
  credentials: Credentials,
  clientAddress: string,
): Promise<LogIn> {
  const keys = attemptKeys(credentials.email, clientAddress);
  deps.logInLimiter.take(keys);
  const user = await deps.database.run((em) => findUserByEmail(em, credentials.email));
  const matches = await deps.passwords.verify(user?.passwordHash ?? null, credentials.password);
  if (user === undefined || !matches) {
    throw new AppError('invalid-credentials', { detail: 'The address or the password is wrong.' });
  }
  deps.logInLimiter.giveBack(keys);
  return open(deps, user);
}

/**
 * Trades an API key for a browser session of its owner, so that the browser need not keep the key. It ends with the key.
 * @throws `invalid-credentials`, `permission-denied` for a key that may do less than its user, `rate-limited`
 */
export async function logInByApiKey(
  deps: Deps,
  key: string,
  clientAddress: string,
): Promise<LogIn> {
  const keys = [fromPlace(clientAddress)];
  deps.logInLimiter.take(keys);
  const viewer = await authenticateApiKey(deps, key);
  deps.logInLimiter.giveBack(keys);
  requireAllScopes(viewer, 'A browser session');
  const owner = { id: viewer.userId, email: viewer.email, role: viewer.role };
  return open(deps, owner, viewer.apiKeyId);
}

/** Makes a member and logs them in. @throws `email-taken`, `sign-up-disabled`, `rate-limited` */
export async function signUp(
  deps: Deps,
  credentials: Credentials,
  { allowed, clientAddress }: { allowed: boolean; clientAddress: string },
): Promise<LogIn> {
  if (!allowed) throw new AppError('sign-up-disabled');
  deps.logInLimiter.take([{ name: `sign-up ${clientAddress}`, allowed: 20 }]);
  const passwordHash = await deps.passwords.hash(credentials.password);
  const role = 'member';
  const id = await deps.database.run((em) =>
    insertUser(em, { email: credentials.email, passwordHash, role }),
  );
  return open(deps, { id, email: credentials.email.toLowerCase(), role });
}

async function open(
  deps: Deps,
  user: Pick<UserRecord, 'id' | 'email' | 'role'>,
  apiKeyId: number | null = null,
): Promise<LogIn> {
  const asked = {
    userId: user.id,
    apiKeyId,
    kind: 'browser',
    now: deps.now(),
    seconds: SESSION_SECONDS,
  } as const;
  const session = await deps.database.run((em) => openSession(em, asked));
  return { user: { id: user.id, email: user.email, role: user.role }, session };
}

/** Per person and place, so that nobody can lock others out; and per place, so that one place cannot try everybody. */
function attemptKeys(email: string, clientAddress: string): readonly AttemptKey[] {
  return [
    { name: `log-in ${clientAddress} ${email.toLowerCase()}`, allowed: 10 },
    fromPlace(clientAddress),
  ];
}

function fromPlace(clientAddress: string): AttemptKey {
  return { name: `log-in ${clientAddress}`, allowed: 50 };
}
