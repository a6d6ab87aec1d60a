import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { SESSION_SECONDS } from '../usecases/open-session.ts';
import type { AppEnv } from './app-env.ts';

/** The cookie that keeps a browser logged in. */
export interface SessionCookie {
  read(c: Context<AppEnv>): string | undefined;
  write(c: Context<AppEnv>, token: string): void;
  clear(c: Context<AppEnv>): void;
}

/** @param isHttps over plain HTTP browsers refuse `Secure` and with it the `__Host-` prefix */
export function createSessionCookie({ isHttps }: { readonly isHttps: boolean }): SessionCookie {
  const name = isHttps ? '__Host-session' : 'session';
  const attributes = { path: '/', httpOnly: true, sameSite: 'Lax', secure: isHttps } as const;
  return {
    read: (c) => getCookie(c, name),
    write: (c, token) => setCookie(c, name, token, { ...attributes, maxAge: SESSION_SECONDS }),
    clear: (c) => void deleteCookie(c, name, attributes),
  };
}
