import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { OUTPUTS, QUALITIES } from '../domain/video.ts';
import type { AppEnv } from './app-env.ts';
import { DASH_TYPE, HLS_TYPE } from './manifests/send-manifest.ts';
import { json, problem } from './schemas/answers.ts';
import { idText } from './schemas/fields.ts';
import { uploadFormSchema, videoSchema } from './schemas/video.ts';

const binary = { schema: { type: 'string', format: 'binary' } } as const;
const jpeg = { description: 'The picture.', content: { 'image/jpeg': binary } };
const sentOn = {
  302: {
    description:
      'Only with VIEWER_MODE=redirect: `Location` is an address at the object storage, good for an hour at least, to be fetched without the API key.',
  },
};
const VERSION = 'A version; the published one when left out. An older one is kept for a while.';
const videoBytes = {
  200: { description: 'The whole file.', content: { 'video/mp4': binary } },
  206: { description: 'The bytes asked for.', content: { 'video/mp4': binary } },
  ...sentOn,
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
      200: jpeg,
      ...sentOn,
      default: problem,
    },
  });
  describePictures(app);
}

function describePictures(app: OpenAPIHono<AppEnv>): void {
  const tags = ['Media'];
  const id = idText();
  const v = idText().optional().openapi({ description: VERSION });
  const path = '/videos/{id}/poster';
  const params = z.object({ id });
  app.openAPIRegistry.registerPath({
    method: 'get',
    path,
    tags,
    summary: 'The picture that stands for the video, or the one at a second',
    request: {
      params,
      query: z.object({
        t: z.string().optional().openapi({
          type: 'integer',
          description:
            'A whole second. A picture that is not there yet is made; `picture-pending` says when to ask again.',
        }),
      }),
    },
    responses: { 200: jpeg, ...sentOn, default: problem },
  });
  app.openAPIRegistry.registerPath({
    method: 'put',
    path,
    tags,
    summary: 'Upload a picture to stand for the video, now and in later versions',
    request: {
      params,
      body: {
        required: true,
        content: { 'image/jpeg': binary, 'image/png': binary, 'image/webp': binary },
      },
    },
    responses: {
      200: json(videoSchema, 'The poster is there.'),
      202: json(videoSchema, 'The poster is being made.'),
      default: problem,
    },
  });
  app.openAPIRegistry.registerPath({
    method: 'delete',
    path,
    tags,
    summary: 'Remove the own poster; a thumbnail stands for the video again',
    request: { params },
    responses: { 200: json(videoSchema, 'The video as it is now.'), default: problem },
  });
  app.openAPIRegistry.registerPath({
    method: 'get',
    path: '/videos/{id}/storyboard.vtt',
    tags,
    summary: 'WebVTT: which part of which sheet shows a stretch of time',
    request: { params, query: z.object({ v }) },
    responses: {
      200: { description: 'The cues.', content: { 'text/vtt': { schema: { type: 'string' } } } },
      default: problem,
    },
  });
  app.openAPIRegistry.registerPath({
    method: 'get',
    path: '/videos/{id}/storyboard/{number}.jpg',
    tags,
    summary: 'A sheet of the storyboard; with a version its bytes never change',
    request: { params: z.object({ id, number: z.string() }), query: z.object({ v }) },
    responses: { 200: jpeg, ...sentOn, default: problem },
  });
}

function describePlaylists(app: OpenAPIHono<AppEnv>): void {
  const id = idText();
  const v = idText().optional().openapi({ description: VERSION });
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
