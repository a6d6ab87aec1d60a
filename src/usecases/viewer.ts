import { AppError } from '../domain/errors.ts';
import type { UserId } from '../domain/ids.ts';
import type { Role, Scope } from '../domain/video.ts';

/** Who makes a request, and what this login lets them do. */
export interface Viewer {
  readonly userId: UserId;
  readonly email: string;
  readonly role: Role;
  /** A browser session holds all that its user may do. */
  readonly scopes: readonly Scope[];
  readonly via: 'api-key' | 'session';
  /** The key itself, or the one that a session was made with; null for a login by password. */
  readonly apiKeyId: number | null;
}

/** True for an administrator whose login was not narrowed: an admin's read-only key sees what a member sees. */
export function isAdmin(viewer: Viewer): boolean {
  return viewer.role === 'admin' && viewer.scopes.includes('admin');
}

/** @throws `permission-denied` */
export function requireAdmin(viewer: Viewer): void {
  if (!isAdmin(viewer)) throw new AppError('permission-denied');
}

/** @throws `permission-denied` */
export function requireScope(viewer: Viewer, scope: Scope): void {
  if (viewer.scopes.includes(scope)) return;
  throw new AppError('permission-denied', {
    detail: `This API key does not have the scope \`${scope}\`.`,
  });
}

/** Refuses a narrowed key where what it would get could do more than the key. @throws `permission-denied` */
export function requireAllScopes(viewer: Viewer, what: string): void {
  if (scopesOf(viewer.role).every((scope) => viewer.scopes.includes(scope))) return;
  throw new AppError('permission-denied', {
    detail: `${what} needs an API key with all scopes of its user.`,
  });
}

/** Everything a user of this role may do. */
export function scopesOf(role: Role): readonly Scope[] {
  return role === 'admin' ? ['read', 'write', 'admin'] : ['read', 'write'];
}
