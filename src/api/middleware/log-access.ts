import type { MiddlewareHandler } from 'hono';
import type { AppEnv } from '../app-env.ts';

/** Asked every few seconds by machines: only worth a line when somebody looks for trouble. */
const QUIET_PATHS = ['/healthz', '/readyz'];

/** One line per request, when its last byte is sent or the caller has left. */
export function logAccess(): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const startedMs = performance.now();
    const outgoing = c.env?.outgoing;
    const write = (status: number, aborted: boolean): void => {
      const line = {
        method: c.req.method,
        path: onOneLine(withoutToken(c.req.path)),
        status,
        durationMs: Math.round(performance.now() - startedMs),
        ...(c.var.viewer === undefined ? {} : { userId: c.var.viewer.userId }),
        ...(aborted ? { aborted } : {}),
      };
      const level = QUIET_PATHS.includes(c.req.path) ? 'debug' : 'info';
      c.var.logger[level](line, `${line.method} ${line.path} ${status}`);
    };
    outgoing?.once('close', () => write(outgoing.statusCode, !outgoing.writableFinished));
    await next();
    if (outgoing === undefined) write(c.res.status, false);
  };
}

/** A login link is as good as a password until it is used. */
function withoutToken(path: string): string {
  return path.replace(/^\/auth\/link\/.*/, '/auth/link/[left out]');
}

/** The path is decoded: what it says must not look like a line, or a colour, of ours. */
function onOneLine(path: string): string {
  return path.replaceAll(/\p{Cc}/gu, '\uFFFD');
}
