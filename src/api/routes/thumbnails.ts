import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { UseCaseDeps } from '../../usecases/deps.ts';
import { addThumbnails, chooseDefaultThumbnail } from '../../usecases/thumbnails.ts';
import type { AppEnv } from '../app-env.ts';
import { createRouter } from '../router.ts';
import { json, jsonBody, problem } from '../schemas/answers.ts';
import { thumbnailTimestamps } from '../schemas/fields.ts';
import { videoSchema } from '../schemas/video.ts';
import { videoParams } from './videos.ts';

const tags = ['Videos'];

/** More thumbnails of a published video, and which of them stands for it. */
export function createThumbnailRoutes(deps: UseCaseDeps): OpenAPIHono<AppEnv> {
  return createRouter()
    .openapi(addRoute, async (c) => {
      const { timestampsSeconds } = c.req.valid('json');
      const { id } = c.req.valid('param');
      const asked = await addThumbnails(deps, c.var.viewer, id, timestampsSeconds);
      const isAllThere = asked.thumbnails.every(({ state }) => state === 'ready');
      return c.json(asked, isAllThere ? 200 : 202, { Location: `/videos/${id}` });
    })
    .openapi(chooseRoute, async (c) => {
      const { id } = c.req.valid('param');
      const choice = c.req.valid('json');
      return c.json(await chooseDefaultThumbnail(deps, c.var.viewer, id, choice), 200);
    });
}

/** Body of `POST /videos/:id/thumbnails`. */
const thumbnailsRequestSchema = z
  .strictObject({ timestampsSeconds: thumbnailTimestamps() })
  .openapi('ThumbnailsRequest');

const thumbnailsAskedSchema = z
  .object({
    thumbnails: z
      .array(
        z.object({
          timestampSeconds: z.number(),
          state: z.enum(['ready', 'pending']),
          url: z.string().nullable(),
        }),
      )
      .readonly(),
    warnings: z.array(z.object({ code: z.string(), detail: z.string() })).readonly(),
  })
  .openapi('ThumbnailsAsked');

/** Body of `PUT /videos/:id/thumbnails/default`: by its number, as in its address, or by its time. */
const choiceSchema = z
  .union([
    z.strictObject({ number: z.int().min(0).max(9999) }),
    z.strictObject({ timestampSeconds: z.number().min(0).max(1e7) }),
  ])
  .openapi('ThumbnailChoice');

const addRoute = createRoute({
  method: 'post',
  path: '/videos/{id}/thumbnails',
  tags,
  summary: 'Ask for more thumbnails; times beyond the end become the last picture, with a warning',
  request: { params: videoParams(), body: jsonBody(thumbnailsRequestSchema) },
  responses: {
    200: json(thumbnailsAskedSchema, 'All of them are there.'),
    202: json(
      thumbnailsAskedSchema,
      'Some are being made, and will be among the thumbnails of the video.',
    ),
    default: problem,
  },
});

const chooseRoute = createRoute({
  method: 'put',
  path: '/videos/{id}/thumbnails/default',
  tags,
  summary: 'Choose the thumbnail that stands for the video, now and in later versions',
  request: { params: videoParams(), body: jsonBody(choiceSchema) },
  responses: { 200: json(videoSchema, 'The video as it is now.'), default: problem },
});
