import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deleteApiKey, findApiKey, insertApiKey, replaceApiKey } from '../db/api-keys.ts';
import type { Database } from '../db/database.ts';
import type { EntityManager } from '../db/orm.ts';
import { deleteSessionsOfApiKey } from '../db/sessions.ts';
import { findFirstAdmin, findUserByEmail, insertUser, setUserRole } from '../db/users.ts';
import type { UserId } from '../domain/ids.ts';
import { generateApiKey, hashSecret } from './api-key-format.ts';
import type { Passwords } from './passwords.ts';
import { scopesOf } from './viewer.ts';

/** Public id of the key that the operator sets; not base62, so that no generated key can have it. */
export const ENVIRONMENT_KEY_ID = '$environment';

export interface FirstAdminOptions {
  readonly database: Database;
  readonly passwords: Passwords;
  readonly dataDir: string;
  readonly adminApiKey?: string;
  readonly adminEmail?: string;
  readonly adminPassword?: string;
}

/** Any constant: processes that start at once take turns by it. */
const LOCK = 7_110_301;

/**
 * Makes sure that somebody can get in: an administrator and an API key of theirs, kept in `DATA_DIR/admin-api-key` (0600).
 *
 * A key set by the operator is accepted from the next start on; once it is changed or taken away, neither it nor a session
 * made with it is. When it is taken away a new one is generated. A key that was revoked by hand stays revoked. Run it at every
 * start; several processes may do so at once.
 */
export async function ensureFirstAdmin(options: FirstAdminOptions): Promise<void> {
  await options.database.transact(async (em) => {
    await em.execute('select pg_advisory_xact_lock(?)', [LOCK]);
    const { adminId, isNew } = await ensureAdmin(em, options);
    if (options.adminApiKey !== undefined) {
      await endSessionsOfOldKey(em, options.adminApiKey);
      await replaceApiKey(em, {
        ...keyOf(adminId, 'ADMIN_API_KEY'),
        publicId: ENVIRONMENT_KEY_ID,
        secretHash: hashSecret(options.adminApiKey),
      });
      await writeKeyFile(options.dataDir, options.adminApiKey);
      return;
    }
    const wasSet = await deleteApiKey(em, ENVIRONMENT_KEY_ID);
    if (!isNew && !wasSet) return;
    const { key, publicId, secret } = generateApiKey();
    await insertApiKey(em, {
      ...keyOf(adminId, 'first key'),
      publicId,
      secretHash: hashSecret(secret),
    });
    // Before the commit: should it fail, the next start finds no administrator and writes another key.
    await writeKeyFile(options.dataDir, key);
  });
}

async function ensureAdmin(
  em: EntityManager,
  options: FirstAdminOptions,
): Promise<{ adminId: UserId; isNew: boolean }> {
  const first = await findFirstAdmin(em);
  if (first !== undefined && options.adminEmail === undefined)
    return { adminId: first.id, isNew: false };
  const email = options.adminEmail ?? 'admin@localhost';
  const namesake = await findUserByEmail(em, email);
  if (first !== undefined && namesake !== undefined) return { adminId: first.id, isNew: false };
  if (namesake !== undefined) {
    await setUserRole(em, namesake.id, 'admin');
    return { adminId: namesake.id, isNew: true };
  }
  const passwordHash =
    options.adminPassword === undefined
      ? null
      : await options.passwords.hash(options.adminPassword);
  const id = await insertUser(em, { email, passwordHash, role: 'admin' });
  return { adminId: first?.id ?? id, isNew: first === undefined };
}

/** The row stays and means another key. */
async function endSessionsOfOldKey(em: EntityManager, newKey: string): Promise<void> {
  const old = await findApiKey(em, ENVIRONMENT_KEY_ID);
  if (old !== undefined && old.secretHash !== hashSecret(newKey))
    await deleteSessionsOfApiKey(em, old.id);
}

function keyOf(ownerId: number, name: string) {
  return { ownerId, name, scopes: scopesOf('admin'), expiresAt: null };
}

/** In one step, and never readable by others. */
async function writeKeyFile(dataDir: string, key: string): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  const path = join(dataDir, 'admin-api-key');
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, `${key}\n`, { mode: 0o600 });
  await rename(draft, path);
}
