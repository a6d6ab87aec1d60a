import { OpenAPIHono } from '@hono/zod-openapi';
import { AppError } from '../domain/errors.ts';
import type { AppEnv } from './app-env.ts';

/** An app for described routes, whose failed validations become `validation-failed` with every fault named. */
export function createRouter(): OpenAPIHono<AppEnv> {
  return new OpenAPIHono<AppEnv>({
    strict: false,
    defaultHook: (result) => {
      if (result.success) return;
      const errors = result.error.issues.map((issue) => ({
        path:
          issue.path.join('.') ||
          String((issue as { keys?: readonly string[] }).keys?.join(', ') ?? ''),
        message: issue.message,
      }));
      throw new AppError('validation-failed', { errors });
    },
  });
}
