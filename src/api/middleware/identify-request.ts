import { randomUUID } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import type { Logger } from '../../observability/logger.ts';
import type { AppEnv } from '../app-env.ts';
import type { ProxyTrust } from '../proxy-trust.ts';

const SAFE_ID = /^[A-Za-z0-9._-]{1,128}$/;

/**
 * Gives every request an id (the caller's `X-Request-Id` where it is a plain word), a logger that writes it, and the address
 * and origin that the caller sees.
 */
export function identifyRequest(logger: Logger, trust: ProxyTrust): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const offered = c.req.header('X-Request-Id');
    const requestId = offered !== undefined && SAFE_ID.test(offered) ? offered : randomUUID();
    c.set('requestId', requestId);
    c.set('logger', logger.child({ requestId }));
    const seen = trust.look(c);
    c.set('clientAddress', seen.clientAddress);
    c.set('origin', seen.origin);
    c.header('X-Request-Id', requestId);
    await next();
  };
}
