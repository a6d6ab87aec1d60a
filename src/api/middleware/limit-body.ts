import type { MiddlewareHandler } from 'hono';
import { AppError } from '../../domain/errors.ts';
import type { AppEnv } from '../app-env.ts';

const MAX_JSON_BYTES = 256 * 1024;
const LONGEST_BODY_MS = 30_000;
/** These read the raw request themselves; nothing may stand between. */
const RAW_PATHS = [/^\/videos\/upload$/, /^\/videos\/[^/]+\/poster$/];

/**
 * Reads the bodies that are read whole, within bounds of size and time: the server itself has no limit of time, because of
 * uploads.
 * @throws `request-too-large`, `request-too-slow`, `unreadable-request` for a body that breaks off
 */
export function limitBody(longestMs = LONGEST_BODY_MS): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (RAW_PATHS.some((path) => path.test(c.req.path))) return next();
    const { raw } = c.req;
    const stream = raw.body;
    if (stream === null) return next();
    if (Number(c.req.header('Content-Length') ?? 0) > MAX_JSON_BYTES) throw tooLarge();
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new AppError('request-too-slow')), longestMs);
    try {
      const body = await Promise.race([readBody(stream), late.promise]);
      c.req.raw = new Request(raw, { method: raw.method, body });
    } catch (error) {
      // What is still to come is not waited for.
      c.header('Connection', 'close');
      throw error;
    } finally {
      clearTimeout(timer);
    }
    return next();
  };
}

async function readBody(body: ReadableStream<Uint8Array>): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      throw new AppError('unreadable-request', {}, { cause: error });
    });
    if (done) return Buffer.concat(chunks);
    sizeBytes += value.length;
    if (sizeBytes > MAX_JSON_BYTES) throw tooLarge();
    chunks.push(value);
  }
}

function tooLarge(): AppError {
  const detail = `A request like this takes at most ${MAX_JSON_BYTES} bytes.`;
  return new AppError('request-too-large', { detail });
}
