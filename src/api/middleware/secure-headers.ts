import type { MiddlewareHandler } from 'hono';
import type { AppEnv } from '../app-env.ts';

/** The page loads what is ours and nothing else, and runs no script that is not a file. */
const PAGE_POLICY =
  "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** Headers that keep browsers and caches from doing more with our answers than they should. */
export function secureHeaders(options: { readonly isHttps: boolean }): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    c.header('Content-Security-Policy', PAGE_POLICY);
    c.header('X-Content-Type-Options', 'nosniff');
    c.header('Referrer-Policy', 'no-referrer');
    c.header('X-Frame-Options', 'DENY');
    c.header('Cross-Origin-Opener-Policy', 'same-origin');
    c.header('Cross-Origin-Resource-Policy', 'same-origin');
    if (options.isHttps) c.header('Strict-Transport-Security', 'max-age=31536000');
    await next();
    const isJson = c.res.headers.get('Content-Type')?.startsWith('application/json') === true;
    if (isJson && !c.res.headers.has('Cache-Control'))
      c.res.headers.set('Cache-Control', 'no-store');
  };
}
