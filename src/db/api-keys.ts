import type { UserId } from '../domain/ids.ts';
import type { Scope } from '../domain/video.ts';
import { ApiKey } from './entities/api-key.ts';
import type { EntityManager } from './orm.ts';

/** A row of `api_keys`, plain. */
export interface ApiKeyRecord {
  readonly id: number;
  readonly ownerId: UserId;
  readonly publicId: string;
  /** SHA-256 of the secret, hex. */
  readonly secretHash: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly lastUsedAt: Date | null;
}

export interface NewApiKey {
  readonly ownerId: number;
  readonly publicId: string;
  readonly secretHash: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: Date | null;
}

export async function insertApiKey(em: EntityManager, key: NewApiKey): Promise<ApiKeyRecord> {
  const id = await em.insert(ApiKey, { ...key, scopes: [...key.scopes] });
  return toRecord(await em.findOneOrFail(ApiKey, { id }, { disableIdentityMap: true }));
}

/** Revoked and expired ones too: the caller says why it does not let them in. */
export async function findApiKey(
  em: EntityManager,
  publicId: string,
): Promise<ApiKeyRecord | undefined> {
  const key = await em.findOne(ApiKey, { publicId }, { disableIdentityMap: true });
  return key === null ? undefined : toRecord(key);
}

/** Newest first, revoked ones included. */
export async function listApiKeys(
  em: EntityManager,
  ownerId: number,
): Promise<readonly ApiKeyRecord[]> {
  const keys = await em.find(
    ApiKey,
    { ownerId },
    { orderBy: { id: 'desc' }, disableIdentityMap: true },
  );
  return keys.map(toRecord);
}

/** @returns false when this owner has no such key; revoking twice keeps the first time */
export async function revokeApiKey(
  em: EntityManager,
  id: number,
  ownerId: number,
  at: Date,
): Promise<boolean> {
  await em.nativeUpdate(ApiKey, { id, ownerId, revokedAt: null }, { revokedAt: at });
  return (await em.count(ApiKey, { id, ownerId })) > 0;
}

/** Makes the key with this public id mean `key`, whatever it meant before. */
export async function replaceApiKey(em: EntityManager, key: NewApiKey): Promise<void> {
  const columns = { ...key, scopes: [...key.scopes], revokedAt: null };
  await em.upsert(ApiKey, columns, { onConflictFields: ['publicId'] });
}

/** @returns whether there was one */
export async function deleteApiKey(em: EntityManager, publicId: string): Promise<boolean> {
  return (await em.nativeDelete(ApiKey, { publicId })) > 0;
}

export async function touchApiKey(em: EntityManager, id: number, at: Date): Promise<void> {
  await em.nativeUpdate(ApiKey, { id }, { lastUsedAt: at });
}

function toRecord(key: ApiKey): ApiKeyRecord {
  return {
    id: key.id,
    ownerId: key.ownerId as UserId,
    publicId: key.publicId,
    secretHash: key.secretHash,
    name: key.name,
    scopes: [...key.scopes],
    createdAt: key.createdAt,
    expiresAt: key.expiresAt ?? null,
    revokedAt: key.revokedAt ?? null,
    lastUsedAt: key.lastUsedAt ?? null,
  };
}
