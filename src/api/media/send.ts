import type { ServerResponse } from 'node:http';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context } from 'hono';
import { AppError } from '../../domain/errors.ts';
import { addressSeconds as defaultAddressSeconds } from '../../domain/address-seconds.ts';
import type { MediaAddress, MediaFile } from '../../usecases/find-media.ts';
import type { AppEnv } from '../app-env.ts';
import { createSlots } from '../slots.ts';
import { contentDisposition, type Disposition } from './content-disposition.ts';
import { type MediaPlan, planResponse } from './plan-response.ts';
import { cachingAtStore, FOR_GOOD, isUnderstoodByStore, sendOn, takesKeyAlong } from './send-on.ts';

/** Sends files to viewers. Keep one per process: it counts them. */
export interface MediaSender {
  /** Answers GET and HEAD. @throws `precondition-failed`, `range-not-satisfiable`, `rate-limited`, and what the store throws */
  send(c: Context<AppEnv>, file: MediaFile, options?: SendOptions): Promise<Response>;
}

export interface SendOptions {
  /** Default `inline`. */
  readonly disposition?: Disposition;
  /** The address never serves other bytes, so browsers may keep them for good. */
  readonly isImmutable?: boolean;
}

export interface MediaSenderOptions {
  /** `redirect` sends viewers on to the store, where it has addresses to give out. Default `proxy`: all bytes come from here. */
  readonly viewerMode?: 'proxy' | 'redirect';
  /** How long such an address lasts, in seconds, by the length of the video. */
  readonly addressSeconds?: (durationSeconds: number | null) => number;
  /** Bodies under way at once; each holds a descriptor and a buffer. */
  readonly maxStreams?: number;
  /** Of one viewer, who must not take them all. */
  readonly maxPerViewer?: number;
  /** A viewer that takes nothing for this long is sent away; players come back with a range. */
  readonly stallMs?: number;
}

/** Addresses of videos serve the newest version, so what is kept must be asked for again. */
const NEWEST = 'private, no-cache';
const ETAG_HEX_DIGITS = 32;

export function createMediaSender({
  viewerMode = 'proxy',
  addressSeconds = defaultAddressSeconds,
  maxStreams = 256,
  maxPerViewer = 32,
  stallMs = 300_000,
}: MediaSenderOptions = {}): MediaSender {
  const slots = createSlots(maxPerViewer);
  let streams = 0;
  return {
    async send(c, file, options = {}) {
      const isSentOn = viewerMode === 'redirect' && !takesKeyAlong(c);
      const address = isSentOn
        ? await file.locate({
            expiresSeconds: addressSeconds(file.durationSeconds),
            cacheControl: cachingAtStore(c),
            contentDisposition: dispositionOf(file, options),
          })
        : undefined;
      const plan = planFor(c, file, { ...options, address });
      if (plan.status === 412 || plan.status === 416) throw refuse(c, plan);
      const outgoing = c.env.outgoing;
      if (plan.span === null) return c.body(null, plan.status, { ...plan.headers });
      if (address !== undefined && isUnderstoodByStore(c, plan)) return sendOn(c, address);
      if (outgoing === undefined)
        throw new Error("bodies of files are written to Node's own response");
      if (streams >= maxStreams)
        throw tooMany('Too many streams are being watched; try again shortly.');
      const free = slots.take(c.get('viewer').userId);
      if (free === undefined)
        throw tooMany(`You watch ${maxPerViewer} streams already; let one of them end first.`);

      streams += 1;
      try {
        await sendBody(c, {
          file,
          plan,
          span: plan.span,
          outgoing: outgoing as ServerResponse,
          stallMs,
        });
      } finally {
        streams -= 1;
        free();
      }
      return alreadySent(c);
    },
  };
}

function tooMany(detail: string): AppError {
  return new AppError('rate-limited', { detail, retryAfterSeconds: 5 });
}

/** Whoever may be sent on hears of the store's own validators from us too, so that it is all one to him who answers. */
function planFor(
  c: Context<AppEnv>,
  file: MediaFile,
  { address, ...options }: SendOptions & { readonly address: MediaAddress | undefined },
): MediaPlan {
  const variant = {
    sizeBytes: file.sizeBytes,
    etag: address?.etag ?? `"${file.sha256.slice(0, ETAG_HEX_DIGITS)}"`,
    lastModified: address?.lastModified ?? file.lastModified,
    contentType: file.contentType,
    cacheControl: options.isImmutable === true ? FOR_GOOD : NEWEST,
    disposition: dispositionOf(file, options),
  };
  const method = c.req.method === 'HEAD' ? 'HEAD' : 'GET';
  return planResponse(variant, { method, header: (name) => c.req.header(name) });
}

function dispositionOf({ fileName }: MediaFile, { disposition = 'inline' }: SendOptions) {
  return fileName === null ? undefined : contentDisposition(disposition, fileName);
}

/** The problem document that follows keeps these headers. */
function refuse(c: Context<AppEnv>, { status, headers }: MediaPlan): AppError {
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  return new AppError(status === 412 ? 'precondition-failed' : 'range-not-satisfiable');
}

/** What middleware has set so far; what it sets later does not reach a body that is written directly. */
function mergeHeaders(c: Context<AppEnv>, plan: MediaPlan): Record<string, string> {
  return { ...Object.fromEntries(c.res.headers), ...plan.headers };
}

interface Body {
  readonly file: MediaFile;
  readonly plan: MediaPlan;
  readonly span: { readonly start: number; readonly end: number };
  readonly outgoing: ServerResponse;
  readonly stallMs: number;
}

/**
 * Writes head and body. The head goes with the first chunk, so that a store that fails at once still gets a proper answer;
 * later the only honest sign is to break the connection off.
 */
async function sendBody(
  c: Context<AppEnv>,
  { file, plan, span, outgoing, stallMs }: Body,
): Promise<void> {
  const gone = new AbortController();
  const leave = () => gone.abort();
  outgoing.once('close', leave);
  if (outgoing.destroyed) leave();
  try {
    for await (const chunk of file.read(span, gone.signal)) {
      if (gone.signal.aborted) return;
      if (!outgoing.headersSent) outgoing.writeHead(plan.status, mergeHeaders(c, plan));
      await writeChunk(outgoing, chunk, { gone: gone.signal, stallMs });
    }
    outgoing.end();
  } catch (error) {
    if (!outgoing.headersSent && !gone.signal.aborted) throw error;
    if (!gone.signal.aborted) c.get('logger').error({ err: error }, 'a stream broke off');
    outgoing.destroy();
  } finally {
    outgoing.off('close', leave);
  }
}

/** Resolves when the chunk has left for the kernel or nobody wants it any more: only then is its buffer free. */
function writeChunk(
  outgoing: ServerResponse,
  chunk: Uint8Array,
  { gone, stallMs }: { gone: AbortSignal; stallMs: number },
): Promise<void> {
  return new Promise((resolve) => {
    const stalled = setTimeout(() => outgoing.destroy(), stallMs);
    const done = () => {
      clearTimeout(stalled);
      gone.removeEventListener('abort', done);
      resolve();
    };
    gone.addEventListener('abort', done);
    outgoing.write(chunk, done);
  });
}

/** Hono merges headers into a response that replaces another, and the copy would be sent again: so the old one goes first. */
function alreadySent(c: Context<AppEnv>): Response {
  c.res = undefined;
  const sent = RESPONSE_ALREADY_SENT.clone();
  c.res = sent;
  return sent;
}
