import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Hono } from 'hono';
import { AppError } from '../../domain/errors.ts';
import type { AppEnv } from '../app-env.ts';

/** Every file that is served, by its address; nothing else can be asked for. */
const FILES: readonly {
  readonly path: string;
  readonly file: string;
  readonly contentType: string;
}[] = [
  { path: '/', file: 'index.html', contentType: 'text/html; charset=utf-8' },
  { path: '/index.html', file: 'index.html', contentType: 'text/html; charset=utf-8' },
  ...['api', 'app', 'dom', 'follow', 'list', 'panel', 'seek', 'upload', 'words'].map((name) => ({
    path: `/${name}.js`,
    file: `${name}.js`,
    contentType: 'text/javascript; charset=utf-8',
  })),
  { path: '/style.css', file: 'style.css', contentType: 'text/css; charset=utf-8' },
  { path: '/favicon.svg', file: 'favicon.svg', contentType: 'image/svg+xml' },
];

export const PUBLIC_FOLDER = fileURLToPath(new URL('../public', import.meta.url));

/** The page. Browsers ask every time whether it has changed, so that a new version is seen at once. */
export function createPageRoutes(folder: string = PUBLIC_FOLDER): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  for (const { path, file, contentType } of FILES) {
    routes.get(path, async (c) => {
      const content = await readFile(join(folder, file)).catch(refuseMissing);
      const etag = `"${createHash('sha256').update(content).digest('hex').slice(0, 32)}"`;
      c.header('Cache-Control', 'no-cache');
      c.header('ETag', etag);
      const known = (c.req.header('If-None-Match') ?? '')
        .split(',')
        .map((tag) => tag.trim().replace(/^W\//, ''));
      if (known.includes(etag) || known.includes('*')) return c.body(null, 304);
      return c.body(new Uint8Array(content), 200, { 'Content-Type': contentType });
    });
  }
  return routes;
}

function refuseMissing(error: unknown): never {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT')
    throw new AppError('not-found', {}, { cause: error });
  throw error;
}
