import type { MiddlewareHandler } from 'hono';
import type { AppEnv } from '../app-env.ts';

export interface SecureHeadersOptions {
  readonly isHttps: boolean;
  /** `https://host` of what viewers are sent on to, beside ourselves. */
  readonly mediaOrigins: readonly string[];
}

/** Headers that keep browsers and caches from doing more with our answers than they should. */
export function secureHeaders(options: SecureHeadersOptions): MiddlewareHandler<AppEnv> {
  const policy = pagePolicy(options.mediaOrigins);
  return async (c, next) => {
    c.header('Content-Security-Policy', policy);
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

/** The page loads what is ours and nothing else, and runs no script that is not a file. */
function pagePolicy(mediaOrigins: readonly string[]): string {
  const media = ["'self'", ...mediaOrigins].join(' ');
  return [
    "default-src 'self'",
    ...(mediaOrigins.length === 0
      ? []
      : ['img-src', 'media-src', 'connect-src'].map((directive) => `${directive} ${media}`)),
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  ].join('; ');
}
