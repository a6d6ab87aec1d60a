import { Session, type SESSION_KINDS } from './entities/session.ts';
import type { EntityManager } from './orm.ts';

export type SessionKind = (typeof SESSION_KINDS)[number];

/** A row of `sessions`, plain. */
export interface SessionRecord {
  readonly id: number;
  readonly userId: number;
  readonly expiresAt: Date;
}

export async function insertSession(
  em: EntityManager,
  session: { userId: number; kind: SessionKind; tokenHash: string; expiresAt: Date },
): Promise<void> {
  await em.insert(Session, session);
}

/** @returns undefined when there is none, or it has run out at `now` */
export async function findSession(
  em: EntityManager,
  { kind, tokenHash, now }: { kind: SessionKind; tokenHash: string; now: Date },
): Promise<SessionRecord | undefined> {
  const where = { kind, tokenHash, expiresAt: { $gt: now } };
  const session = await em.findOne(Session, where, { disableIdentityMap: true });
  return session === null
    ? undefined
    : { id: session.id, userId: session.userId, expiresAt: session.expiresAt };
}

/** Notes that a session is in use and moves its end. */
export async function extendSession(
  em: EntityManager,
  id: number,
  at: { seen: Date; expires: Date },
): Promise<void> {
  await em.nativeUpdate(Session, { id }, { lastSeenAt: at.seen, expiresAt: at.expires });
}

/** Takes a session away. @returns whose it was; undefined when it was not there, so that of two callers one gets it */
export async function takeSession(
  em: EntityManager,
  { kind, tokenHash, now }: { kind: SessionKind; tokenHash: string; now: Date },
): Promise<{ readonly userId: number } | undefined> {
  const rows = await em.execute<{ user_id: number }[]>(
    'delete from sessions where kind = ? and token_hash = ? and expires_at > ? returning user_id',
    [kind, tokenHash, now],
  );
  return rows[0] === undefined ? undefined : { userId: rows[0].user_id };
}

/** Logs a user out everywhere. */
export async function deleteSessionsOfUser(em: EntityManager, userId: number): Promise<void> {
  await em.nativeDelete(Session, { userId });
}

export async function deleteExpiredSessions(em: EntityManager, now: Date): Promise<void> {
  await em.nativeDelete(Session, { expiresAt: { $lte: now } });
}
