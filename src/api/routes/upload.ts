import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { type Context, Hono } from 'hono';
import { AppError } from '../../domain/errors.ts';
import type { VideoId } from '../../domain/ids.ts';
import type { Profile } from '../../domain/video.ts';
import { type SubmitUpload, tooLarge } from '../../usecases/submit-upload.ts';
import type { Viewer } from '../../usecases/viewer.ts';
import type { AppEnv } from '../app-env.ts';
import { readUploadForm } from '../media/read-upload-form.ts';
import { createSlots } from '../slots.ts';
import { readUploadFields } from './upload-fields.ts';

export interface UploadRoutesDeps {
  readonly uploads: SubmitUpload;
  /** The video as it is shown everywhere. */
  readonly presentVideo: (videoId: VideoId, viewer: Viewer) => Promise<object>;
  readonly maxUploadBytes: number;
  readonly defaultProfile: Profile;
  /** Longest time without a byte; 60 s if left out. */
  readonly stallMs?: number;
  /** Uploads of one user at a time; 8 if left out. */
  readonly maxPerViewer?: number;
}

/** Room for the form around the file: 20 fields of 64 KiB and the lines between. */
const FORM_OVERHEAD_BYTES = 2 * 1024 * 1024;

const PATH = '/videos/upload';

/**
 * `POST /videos/upload/`. To be mounted at the root of an app that takes paths with and without a slash at the end, behind a
 * login that sets `viewer`, and never behind anything that reads bodies: this one is read from Node's own request, chunk by
 * chunk.
 */
export function createUploadRoutes(deps: UploadRoutesDeps): Hono<AppEnv> {
  const { maxPerViewer = 8 } = deps;
  const slots = createSlots(maxPerViewer);
  const routes = new Hono<AppEnv>();
  routes.post(PATH, async (c) => {
    const viewer = c.get('viewer');
    refuseLength(c.req.header('content-length'), deps.maxUploadBytes);
    const free = slots.take(viewer.userId);
    if (free === undefined) throw tooMany(maxPerViewer);
    try {
      const videoId = await receive(c, deps);
      return c.json(await deps.presentVideo(videoId, viewer), 201, {
        Location: `/videos/${videoId}`,
      });
    } finally {
      free();
    }
  });
  return routes;
}

async function receive(
  c: Context<AppEnv>,
  { uploads, defaultProfile, stallMs = 60_000 }: UploadRoutesDeps,
): Promise<VideoId> {
  const { incoming, outgoing } = c.env;
  if (incoming === undefined || outgoing === undefined)
    throw new Error("uploads are read from Node's own request");
  const upload = await uploads.receive(c.get('viewer'), readLength(c));
  try {
    inviteBody(outgoing as ServerResponse);
    const form = await readUploadForm(incoming as IncomingMessage, {
      write: upload.write,
      stallMs,
    });
    return await upload.submit(
      form.fileName,
      readUploadFields(form.fields, { profile: defaultProfile }),
    );
  } catch (error) {
    await upload
      .abort()
      .catch((fault: unknown) =>
        c.get('logger').error({ err: fault }, 'an unfinished upload stays until the next start'),
      );
    throw error;
  }
}

function readLength(c: Context<AppEnv>) {
  const length = c.req.header('content-length');
  return length === undefined
    ? undefined
    : { bytes: Number(length), overheadBytes: FORM_OVERHEAD_BYTES };
}

/** A body without a length is counted as it comes. */
function refuseLength(contentLength: string | undefined, maxUploadBytes: number): void {
  if (Number(contentLength ?? 0) > maxUploadBytes + FORM_OVERHEAD_BYTES)
    throw tooLarge(maxUploadBytes);
}

function tooMany(limit: number): AppError {
  const detail = `At most ${limit} uploads at a time; let one of yours end first.`;
  return new AppError('rate-limited', { detail, retryAfterSeconds: 10 });
}

const waiting = new WeakSet<ServerResponse>();

/**
 * Prepares a server for uploads: no limit on the whole of a request (senders are watched for progress instead), and
 * `Expect: 100-continue` answered only where the body is wanted, so that a sender that waits is refused before it sends a byte.
 */
export function configureUploadServer(server: Server): void {
  server.requestTimeout = 0;
  server.headersTimeout = 60_000;
  // Longer than the idle time of the usual proxies, which would otherwise meet a connection that has just been closed.
  server.keepAliveTimeout = 75_000;
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url?.split('?', 1)[0] ?? '';
    if (path === PATH || path === `${PATH}/`) waiting.add(response);
    else response.writeContinue();
    server.emit('request', request, response);
  });
}

function inviteBody(response: ServerResponse): void {
  if (waiting.delete(response)) response.writeContinue();
}
