import { createHash } from 'node:crypto';
import type { Context } from 'hono';
import type { AppEnv } from '../app-env.ts';

export const HLS_TYPE = 'application/vnd.apple.mpegurl';
export const DASH_TYPE = 'application/dash+xml';

/** Answers with a playlist. It may be kept, but must be asked for again: another version has another. */
export function sendManifest(c: Context<AppEnv>, text: string, contentType: string): Response {
  const etag = `"${createHash('sha256').update(text).digest('hex').slice(0, 32)}"`;
  c.header('ETag', etag);
  c.header('Cache-Control', 'private, no-cache');
  const known = c.req.header('If-None-Match')?.split(',') ?? [];
  if (known.some((tag) => tag.trim().replace(/^W\//, '') === etag)) return c.body(null, 304);
  return c.body(text, 200, { 'Content-Type': contentType });
}
