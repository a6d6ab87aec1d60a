import type { Context } from 'hono';
import type { MediaAddress } from '../../usecases/find-media.ts';
import type { AppEnv } from '../app-env.ts';
import type { MediaPlan } from './plan-response.ts';

/** Viewers who are sent on to the store: who is, with what address, and who is not. */

/** What a browser may keep without asking again. */
export const FOR_GOOD = 'private, max-age=31536000, immutable';
/** The same in other words, and so in another address. */
const FOR_GOOD_FOR_SCRIPTS = 'private, immutable, max-age=31536000';

/**
 * The object at an address is never another, so what came from there may be kept. But S3 names the pages that may read it only to
 * scripts: what a browser has kept for an element it must not find again for a script, so the two get addresses that differ. Over
 * plain HTTP browsers do not tell which it is.
 */
export function cachingAtStore(c: Context<AppEnv>): string {
  const mode = c.req.header('Sec-Fetch-Mode');
  if (mode === 'cors') return FOR_GOOD_FOR_SCRIPTS;
  return mode === undefined ? 'private, no-store' : FOR_GOOD;
}

/**
 * ffmpeg and wget send an API key on to whatever host they are sent to, and S3 refuses a request that is signed and carries a key
 * besides. They get the bytes from here.
 */
export function takesKeyAlong(c: Context<AppEnv>): boolean {
  const isKnownTo = /^(?:Lavf\/|Wget\/)/.test(c.req.header('User-Agent') ?? '');
  return isKnownTo && c.req.header('Authorization') !== undefined;
}

/**
 * S3 knows nothing of `If-Range`, and each store has a way of its own with ranges that are malformed or many: where we would answer
 * with the whole file, a store might send a part of it that does not belong to what the viewer has.
 */
export function isUnderstoodByStore(c: Context<AppEnv>, { status }: MediaPlan): boolean {
  return status === 206 || c.req.header('Range') === undefined;
}

/** Never kept: who asks again is looked at again, and gets an address that lasts. */
export function sendOn(c: Context<AppEnv>, { url }: MediaAddress): Response {
  return c.body(null, 302, { Location: url, 'Cache-Control': 'private, no-store' });
}
