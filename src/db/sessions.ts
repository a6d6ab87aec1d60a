import { Session, type SESSION_KINDS } from './entities/session.ts';
import type { EntityManager } from './orm.ts';

export type SessionKind = (typeof SESSION_KINDS)[number];

/** A row of `sessions`, plain. */
export interface SessionRecord {
  readonly id: number;
  readonly userId: number;
  readonly apiKeyId: number | null;
  readonly expiresAt: Date;
}

export interface NewSession {
  readonly userId: number;
  readonly apiKeyId: number | null;
  readonly kind: SessionKind;
  readonly tokenHash: string;
  readonly expiresAt: Date;
}

/** Also false where the API key that the session came from has run out or was revoked. */
const IS_LIVE = `s.kind = ? and s.token_hash = ? and s.expires_at > ? and (s.api_key_id is null or exists (
  select 1 from api_keys k where k.id = s.api_key_id and k.revoked_at is null and (k.expires_at is null or k.expires_at > ?)))`;

export async function insertSession(em: EntityManager, session: NewSession): Promise<void> {
  await em.insert(Session, session);
}

/** @returns undefined when there is none, or it has run out at `now` */
export async function findSession(
  em: EntityManager,
  { kind, tokenHash, now }: { kind: SessionKind; tokenHash: string; now: Date },
): Promise<SessionRecord | undefined> {
  const [row] = await em.execute<SessionRow[]>(
    `select s.id, s.user_id, s.api_key_id, s.expires_at from sessions s where ${IS_LIVE}`,
    [kind, tokenHash, now, now],
  );
  return row && toRecord(row);
}

/** Notes that a session is in use and moves its end. */
export async function extendSession(
  em: EntityManager,
  id: number,
  at: { seen: Date; expires: Date },
): Promise<void> {
  await em.nativeUpdate(Session, { id }, { lastSeenAt: at.seen, expiresAt: at.expires });
}

/** Takes a session away. @returns what it was; undefined when it was not there, so that of two callers one gets it */
export async function takeSession(
  em: EntityManager,
  { kind, tokenHash, now }: { kind: SessionKind; tokenHash: string; now: Date },
): Promise<SessionRecord | undefined> {
  const [row] = await em.execute<SessionRow[]>(
    `delete from sessions s where ${IS_LIVE} returning s.id, s.user_id, s.api_key_id, s.expires_at`,
    [kind, tokenHash, now, now],
  );
  return row && toRecord(row);
}

/** Ends what was made with a key. */
export async function deleteSessionsOfApiKey(em: EntityManager, apiKeyId: number): Promise<void> {
  await em.nativeDelete(Session, { apiKeyId });
}

/** Logs a user out everywhere. */
export async function deleteSessionsOfUser(em: EntityManager, userId: number): Promise<void> {
  await em.nativeDelete(Session, { userId });
}

export async function deleteExpiredSessions(em: EntityManager, now: Date): Promise<void> {
  await em.nativeDelete(Session, { expiresAt: { $lte: now } });
}

interface SessionRow {
  readonly id: number;
  readonly user_id: number;
  readonly api_key_id: number | null;
  readonly expires_at: string | Date;
}

function toRecord(row: SessionRow): SessionRecord {
  return {
    id: row.id,
    userId: row.user_id,
    apiKeyId: row.api_key_id,
    expiresAt: new Date(row.expires_at),
  };
}
