import type { Context, MiddlewareHandler } from 'hono';
import { AppError } from '../../domain/errors.ts';
import { authenticateApiKey, authenticateSession } from '../../usecases/authenticate.ts';
import type { UseCaseDeps } from '../../usecases/deps.ts';
import { requireScope, type Viewer } from '../../usecases/viewer.ts';
import type { AppEnv } from '../app-env.ts';
import type { SessionCookie } from '../session-cookie.ts';

/** Everything else needs a login; a new route is closed until it is named here. */
const PUBLIC_PATHS = [
  /^\/$/,
  /^\/(?:index\.html|[a-z]+\.js|style\.css|favicon\.(?:ico|svg))$/,
  /^\/(?:healthz|readyz|openapi\.json)$/,
  /^\/problems\/[^/]+$/,
  /^\/auth\/(?:sign-up|log-in|log-out)$/,
  /^\/auth\/link\/[^/]+$/,
];

/**
 * Finds out who asks, by API key (`Authorization: Bearer …`) or session cookie, and refuses the rest with 401.
 *
 * A key needs the scope `read` for reading and `write` for everything else. A header that is there but wrong is refused, also
 * where a cookie would do.
 */
export function requireLogin(
  deps: Pick<UseCaseDeps, 'database' | 'now'>,
  cookie: SessionCookie,
): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (PUBLIC_PATHS.some((path) => path.test(c.req.path))) return next();
    const viewer = (await viewerOfKey(deps, c)) ?? (await viewerOfCookie(deps, c, cookie));
    if (viewer === undefined) throw new AppError('authentication-required');
    c.set('viewer', viewer);
    requireScope(viewer, isReading(c.req.method) ? 'read' : 'write');
    return next();
  };
}

/** Methods that change nothing. */
export function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

async function viewerOfKey(
  deps: Pick<UseCaseDeps, 'database' | 'now'>,
  c: Context<AppEnv>,
): Promise<Viewer | undefined> {
  const header = c.req.header('Authorization');
  if (header === undefined) return undefined;
  const [, key] = /^Bearer +(\S+) *$/i.exec(header) ?? [];
  if (key === undefined) {
    throw new AppError('invalid-credentials', {
      detail: 'Send `Authorization: Bearer` and an API key.',
    });
  }
  return authenticateApiKey(deps, key);
}

async function viewerOfCookie(
  deps: Pick<UseCaseDeps, 'database' | 'now'>,
  c: Context<AppEnv>,
  cookie: SessionCookie,
): Promise<Viewer | undefined> {
  const token = cookie.read(c);
  if (token === undefined) return undefined;
  const found = await authenticateSession(deps, token);
  if (found?.extended === true) cookie.write(c, token);
  return found?.viewer;
}
