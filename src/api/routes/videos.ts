import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { VideoId } from '../../domain/ids.ts';
import { VIDEO_STATES } from '../../domain/video.ts';
import type { UseCaseDeps } from '../../usecases/deps.ts';
import { cancelVideo, reprocessVideo, retryVideo } from '../../usecases/run-video.ts';
import {
  changeVideo,
  deleteVideo,
  getVideo,
  listQueue,
  listVisibleVideos,
} from '../../usecases/videos.ts';
import type { AppEnv } from '../app-env.ts';
import { encodeCursor } from '../cursor.ts';
import { emptyBodyIsNone } from '../middleware/empty-body.ts';
import { createRouter } from '../router.ts';
import { json, jsonBody, pageOf, problem } from '../schemas/answers.ts';
import { exact } from '../schemas/exact.ts';
import { idText, limit, line, pageQuery } from '../schemas/fields.ts';
import {
  queueEntrySchema,
  runIdentitySchema,
  runRequestSchema,
  videoChangesSchema,
  videoSchema,
} from '../schemas/video.ts';

/** The `:id` of a video in a path. */
export function videoParams() {
  return z.object({ id: idText().transform((id) => id as VideoId) });
}

const tags = ['Videos'];

/** Videos but for their bytes: list, read, change, delete, and their runs. */
export function createVideoRoutes(deps: UseCaseDeps): OpenAPIHono<AppEnv> {
  return createRouter()
    .openapi(listRoute, async (c) => {
      const { limit, cursor, ownerId, status, categoryId, tag, q } = c.req.valid('query');
      const filter = { ownerId, status, categoryId, tag, text: q, beforeId: cursor, limit };
      const page = await listVisibleVideos(deps, c.var.viewer, filter);
      return c.json({ data: page.data, nextCursor: encodeCursor('videos', page.nextId) }, 200);
    })
    .openapi(getRoute, async (c) =>
      c.json(await getVideo(deps, c.var.viewer, c.req.valid('param').id), 200),
    )
    .openapi(changeRoute, async (c) => {
      const changes = exact(c.req.valid('json'));
      return c.json(await changeVideo(deps, c.var.viewer, c.req.valid('param').id, changes), 200);
    })
    .openapi(deleteRoute, async (c) => {
      const { id: videoId } = c.req.valid('param');
      const { workflowId, removalStarted } = await deleteVideo(deps, c.var.viewer, videoId);
      c.var.logger.info({ videoId, removalStarted }, 'video deleted');
      return c.json({ workflowId }, 202);
    })
    .openapi(cancelRoute, async (c) =>
      c.json(await cancelVideo(deps, c.var.viewer, c.req.valid('param').id), 202),
    )
    .openapi(reprocessRoute, async (c) => {
      const request = exact(c.req.valid('json'));
      return c.json(
        await reprocessVideo(deps, c.var.viewer, c.req.valid('param').id, request),
        202,
      );
    })
    .openapi(retryRoute, async (c) => {
      const request = exact(c.req.valid('json'));
      return c.json(await retryVideo(deps, c.var.viewer, c.req.valid('param').id, request), 202);
    })
    .openapi(queueRoute, async (c) => {
      const { limit } = c.req.valid('query');
      return c.json({ data: await listQueue(deps, c.var.viewer, limit) }, 200);
    });
}

const listRoute = createRoute({
  method: 'get',
  path: '/videos',
  tags,
  summary: 'List videos, newest first: your own, or for administrators all',
  request: {
    query: z.object({
      ...pageQuery('videos'),
      status: z.enum(VIDEO_STATES).optional(),
      categoryId: idText().optional(),
      tag: line(50).optional(),
      q: line(200).optional().openapi({ description: 'Part of the title or the description.' }),
      ownerId: idText()
        .optional()
        .openapi({ description: 'Of somebody else: administrators only.' }),
    }),
  },
  responses: { 200: json(pageOf(videoSchema), 'A page of videos.'), default: problem },
});

const getRoute = createRoute({
  method: 'get',
  path: '/videos/{id}',
  tags,
  summary: 'Read a video',
  request: { params: videoParams() },
  responses: { 200: json(videoSchema, 'The video.'), default: problem },
});

const changeRoute = createRoute({
  method: 'patch',
  path: '/videos/{id}',
  tags,
  summary: 'Change what people wrote about a video',
  request: { params: videoParams(), body: jsonBody(videoChangesSchema) },
  responses: { 200: json(videoSchema, 'The video as it is now.'), default: problem },
});

const deleteRoute = createRoute({
  method: 'delete',
  path: '/videos/{id}',
  tags,
  summary: 'Delete a video',
  request: { params: videoParams() },
  responses: {
    202: json(
      runIdentitySchema.pick({ workflowId: true }),
      'It is gone for readers; its files follow. The result of the workflow is the receipt.',
    ),
    default: problem,
  },
});

const cancelRoute = createRoute({
  method: 'post',
  path: '/videos/{id}/cancel',
  tags,
  summary: 'Stop what is being done with a video',
  request: { params: videoParams() },
  responses: {
    202: json(runIdentitySchema.pick({ workflowId: true }), 'The workflow that was asked to stop.'),
    default: problem,
  },
});

const reprocessRoute = createRoute({
  method: 'post',
  path: '/videos/{id}/reprocess',
  tags,
  middleware: emptyBodyIsNone,
  summary: 'Make a video anew; the published version stays until then',
  request: {
    params: videoParams(),
    body: { content: { 'application/json': { schema: runRequestSchema } } },
  },
  responses: { 202: json(runIdentitySchema, 'The run that was started.'), default: problem },
});

const retryRoute = createRoute({
  method: 'post',
  path: '/videos/{id}/retry',
  tags,
  middleware: emptyBodyIsNone,
  summary: 'Try a failed or cancelled video again',
  request: {
    params: videoParams(),
    body: { content: { 'application/json': { schema: runRequestSchema } } },
  },
  responses: { 202: json(runIdentitySchema, 'The run that was started.'), default: problem },
});

const queueRoute = createRoute({
  method: 'get',
  path: '/queue',
  tags,
  summary: 'The newest runs that are not over: of your own videos, or for administrators of all',
  request: { query: z.object({ limit: limit(100) }) },
  responses: {
    200: json(z.object({ data: z.array(queueEntrySchema).readonly() }), 'Newest first.'),
    default: problem,
  },
});
