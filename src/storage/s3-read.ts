import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../domain/errors.ts';
import type { ByteRange } from './object-store.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { isPassing, readS3Failure } from './s3-faults.ts';
import { backoff, timeoutError, withTimeout } from './s3-retry.ts';

/** When a read gives up. */
export interface ReadPatience {
  /** Until the head of an answer, and between two chunks. */
  readonly stallMs: number;
  /** Failures in a row that are made up for; a MiB that arrives wipes them out. */
  readonly resumes: number;
  readonly backoffMs: number;
}

export const READ_PATIENCE: ReadPatience = { stallMs: 15_000, resumes: 5, backoffMs: 200 };

const FORGIVEN_BYTES = 1024 ** 2;

/**
 * Reads an object or a range of it. A connection that breaks, ends early or stalls is followed by another that begins at the next
 * byte of the very same object.
 * @throws `storage-object-missing` when the object ends inside the range or is another one meanwhile; raw errors like the SDK's
 */
export async function* readS3Object(
  bucket: S3Bucket,
  key: string,
  { range, signal, patience }: ReadOptions,
): AsyncGenerator<Uint8Array, void> {
  let position = range?.start ?? 0;
  let end = range?.end;
  let etag: string | undefined;
  let failures = 0;
  let failedAt = position;
  for (;;) {
    let body: IncomingMessage | undefined;
    try {
      body = await open(bucket, key, { position, end, etag, signal, patience });
      end ??= Number(body.headers['content-length'] ?? 0) - 1;
      etag = body.headers.etag;
      assertCovers(body, end);
      for await (const chunk of stopWhenStalled(body, patience.stallMs)) {
        position += chunk.length;
        if (position - failedAt > FORGIVEN_BYTES) failures = 0;
        yield chunk;
        signal?.throwIfAborted();
      }
      if (position > end) return;
      throw timeoutError(0);
    } catch (error) {
      signal?.throwIfAborted();
      failures += 1;
      failedAt = position;
      const failure = readS3Failure(error);
      if (failure.status === 412)
        throw new AppError('storage-object-missing', { reason: 'replaced while it was read' });
      if (failures > patience.resumes || !isPassing(failure)) throw error;
      const waitMs = backoff(failure, failures, patience.backoffMs);
      await delay(waitMs, undefined, signal && { signal });
    } finally {
      body?.destroy();
    }
  }
}

interface ReadOptions {
  readonly range: ByteRange | undefined;
  readonly signal: AbortSignal | undefined;
  readonly patience: ReadPatience;
}

interface OpenOptions extends Omit<ReadOptions, 'range'> {
  readonly position: number;
  readonly end: number | undefined;
  readonly etag: string | undefined;
}

/** Only the head is waited for with a clock here: the body has its own. */
function open(
  { clients, pathOf }: S3Bucket,
  key: string,
  { position, end, etag, signal, patience }: OpenOptions,
): Promise<IncomingMessage> {
  const isWhole = position === 0 && end === undefined;
  const range = isWhole ? undefined : `bytes=${position}-${end ?? ''}`;
  const path = pathOf(key);
  return withTimeout(
    (abortSignal) => clients.reads.get(path, { range, ifMatch: etag, signal: abortSignal }),
    patience.stallMs,
    signal,
  );
}

/** A server answers a range that reaches too far with what there is. */
function assertCovers({ headers }: IncomingMessage, end: number): void {
  const size = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1];
  if (size !== undefined && Number(size) <= end)
    throw new AppError('storage-object-missing', { reason: 'the object ends too early' });
}

/** The clock runs only while a chunk is waited for: a reader may take its time. */
async function* stopWhenStalled(
  body: IncomingMessage,
  stallMs: number,
): AsyncGenerator<Uint8Array, void> {
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  for (;;) {
    const clock = setTimeout(() => body.destroy(timeoutError(stallMs)), stallMs);
    try {
      const next = await chunks.next();
      if (next.done === true) return;
      clearTimeout(clock);
      yield next.value;
    } finally {
      clearTimeout(clock);
    }
  }
}
