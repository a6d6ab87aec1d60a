import { type ApiKeyRecord, insertApiKey, listApiKeys, revokeApiKey } from '../db/api-keys.ts';
import { AppError } from '../domain/errors.ts';
import type { Role, Scope } from '../domain/video.ts';
import { generateApiKey, hashSecret } from './api-key-format.ts';
import type { UseCaseDeps } from './deps.ts';
import { scopesOf, type Viewer } from './viewer.ts';

type Deps = Pick<UseCaseDeps, 'database' | 'now'>;

export interface ApiKeyRequest {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: Date | null;
}

/** A key as it can be shown at any time: without its secret. */
export type ApiKeySummary = Omit<ApiKeyRecord, 'secretHash' | 'ownerId'>;

/**
 * Makes a key for the viewer. Its text is in the answer and nowhere else.
 * @throws `permission-denied` for a scope that the viewer's own login does not have
 */
export async function createApiKey(
  deps: Deps,
  viewer: Viewer,
  request: ApiKeyRequest,
): Promise<ApiKeySummary & { readonly key: string }> {
  const beyond = request.scopes.filter((scope) => !viewer.scopes.includes(scope));
  if (beyond.length > 0) {
    throw new AppError('permission-denied', {
      detail: `This login cannot give the scope \`${beyond.join('`, `')}\`.`,
    });
  }
  return createApiKeyFor(deps, { id: viewer.userId, role: viewer.role }, request);
}

/** Makes a key for any user; only for commands on the server. @throws `permission-denied`: `admin` needs an admin */
export async function createApiKeyFor(
  deps: Deps,
  user: { readonly id: number; readonly role: Role },
  request: ApiKeyRequest,
): Promise<ApiKeySummary & { readonly key: string }> {
  if (request.scopes.some((scope) => !scopesOf(user.role).includes(scope))) {
    throw new AppError('permission-denied', {
      detail: 'Only an administrator can have the scope `admin`.',
    });
  }
  const { key, publicId, secret } = generateApiKey();
  const record = await deps.database.run((em) =>
    insertApiKey(em, { ...request, ownerId: user.id, publicId, secretHash: hashSecret(secret) }),
  );
  return { ...summarize(record), key };
}

export async function listOwnApiKeys(
  deps: Deps,
  viewer: Viewer,
): Promise<readonly ApiKeySummary[]> {
  const keys = await deps.database.run((em) => listApiKeys(em, viewer.userId));
  return keys.map(summarize);
}

/** From then on the key lets nobody in. Idempotent. @throws `api-key-not-found` */
export async function revokeOwnApiKey(deps: Deps, viewer: Viewer, id: number): Promise<void> {
  const found = await deps.database.run((em) => revokeApiKey(em, id, viewer.userId, deps.now()));
  if (!found) throw new AppError('api-key-not-found');
}

function summarize({ secretHash: _secret, ownerId: _owner, ...rest }: ApiKeyRecord): ApiKeySummary {
  return rest;
}
