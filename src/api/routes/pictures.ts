import { type Context, Hono } from 'hono';
import { AppError } from '../../domain/errors.ts';
import { toVideoId, type VideoId } from '../../domain/ids.ts';
import { MAX_POSTER_BYTES } from '../../domain/pictures.ts';
import type { PictureLibrary } from '../../usecases/find-pictures.ts';
import {
  type IncomingPoster,
  type OwnPosters,
  posterTooLarge,
} from '../../usecases/own-posters.ts';
import type { Viewer } from '../../usecases/viewer.ts';
import type { AppEnv } from '../app-env.ts';
import { sendManifest } from '../manifests/send-manifest.ts';
import { storyboardVtt, VTT_TYPE } from '../manifests/storyboard.ts';
import type { MediaSender } from '../media/send.ts';
import { createSlots, type Slots } from '../slots.ts';

export interface PictureRoutesDeps {
  readonly pictures: PictureLibrary;
  readonly ownPosters: OwnPosters;
  readonly sender: MediaSender;
  /** The video as it is shown everywhere. */
  readonly presentVideo: (videoId: VideoId, viewer: Viewer) => Promise<object>;
  /** Longest time in which an own poster arrives; 60 s if left out. */
  readonly longestUploadMs?: number;
}

/** Requests of one user that wait for a picture, and own posters that one user sends, at the same time. */
const MOST_WAITING = 8;
const MOST_UPLOADS = 2;
const LONGEST_UPLOAD_MS = 60_000;

/**
 * `GET|PUT|DELETE /videos/:id/poster`, `GET /videos/:id/storyboard.vtt` and its sheets. To be mounted like the routes of media:
 * behind the login, and `PUT` never behind anything that reads bodies.
 */
export function createPictureRoutes(deps: PictureRoutesDeps): Hono<AppEnv> {
  const { pictures, ownPosters, sender, presentVideo } = deps;
  const waiting = createSlots(MOST_WAITING);
  const uploading = createSlots(MOST_UPLOADS);
  const routes = new Hono<AppEnv>();
  routes.get('/videos/:id/storyboard.vtt', async (c) => {
    const storyboard = await pictures.findStoryboard(c.get('viewer'), readId(c), readVersion(c));
    return sendManifest(c, storyboardVtt(storyboard), VTT_TYPE);
  });
  routes.get('/videos/:id/storyboard/:file', async (c) => {
    const number = /^(\d{1,4})\.jpg$/.exec(c.req.param('file'))?.[1];
    if (number === undefined) throw new AppError('picture-not-found');
    const version = readVersion(c);
    const sheet = { version, number: Number(number) };
    const file = await pictures.findSheet(c.get('viewer'), readId(c), sheet);
    return sender.send(c, file, { isImmutable: version !== undefined });
  });
  routes.get('/videos/:id/poster', async (c) => {
    const second = readSecond(c);
    const viewer = c.get('viewer');
    if (second === undefined) return sender.send(c, await pictures.findPoster(viewer, readId(c)));
    const find = () => pictures.findPosterAt(viewer, readId(c), second, c.req.raw.signal);
    return sender.send(c, await inSlot(waiting, c, find));
  });
  routes.put('/videos/:id/poster', (c) =>
    inSlot(uploading, c, async () => {
      const videoId = readId(c);
      const upload = await ownPosters.receive(c.get('viewer'), videoId);
      const outcome = await receive(c, upload, deps.longestUploadMs ?? LONGEST_UPLOAD_MS);
      const video = await presentVideo(videoId, c.get('viewer'));
      return c.json(video, outcome === 'made' ? 200 : 202);
    }),
  );
  routes.delete('/videos/:id/poster', async (c) => {
    await ownPosters.remove(c.get('viewer'), readId(c));
    return c.json(await presentVideo(readId(c), c.get('viewer')), 200);
  });
  return routes;
}

/** Never more than some kilobytes in memory, however large the file. */
async function receive(
  c: Context<AppEnv>,
  upload: IncomingPoster,
  longestMs: number,
): Promise<'made' | 'pending'> {
  const { body, signal } = c.req.raw;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new AppError('request-too-slow')), longestMs);
  const reader = body?.getReader();
  try {
    if (Number(c.req.header('Content-Length') ?? 0) > MAX_POSTER_BYTES) throw posterTooLarge();
    for (;;) {
      const read = await Promise.race([reader?.read().catch(toUnreadable), late.promise]);
      if (read === undefined || read.done) break;
      await upload.write(read.value);
    }
    clearTimeout(timer);
    return await upload.submit(signal);
  } catch (error) {
    // What is still to come is not waited for.
    c.header('Connection', 'close');
    await upload.abort();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function toUnreadable(error: unknown): never {
  throw new AppError('unreadable-request', {}, { cause: error });
}

/** @throws `rate-limited` */
async function inSlot<T>(slots: Slots, c: Context<AppEnv>, work: () => Promise<T>): Promise<T> {
  const free = slots.take(c.get('viewer').userId);
  if (free === undefined) {
    const detail = 'You wait for many pictures already; let one of them come first.';
    throw new AppError('rate-limited', { detail, retryAfterSeconds: 2 });
  }
  try {
    return await work();
  } finally {
    free();
  }
}

function readSecond(c: Context<AppEnv>): number | undefined {
  const text = c.req.query('t');
  if (text === undefined) return undefined;
  if (!/^\d{1,6}$/.test(text))
    throw new AppError('validation-failed', { detail: '`t` is a whole second of the video.' });
  return Number(text);
}

function readVersion(c: Context<AppEnv>): number | undefined {
  const text = c.req.query('v');
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new AppError('validation-failed', { detail: '`v` is the number of a version.' });
  return Number(text);
}

function readId(c: Context<AppEnv>): VideoId {
  const text = c.req.param('id') ?? '';
  return toVideoId(/^\d{1,10}$/.test(text) ? Number(text) : undefined);
}
