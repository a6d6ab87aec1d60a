import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { OUTPUTS } from '../domain/video.ts';
import type { AppEnv } from './app-env.ts';
import { json, problem } from './schemas/answers.ts';
import { idText } from './schemas/fields.ts';
import { uploadFormSchema, videoSchema } from './schemas/video.ts';

/** Describes the routes that read or write bytes by themselves, so that the description is whole. */
export function describeMediaRoutes(app: OpenAPIHono<AppEnv>): void {
  const tags = ['Media'];
  app.openAPIRegistry.registerPath({
    method: 'post',
    path: '/videos/upload/',
    tags,
    summary: 'Upload a video; its processing starts by itself',
    request: {
      body: { required: true, content: { 'multipart/form-data': { schema: uploadFormSchema } } },
    },
    responses: {
      201: json(videoSchema, 'The video; `Location` is its address.'),
      default: problem,
    },
  });
  app.openAPIRegistry.registerPath({
    method: 'get',
    path: '/videos/stream/{id}/{quality}/',
    tags,
    summary: 'Play or download a video; byte ranges and conditional requests work',
    request: { params: z.object({ id: idText(), quality: z.enum([...OUTPUTS, 'original']) }) },
    responses: {
      200: {
        description: 'The whole file.',
        content: { 'video/mp4': { schema: { type: 'string', format: 'binary' } } },
      },
      206: {
        description: 'The bytes asked for.',
        content: { 'video/mp4': { schema: { type: 'string', format: 'binary' } } },
      },
      default: problem,
    },
  });
  app.openAPIRegistry.registerPath({
    method: 'get',
    path: '/videos/{id}/thumbnails/{number}.jpg',
    tags,
    summary: 'A thumbnail',
    request: { params: z.object({ id: idText(), number: z.string() }) },
    responses: {
      200: {
        description: 'The picture.',
        content: { 'image/jpeg': { schema: { type: 'string', format: 'binary' } } },
      },
      default: problem,
    },
  });
}
