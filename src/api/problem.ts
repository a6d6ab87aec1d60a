import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { AppError, describeError, type ErrorCode, type JsonValue } from '../domain/errors.ts';
import type { AppEnv } from './app-env.ts';

/** An answer that says what went wrong: RFC 9457, and `code`, the name that never changes. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly instance: string;
  readonly code: ErrorCode;
  readonly requestId: string;
  readonly [member: string]: JsonValue | undefined;
}

/** Details that callers may read, as members of the problem document; everything else is for operators. */
const PUBLIC_DETAILS = [
  'errors',
  'available',
  'videoStatus',
  'maxUploadBytes',
  'quotaBytes',
  'workflowId',
];

/**
 * The one way in which a request fails. Unknown errors are logged and answered bare; faults of the platform are logged.
 * @param headers more headers, such as `Content-Range` of a 416
 */
export function problemResponse(
  c: Context<AppEnv>,
  thrown: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const error = toAppError(thrown);
  const { fault, status, title } = describeError(error.code);
  if (error.code === 'internal-error')
    c.var.logger.error({ err: thrown, errorCode: error.code }, 'request failed');
  else if (fault === 'platform') c.var.logger.warn(describeForOperators(error), 'request failed');

  const shown = PUBLIC_DETAILS.flatMap((name) => {
    const value = error.details[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const problem: Problem = {
    type: `/problems/${error.code}`,
    title,
    status,
    ...(error.message === title || error.code === 'internal-error'
      ? {}
      : { detail: error.message }),
    instance: c.req.path,
    code: error.code,
    requestId: c.var.requestId,
    ...Object.fromEntries(shown),
  };
  return c.body(JSON.stringify(problem), status as ContentfulStatusCode, {
    ...headersOf(error),
    ...headers,
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
  });
}

/** A fault of the platform comes with many requests at once: one line each, no stack. */
function describeForOperators(error: AppError): object {
  const cause = error.cause instanceof Error ? { cause: error.cause.message } : {};
  return { errorCode: error.code, ...error.details, ...cause };
}

function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  if (!(thrown instanceof HTTPException))
    return new AppError('internal-error', {}, { cause: thrown });
  if (thrown.status === 415) {
    return new AppError('unreadable-request', {
      detail: 'Send JSON with `Content-Type: application/json`.',
    });
  }
  if (thrown.status === 413) return new AppError('request-too-large');
  if (thrown.status < 500)
    return new AppError('unreadable-request', { detail: 'The body is not valid JSON.' });
  return new AppError('internal-error', {}, { cause: thrown });
}

function headersOf(error: AppError): Record<string, string> {
  const { allow, retryAfterSeconds } = error.details;
  const headers: Record<string, string> = {};
  if (typeof allow === 'string') headers['Allow'] = allow;
  if (typeof retryAfterSeconds === 'number') headers['Retry-After'] = String(retryAfterSeconds);
  if (describeError(error.code).status === 401)
    headers['WWW-Authenticate'] = 'Bearer realm="steadyreel"';
  if (describeError(error.code).status === 503) headers['Retry-After'] ??= '5';
  return headers;
}
