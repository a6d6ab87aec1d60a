import type { MiddlewareHandler } from 'hono';
import type { AppEnv } from '../app-env.ts';

/** For routes whose body may be left out: an empty one counts as none, although the request names a type for it. */
export const emptyBodyIsNone: MiddlewareHandler<AppEnv> = async (c, next) => {
  if ((await c.req.text()) === '') {
    const { url, method, signal, headers: given } = c.req.raw;
    const headers = new Headers(given);
    headers.delete('Content-Type');
    c.req.raw = new Request(url, { method, headers, signal });
  }
  return next();
};
