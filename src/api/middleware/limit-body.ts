import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { AppError } from '../../domain/errors.ts';
import type { AppEnv } from '../app-env.ts';

const MAX_JSON_BYTES = 256 * 1024;
/** These read the raw request themselves; nothing may stand between. */
const RAW_PATHS = ['/videos/upload'];

/** Bounds the bodies that are read whole. @throws `request-too-large` */
export function limitBody(): MiddlewareHandler<AppEnv> {
  const limit = bodyLimit({
    maxSize: MAX_JSON_BYTES,
    onError: () => {
      throw new AppError('request-too-large', {
        detail: `A request like this takes at most ${MAX_JSON_BYTES} bytes.`,
      });
    },
  });
  return (c, next) => (RAW_PATHS.includes(c.req.path) ? next() : limit(c, next));
}
