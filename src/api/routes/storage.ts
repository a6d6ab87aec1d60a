import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { AppError } from '../../domain/errors.ts';
import { USAGE_KINDS } from '../../domain/storage-usage.ts';
import type { AppDeps } from '../app.ts';
import type { AppEnv } from '../app-env.ts';
import { createRouter } from '../router.ts';
import { json, problem } from '../schemas/answers.ts';
import { id } from '../schemas/fields.ts';

const bytes = () => z.int();
const count = z.object({ objects: z.int(), bytes: bytes() });

const storageSchema = z
  .object({
    bytesByKind: z
      .object(
        Object.fromEntries(USAGE_KINDS.map((kind) => [kind, bytes()])) as {
          [Kind in (typeof USAGE_KINDS)[number]]: z.ZodInt;
        },
      )
      .openapi({
        description:
          'By the rows that name the files. `replaced`: versions that stay for viewers in the middle of them. `pieces`: of runs that are not over, or may be gone on with. `deleted`: of deleted videos, until they are removed.',
      }),
    owners: z
      .array(
        z.object({
          ownerId: id(),
          email: z.string(),
          videos: z.int(),
          usedBytes: bytes().openapi({
            description: 'What counts for the quota: originals, and what is published of them.',
          }),
          totalBytes: bytes(),
        }),
      )
      .readonly()
      .openapi({ description: 'Those 100 who take most, the most first.' }),
    memberQuotaBytes: bytes().nullable(),
    disks: z
      .array(
        z.object({
          name: z.string(),
          folder: z.string(),
          totalBytes: bytes(),
          freeBytes: bytes(),
          keptBytes: bytes(),
          marginBytes: bytes().openapi({ description: 'Never given to uploads and runs.' }),
          usableBytes: bytes().openapi({ description: 'Reservations are part of it.' }),
        }),
      )
      .readonly(),
    reservedBytes: z
      .object({ runs: bytes(), uploads: bytes() })
      .openapi({ description: 'What active runs and open uploads have still to fill.' }),
    orphans: z
      .object({ made: count, originals: count, isComplete: z.boolean() })
      .openapi({ description: 'Stored files that no row names.' }),
  })
  .openapi('Storage');

/** Where the bytes are, for administrators. One look at a time: it lists the whole store. */
export function createStorageRoutes({
  readStorageReport,
}: Pick<AppDeps, 'readStorageReport'>): OpenAPIHono<AppEnv> {
  let isLooking = false;
  return createRouter().openapi(reportRoute, async (c) => {
    if (isLooking) {
      const detail = 'Somebody else looks at the storage just now.';
      throw new AppError('rate-limited', { detail, retryAfterSeconds: 5 });
    }
    isLooking = true;
    try {
      return c.json(await readStorageReport(c.var.viewer, c.req.raw.signal), 200);
    } finally {
      isLooking = false;
    }
  });
}

const reportRoute = createRoute({
  method: 'get',
  path: '/admin/storage',
  tags: ['Administration'],
  summary: 'What files take, by kind and by owner, free disk, and files without an owner',
  responses: { 200: json(storageSchema, 'Where the bytes are.'), default: problem },
});
