import { z } from '@hono/zod-openapi';
import { ERRORS, type ErrorCode } from '../../domain/errors.ts';

/** Shapes of answers that many routes share. */
export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().optional(),
    instance: z.string(),
    code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
    requestId: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .openapi('Problem');

/** Every route may fail; how, the `code` tells. */
export const problem = {
  description: 'What went wrong (RFC 9457).',
  content: { 'application/problem+json': { schema: problemSchema } },
} as const;

export function json<Schema extends z.ZodType>(schema: Schema, description: string) {
  return { description, content: { 'application/json': { schema } } } as const;
}

export function jsonBody<Schema extends z.ZodType>(schema: Schema) {
  return { required: true, content: { 'application/json': { schema } } } as const;
}

/** A page of a list. */
export function pageOf<Schema extends z.ZodType>(row: Schema) {
  return z.object({ data: z.array(row).readonly(), nextCursor: z.string().nullable() });
}
