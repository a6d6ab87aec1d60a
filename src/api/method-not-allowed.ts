import type { Context, Hono } from 'hono';
import { AppError } from '../domain/errors.ts';
import type { AppEnv } from './app-env.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Tells an address that nobody knows from one that does not take this method; the second names those that it does take. */
export function noSuchRoute(app: Hono<AppEnv>, c: Context<AppEnv>): AppError {
  const taken = METHODS.filter((method) =>
    app.router.match(method, c.req.path)[0].some(([[, route]]) => route.method === method),
  );
  if (taken.length === 0) return new AppError('not-found');
  const allow = taken
    .flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
    .join(', ');
  return new AppError('method-not-allowed', { allow });
}
