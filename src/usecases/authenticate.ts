import { type ApiKeyRecord, findApiKey, touchApiKey } from '../db/api-keys.ts';
import type { EntityManager } from '../db/orm.ts';
import { extendSession, findSession } from '../db/sessions.ts';
import { findUser } from '../db/users.ts';
import { AppError } from '../domain/errors.ts';
import { hashSecret, matchesHash, parseApiKey } from './api-key-format.ts';
import type { UseCaseDeps } from './deps.ts';
import { ENVIRONMENT_KEY_ID } from './ensure-first-admin.ts';
import { SESSION_SECONDS } from './open-session.ts';
import { scopesOf, type Viewer } from './viewer.ts';

type Deps = Pick<UseCaseDeps, 'database' | 'now'>;

/** Last use is noted at most this often, so that a busy key does not write a row per request. */
const TOUCH_EVERY_MS = 60_000;
/** A session moves its end at most once a day. */
const EXTEND_EVERY_MS = 86_400_000;

/** @throws `invalid-credentials` for a key that is unknown, mistyped, revoked or expired */
export async function authenticateApiKey(deps: Deps, key: string): Promise<Viewer> {
  return deps.database.run(async (em) => {
    const found = await findMatchingKey(em, key, deps.now());
    if (found === undefined)
      throw new AppError('invalid-credentials', { detail: 'This API key is not valid.' });
    const owner = await findUser(em, found.ownerId);
    if (owner === undefined)
      throw new AppError('invalid-credentials', { detail: 'This API key is not valid.' });
    const lastUsedMs = found.lastUsedAt?.getTime() ?? 0;
    if (deps.now().getTime() - lastUsedMs >= TOUCH_EVERY_MS)
      await touchApiKey(em, found.id, deps.now());
    return {
      userId: owner.id,
      email: owner.email,
      role: owner.role,
      scopes: found.scopes,
      via: 'api-key',
      apiKeyId: found.id,
    };
  });
}

/** @returns `extended` when the cookie should be set again; undefined for a session that is unknown or over */
export async function authenticateSession(
  deps: Deps,
  token: string,
): Promise<{ readonly viewer: Viewer; readonly extended: boolean } | undefined> {
  const now = deps.now();
  return deps.database.run(async (em) => {
    const session = await findSession(em, { kind: 'browser', tokenHash: hashSecret(token), now });
    const user = session && (await findUser(em, session.userId));
    if (session === undefined || user === undefined) return undefined;
    const expires = new Date(now.getTime() + SESSION_SECONDS * 1000);
    const extended = expires.getTime() - session.expiresAt.getTime() >= EXTEND_EVERY_MS;
    if (extended) await extendSession(em, session.id, { seen: now, expires });
    const viewer: Viewer = {
      userId: user.id,
      email: user.email,
      role: user.role,
      scopes: scopesOf(user.role),
      via: 'session',
      apiKeyId: session.apiKeyId,
    };
    return { viewer, extended };
  });
}

/** A key of ours by its public id; else the one that the operator set, which may look like anything. */
async function findMatchingKey(
  em: EntityManager,
  key: string,
  now: Date,
): Promise<ApiKeyRecord | undefined> {
  const parts = parseApiKey(key);
  if (parts !== undefined) {
    const named = await findApiKey(em, parts.publicId);
    if (named !== undefined && matchesHash(parts.secret, named.secretHash) && isLive(named, now))
      return named;
  }
  const environment = await findApiKey(em, ENVIRONMENT_KEY_ID);
  if (environment === undefined || !matchesHash(key, environment.secretHash)) return undefined;
  return isLive(environment, now) ? environment : undefined;
}

function isLive(key: ApiKeyRecord, now: Date): boolean {
  return key.revokedAt === null && (key.expiresAt === null || key.expiresAt > now);
}
