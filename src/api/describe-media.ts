import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { OUTPUTS, QUALITIES } from '../domain/video.ts';
import type { AppEnv } from './app-env.ts';
import { DASH_TYPE, HLS_TYPE } from './manifests/send-manifest.ts';
import { json, problem } from './schemas/answers.ts';
import { idText } from './schemas/fields.ts';
import { uploadFormSchema, videoSchema } from './schemas/video.ts';

const binary = { schema: { type: 'string', format: 'binary' } } as const;
const videoBytes = {
  200: { description: 'The whole file.', content: { 'video/mp4': binary } },
  206: { description: 'The bytes asked for.', content: { 'video/mp4': binary } },
  default: problem,
};

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
    summary: 'Play a video; byte ranges and conditional requests work',
    request: { params: z.object({ id: idText(), quality: z.enum([...OUTPUTS, 'original']) }) },
    responses: videoBytes,
  });
  app.openAPIRegistry.registerPath({
    method: 'get',
    path: '/videos/{id}/download/{quality}',
    tags,
    summary: 'Save a video under its title',
    request: { params: z.object({ id: idText(), quality: z.enum([...OUTPUTS, 'original']) }) },
    responses: videoBytes,
  });
  app.openAPIRegistry.registerPath({
    method: 'get',
    path: '/videos/{id}/v{version}/{quality}.mp4',
    tags,
    summary: 'A rendition of one version, whose bytes never change; playlists name it',
    request: {
      params: z.object({ id: idText(), version: idText(), quality: z.enum(QUALITIES) }),
    },
    responses: videoBytes,
  });
  describePlaylists(app);
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

function describePlaylists(app: OpenAPIHono<AppEnv>): void {
  const id = idText();
  const v = idText().optional().openapi({
    description: 'A version; the published one when left out. An older one is kept for a while.',
  });
  const playlists = [
    {
      path: '/videos/{id}/hls/master.m3u8',
      summary: 'HLS: the renditions to choose from',
      params: z.object({ id }),
      type: HLS_TYPE,
    },
    {
      path: '/videos/{id}/hls/{track}.m3u8',
      summary: 'HLS: the fragments of one rendition, or of the sound',
      params: z.object({ id, track: z.enum([...QUALITIES, 'audio']) }),
      type: HLS_TYPE,
    },
    {
      path: '/videos/{id}/dash/manifest.mpd',
      summary: 'DASH: everything in one manifest',
      params: z.object({ id }),
      type: DASH_TYPE,
    },
  ] as const;
  for (const { path, summary, params, type } of playlists) {
    app.openAPIRegistry.registerPath({
      method: 'get',
      path,
      tags: ['Media'],
      summary,
      request: { params, query: z.object({ v }) },
      responses: {
        200: { description: 'The playlist.', content: { [type]: { schema: { type: 'string' } } } },
        default: problem,
      },
    });
  }
}
