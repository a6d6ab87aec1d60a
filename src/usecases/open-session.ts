import { randomBytes } from 'node:crypto';
import type { EntityManager } from '../db/orm.ts';
import {
  deleteExpiredSessions,
  insertSession,
  type SessionKind,
  takeSession,
} from '../db/sessions.ts';
import { hashSecret } from './api-key-format.ts';
import type { UseCaseDeps } from './deps.ts';

/** A browser stays logged in this long after its last visit. */
export const SESSION_SECONDS = 30 * 86_400;

/** A token that is shown once; only its hash is kept. */
export interface OpenedSession {
  readonly token: string;
  readonly expiresAt: Date;
}

/** Makes a session of 256 random bits, and throws out those that have run out. */
export async function openSession(
  em: EntityManager,
  session: {
    userId: number;
    /** The key that this comes from, if any: the session ends with it. */
    apiKeyId: number | null;
    kind: SessionKind;
    now: Date;
    seconds: number;
  },
): Promise<OpenedSession> {
  const token = randomBytes(32).toString('base64url');
  const expiresAt = new Date(session.now.getTime() + session.seconds * 1000);
  await deleteExpiredSessions(em, session.now);
  await insertSession(em, {
    userId: session.userId,
    apiKeyId: session.apiKeyId,
    kind: session.kind,
    tokenHash: hashSecret(token),
    expiresAt,
  });
  return { token, expiresAt };
}

/** Logs a browser out. Nothing happens when it was not logged in. */
export async function closeSession(
  deps: Pick<UseCaseDeps, 'database' | 'now'>,
  token: string,
): Promise<void> {
  await deps.database.run((em) =>
    takeSession(em, { kind: 'browser', tokenHash: hashSecret(token), now: deps.now() }),
  );
}
