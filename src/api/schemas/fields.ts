import { z } from '@hono/zod-openapi';
import { MAX_ID } from '../../domain/ids.ts';
import { MAX_THUMBNAILS } from '../../domain/thumbnail-times.ts';
import { decodeCursor } from '../cursor.ts';

/** Fields that appear in many places. PostgreSQL refuses NUL, and other control characters only confuse people. */

/** One line: no control characters at all. */
export function line(maxLength: number) {
  return withoutControls(
    z.string().trim().min(1, 'must not be empty').max(maxLength),
    /^\P{Cc}*$/u,
  );
}

/** Several lines: tabs and line ends are fine. */
export function text(maxLength: number) {
  return withoutControls(z.string().max(maxLength), /^[\P{Cc}\t\n\r]*$/u);
}

/** Where to go on to: one line, as it was sent. */
export function address() {
  return withoutControls(z.string().max(2000), /^\P{Cc}*$/u);
}

/** zod-to-openapi 9.1 writes an expression's flags into the description, where JSON Schema knows none: `u` goes without saying. */
function withoutControls(schema: z.ZodString, pattern: RegExp) {
  return schema
    .regex(pattern, 'must not contain control characters')
    .openapi({ pattern: pattern.source });
}

/** An id in a JSON body. */
export function id() {
  return z.int().min(1).max(MAX_ID);
}

/** An id in a path or query, where everything is text. */
export function idText() {
  const message = `must be an integer from 1 to ${MAX_ID}`;
  return z
    .string()
    .regex(/^[1-9]\d{0,9}$/, message)
    .transform(Number)
    .refine((value) => value <= MAX_ID, message)
    .openapi({ type: 'integer', minimum: 1, maximum: MAX_ID });
}

/** `limit` of a list, up to 100. */
export function limit(byDefault: number) {
  const message = 'must be an integer from 1 to 100';
  return z
    .string()
    .regex(/^\d{1,3}$/, message)
    .transform(Number)
    .refine((value) => value >= 1 && value <= 100, message)
    .default(byDefault)
    .openapi({ type: 'integer', minimum: 1, maximum: 100, default: byDefault });
}

/** `limit` and `cursor` of a list. The cursor comes out as the id that it stands for. */
export function pageQuery(list: string) {
  return {
    limit: limit(20),
    cursor: z
      .string()
      .max(100)
      .transform((cursor, context) => {
        const from = decodeCursor(list, cursor);
        if (from === undefined)
          context.addIssue({ code: 'custom', message: 'is not a cursor of this list' });
        return from ?? z.NEVER;
      })
      .optional()
      .openapi({ type: 'string', description: 'The `nextCursor` of the page before.' }),
  };
}

/** Seconds into the video; times beyond its end are clamped. */
export function thumbnailTimestamps() {
  return z.array(z.number().min(0).max(1e7)).min(1).max(MAX_THUMBNAILS);
}

export function timestamp() {
  return z.iso.datetime();
}
