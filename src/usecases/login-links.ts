import { takeSession } from '../db/sessions.ts';
import { AppError } from '../domain/errors.ts';
import { hashSecret } from './api-key-format.ts';
import type { UseCaseDeps } from './deps.ts';
import { openSession, type OpenedSession, SESSION_SECONDS } from './open-session.ts';
import { requireAllScopes, type Viewer } from './viewer.ts';

type Deps = Pick<UseCaseDeps, 'database' | 'now'>;

const LINK_SECONDS = 600;

/**
 * Makes a token that logs its maker in once within ten minutes.
 * @throws `permission-denied` for an API key that may do less than its user: the session could do more than the key
 */
export async function createLoginLink(deps: Deps, viewer: Viewer): Promise<OpenedSession> {
  requireAllScopes(viewer, 'A login link');
  const asked = {
    userId: viewer.userId,
    apiKeyId: viewer.apiKeyId,
    kind: 'login-link',
    now: deps.now(),
    seconds: LINK_SECONDS,
  } as const;
  return deps.database.run((em) => openSession(em, asked));
}

/** Turns a link into a browser session. Works once. @throws `invalid-credentials` */
export async function redeemLoginLink(deps: Deps, token: string): Promise<OpenedSession> {
  const now = deps.now();
  return deps.database.transact(async (em) => {
    const taken = await takeSession(em, { kind: 'login-link', tokenHash: hashSecret(token), now });
    if (taken === undefined) {
      throw new AppError('invalid-credentials', {
        detail: 'This link was used before or has run out.',
      });
    }
    return openSession(em, {
      userId: taken.userId,
      apiKeyId: taken.apiKeyId,
      kind: 'browser',
      now,
      seconds: SESSION_SECONDS,
    });
  });
}

/**
 * Where a link may lead: an address on this site.
 * @returns `/` for anything that could lead elsewhere, such as `//other.example` or `/\other.example`
 */
export function localPath(next: string | undefined): string {
  const base = 'http://local.invalid';
  if (next === undefined || !next.startsWith('/') || !URL.canParse(next, base)) return '/';
  const url = new URL(next, base);
  const path = `${url.pathname}${url.search}${url.hash}`;
  return url.origin === base && !path.startsWith('//') ? path : '/';
}
