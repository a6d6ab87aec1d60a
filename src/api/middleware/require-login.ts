import type { Context, MiddlewareHandler } from 'hono';
import { AppError } from '../../domain/errors.ts';
import { authenticateApiKey, authenticateSession } from '../../usecases/authenticate.ts';
import { hashSecret } from '../../usecases/api-key-format.ts';
import type { UseCaseDeps } from '../../usecases/deps.ts';
import type { Recall } from '../../usecases/recall.ts';
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
export function requireLogin(deps: LoginDeps, cookie: SessionCookie): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (PUBLIC_PATHS.some((path) => path.test(c.req.path))) return next();
    const viewer = (await viewerOfKey(deps, c)) ?? (await viewerOfCookie(deps, c, cookie));
    if (viewer === undefined) throw new AppError('authentication-required');
    c.set('viewer', viewer);
    requireScope(viewer, isReading(c.req.method) ? 'read' : 'write');
    return next();
  };
}

export interface LoginDeps extends Pick<UseCaseDeps, 'database' | 'now'> {
  /** For who reads; who writes is looked up each time. */
  readonly recall: Recall;
}

/** What is written through this process is believed at once. */
export function forgetOnWrite(recall: Recall): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    await next();
    if (!isReading(c.req.method)) recall.forget();
  };
}

/** Methods that change nothing. */
export function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

async function viewerOfKey(deps: LoginDeps, c: Context<AppEnv>): Promise<Viewer | undefined> {
  const header = c.req.header('Authorization');
  if (header === undefined) return undefined;
  const [, key] = /^Bearer +(\S+) *$/i.exec(header) ?? [];
  if (key === undefined) {
    throw new AppError('invalid-credentials', {
      detail: 'Send `Authorization: Bearer` and an API key.',
    });
  }
  const authenticate = () => authenticateApiKey(deps, key);
  if (!isReading(c.req.method)) return authenticate();
  return deps.recall.find(`key ${hashSecret(key)}`, authenticate);
}

async function viewerOfCookie(
  deps: LoginDeps,
  c: Context<AppEnv>,
  cookie: SessionCookie,
): Promise<Viewer | undefined> {
  const token = cookie.read(c);
  if (token === undefined) return undefined;
  const authenticate = () => authenticateSession(deps, token);
  const found = isReading(c.req.method)
    ? await deps.recall.find(`session ${hashSecret(token)}`, authenticate)
    : await authenticate();
  if (found?.extended === true) cookie.write(c, token);
  return found?.viewer;
}
