import { createHash, randomBytes } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { AppError } from '../domain/errors.ts';
import type { PutOptions, StoredObject } from './object-store.ts';
import { PART_BYTES, partSize } from './part-sizes.ts';
import { beginS3Parts, type PartsDeps, type S3Parts } from './s3-parts.ts';
import type { S3Publishing } from './s3-publish.ts';

/**
 * One object on its way up: a single request where it fits into one part, else a multipart upload.
 *
 * Memory: the part that is being filled, and those under way, of which the whole process has as many as there are turns. Nothing
 * is visible under the key before the last request.
 */
export interface S3Upload {
  write(chunk: Uint8Array): Promise<void>;
  /** Publishes. On an error nothing is left. */
  finish(): Promise<StoredObject>;
  /** Ends what is under way and removes the parts. Idempotent; does nothing after `finish`. */
  abort(): Promise<void>;
}

export interface UploadDeps extends PartsDeps {
  readonly publishing: S3Publishing;
  readonly partBytes: number;
}

export function openS3Upload(
  deps: UploadDeps,
  key: string,
  { contentType, cacheControl, sizeBytes: expectedBytes, maxBytes, signal }: PutOptions,
): S3Upload {
  const { bucket, publishing, turns, partBytes } = deps;
  const boundBytes = expectedBytes ?? maxBytes;
  const bufferBytes = Math.min(
    partSize(boundBytes, partBytes),
    Math.max(1, boundBytes ?? partBytes),
  );
  const target = { Bucket: bucket.name, Key: bucket.pathOf(key) };
  const writer = randomBytes(12).toString('hex');
  const headers = {
    ...(contentType === undefined ? {} : { ContentType: contentType }),
    ...(cacheControl === undefined ? {} : { CacheControl: cacheControl }),
    Metadata: { writer },
  };
  const hash = createHash('sha256');
  let sizeBytes = 0;
  let partCount = 0;
  let buffer = Buffer.alloc(0);
  let filled = 0;
  let parts: S3Parts | undefined;
  let isOver = false;

  const ship = async (): Promise<void> => {
    parts ??= await beginS3Parts(deps, target, { headers, signal });
    const whole = buffer;
    const body = whole.subarray(0, filled);
    buffer = Buffer.alloc(0);
    filled = 0;
    partCount += 1;
    await parts.send(body, () => keepForLater(whole));
  };

  const makeRoom = async (): Promise<void> => {
    if (buffer.length > 0) await ship();
    buffer = takeBuffer(bufferBytes);
  };

  const putWhole = async (stored: StoredObject): Promise<void> => {
    const endTurn = await turns.take(signal);
    try {
      const body = buffer.subarray(0, filled);
      const Metadata = { writer, sha256: stored.sha256 };
      await publishing.publish({ ...stored, key, writer, isMultipart: false }, (condition) => {
        const command = new PutObjectCommand({
          ...target,
          ...headers,
          ...condition,
          Metadata,
          Body: body,
          ContentLength: body.length,
        });
        return bucket.write((client, abortSignal) => client.send(command, { abortSignal }), signal);
      });
      keepForLater(buffer);
    } finally {
      endTurn();
    }
  };

  const putParts = async (open: S3Parts, stored: StoredObject): Promise<void> => {
    if (filled > 0) await ship();
    await open.settle();
    await publishing.publish({ ...stored, key, writer, isMultipart: true }, (condition) =>
      open.complete(condition),
    );
  };

  const abort = async (): Promise<void> => {
    if (isOver) return;
    isOver = true;
    buffer = Buffer.alloc(0);
    await parts?.abort();
  };

  return {
    async write(chunk) {
      if (isOver) throw new Error('the upload is over');
      hash.update(chunk);
      sizeBytes += chunk.length;
      for (let taken = 0; taken < chunk.length;) {
        if (filled === buffer.length) await makeRoom();
        const piece = chunk.subarray(taken, taken + buffer.length - filled);
        buffer.set(piece, filled);
        filled += piece.length;
        taken += piece.length;
      }
    },

    async finish() {
      if (isOver) throw new Error('the upload is over');
      try {
        if (expectedBytes !== undefined && expectedBytes !== sizeBytes)
          throw new AppError('storage-object-missing', { key, expectedBytes, sizeBytes });
        const stored = { sizeBytes, sha256: hash.digest('hex') };
        if (parts === undefined) await putWhole(stored);
        else await putParts(parts, stored);
        // An upload whose key turned out to hold the same bytes has parts that nobody will put together.
        await parts?.abort();
        isOver = true;
        return stored;
      } catch (error) {
        await abort().catch(() => undefined);
        throw error;
      }
    },

    abort,
  };
}

/** Parts are large: fresh memory for each would be given back late. What is not used for a moment is given back. */
const MOST_IDLE_BYTES = 4 * PART_BYTES;
const IDLE_MS = 5_000;
const idle: Buffer[] = [];
const forgetting = setTimeout(() => idle.splice(0), IDLE_MS).unref();

function takeBuffer(sizeBytes: number): Buffer<ArrayBuffer> {
  const found = idle.findIndex((buffer) => buffer.length === sizeBytes);
  const [buffer] = found === -1 ? [] : idle.splice(found, 1);
  return (buffer as Buffer<ArrayBuffer> | undefined) ?? Buffer.allocUnsafeSlow(sizeBytes);
}

/** Only what was sent in full: of a request that broke off the system may still hold the bytes. */
function keepForLater(buffer: Buffer): void {
  const idleBytes = idle.reduce((sum, { length }) => sum + length, buffer.length);
  if (buffer.length >= PART_BYTES && idleBytes <= MOST_IDLE_BYTES) idle.push(buffer);
  forgetting.refresh();
}
