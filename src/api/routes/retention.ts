import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import {
  RETENTION_ACTIONS,
  RETENTION_REASONS,
  type RetentionSettings,
} from '../../domain/retention.ts';
import type { UseCaseDeps } from '../../usecases/deps.ts';
import { previewRetention } from '../../usecases/retention.ts';
import type { AppEnv } from '../app-env.ts';
import { encodeCursor } from '../cursor.ts';
import { createRouter } from '../router.ts';
import { json, pageOf, problem } from '../schemas/answers.ts';
import { id, pageQuery, timestamp } from '../schemas/fields.ts';

type Deps = Pick<UseCaseDeps, 'database' | 'now'> & { readonly retention: RetentionSettings };

/** What retention would remove now. Nothing is removed by asking. */
export function createRetentionRoutes(deps: Deps): OpenAPIHono<AppEnv> {
  return createRouter().openapi(previewRoute, async (c) => {
    const { limit, cursor = 0 } = c.req.valid('query');
    const preview = await previewRetention(deps, c.var.viewer, { afterId: cursor, limit });
    const { settings, totals, data, nextId } = preview;
    const rows = data.map(({ uploadedAt, ...video }) => ({
      ...video,
      uploadedAt: uploadedAt.toISOString(),
    }));
    return c.json(
      { settings, totals, data: rows, nextCursor: encodeCursor('retention', nextId) },
      200,
    );
  });
}

const days = z.int().nullable();
const action = z.enum(RETENTION_ACTIONS);
const bytes = z.int().openapi({
  description: 'That would be free afterwards. Equal files of a video count once.',
});

const dueVideoSchema = z
  .object({
    videoId: id(),
    title: z.string(),
    ownerId: id(),
    uploadedAt: timestamp(),
    actions: z.array(z.object({ action, reason: z.enum(RETENTION_REASONS), bytes })).readonly(),
  })
  .openapi('RetentionDue');

const previewSchema = pageOf(dueVideoSchema)
  .extend({
    settings: z.object({
      keepOriginal: z.boolean(),
      keepOriginalDays: days,
      workRetentionDays: z.int(),
      deleteVideosAfterDays: days,
    }),
    totals: z.array(z.object({ action, videos: z.int(), bytes })).readonly(),
  })
  .openapi('RetentionPreview');

const previewRoute = createRoute({
  method: 'get',
  path: '/admin/retention',
  tags: ['Administration'],
  summary: 'What retention would remove now, by video; nothing is removed by asking',
  request: { query: z.object(pageQuery('retention')) },
  responses: {
    200: json(previewSchema, 'A page of videos, and the sums of all of them.'),
    default: problem,
  },
});
