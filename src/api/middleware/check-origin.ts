import type { MiddlewareHandler } from 'hono';
import { AppError } from '../../domain/errors.ts';
import type { AppEnv } from '../app-env.ts';
import type { SessionCookie } from '../session-cookie.ts';
import { isReading } from './require-login.ts';

/**
 * Refuses writes that another site makes a browser send. A browser names the page's origin with every write, so a write with
 * our cookie and without an origin is refused too. API keys are not sent by browsers on their own and need none of this.
 */
export function checkOrigin(cookie: SessionCookie, publicUrl: string): MiddlewareHandler<AppEnv> {
  const publicOrigin = new URL(publicUrl).origin;
  return async (c, next) => {
    const usesCookie = c.req.header('Authorization') === undefined && cookie.read(c) !== undefined;
    const origin = c.req.header('Origin');
    if (!isReading(c.req.method) && (usesCookie || origin !== undefined)) {
      const isOurs = origin === publicOrigin || origin === c.var.origin;
      const isBrowsersWord =
        origin === undefined && c.req.header('Sec-Fetch-Site') === 'same-origin';
      const hasKey = c.req.header('Authorization') !== undefined;
      if (!isOurs && !isBrowsersWord && !hasKey) throw new AppError('origin-not-allowed');
    }
    await next();
  };
}
