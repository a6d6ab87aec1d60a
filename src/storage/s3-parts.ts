import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { AppError } from '../domain/errors.ts';
import type { Condition } from './s3-publish.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { isAbsent, readS3Failure } from './s3-faults.ts';
import type { Turns } from './turns.ts';

/** A multipart upload. Calls come one after the other. */
export interface S3Parts {
  /** Resolves once the part is under way. @param onSent called when nobody needs the bytes any more, where all went well */
  send(body: Buffer, onSent: () => void): Promise<void>;
  /** Waits for all parts. */
  settle(): Promise<void>;
  /** Makes the object of them. */
  complete(condition: Condition): Promise<void>;
  /** Lets what is under way come to its end for a moment, then ends it, and removes the parts. Does nothing after `complete`. */
  abort(): Promise<void>;
}

/**
 * A part whose request is cut off may still be stored by the server, after the upload was aborted, and then stay: S3 promises no
 * more. So requests under way get this long to end by themselves. What a server that hangs keeps, the sweep finds.
 */
const LAST_PARTS_MS = 2_000;

export interface PartsDeps {
  readonly bucket: S3Bucket;
  /** Parts under way at once, of all uploads together. */
  readonly turns: Turns;
  /** Ids of the uploads of this process that are not at their end. */
  readonly live: Set<string>;
}

export interface PartsTarget {
  readonly Bucket: string;
  readonly Key: string;
}

/** @param headers of the object that will be */
export async function beginS3Parts(
  { bucket, turns, live }: PartsDeps,
  target: PartsTarget,
  { headers, signal: callers }: { headers: object; signal: AbortSignal | undefined },
): Promise<S3Parts> {
  const cut = new AbortController();
  const signal = callers === undefined ? cut.signal : AbortSignal.any([cut.signal, callers]);
  const underWay = new Set<Promise<void>>();
  const parts: CompletedPart[] = [];
  let failure: Error | undefined;
  let numbered = 0;
  let isComplete = false;

  const creation = new CreateMultipartUploadCommand({ ...target, ...headers });
  const { UploadId } = await bucket.write(
    (client, abortSignal) => client.send(creation, { abortSignal }),
    callers,
  );
  if (UploadId === undefined)
    throw new AppError('storage-unavailable', { reason: 'a multipart upload without an id' });
  live.add(UploadId);

  const sendOne = async (PartNumber: number, body: Buffer): Promise<void> => {
    const command = new UploadPartCommand({
      ...target,
      UploadId,
      PartNumber,
      Body: body,
      ContentLength: body.length,
    });
    const { ETag } = await bucket.write(
      (client, abortSignal) => client.send(command, { abortSignal }),
      cut.signal,
    );
    parts.push({ PartNumber, ETag });
  };

  const cutSoon = () => void setTimeout(() => cut.abort(), LAST_PARTS_MS).unref();

  /** The part that failed first is the reason of all that fails after it. */
  const assertSound = () => {
    callers?.throwIfAborted();
    if (failure !== undefined) throw failure;
  };

  return {
    async send(body, onSent) {
      assertSound();
      const endTurn = await turns.take(signal).catch((error: unknown) => {
        assertSound();
        throw error;
      });
      numbered += 1;
      const sending = sendOne(numbered, body)
        .then(onSent, (error: unknown) => {
          failure ??= error as Error;
          cutSoon();
        })
        .finally(() => {
          endTurn();
          underWay.delete(sending);
        });
      underWay.add(sending);
    },

    async settle() {
      await Promise.all(underWay);
      assertSound();
    },

    async complete(condition) {
      const command = new CompleteMultipartUploadCommand({
        ...target,
        ...condition,
        UploadId,
        MultipartUpload: {
          Parts: parts.toSorted((a, b) => Number(a.PartNumber) - Number(b.PartNumber)),
        },
      });
      await bucket.write((client, abortSignal) => client.send(command, { abortSignal }), signal);
      isComplete = true;
      live.delete(UploadId);
    },

    async abort() {
      if (isComplete) return;
      cutSoon();
      await Promise.all(underWay);
      try {
        await abortS3Upload(bucket, { ...target, UploadId });
      } finally {
        live.delete(UploadId);
      }
    },
  };
}

/** Removes the parts of an upload. Idempotent. */
export async function abortS3Upload(
  bucket: S3Bucket,
  upload: PartsTarget & { readonly UploadId: string },
): Promise<void> {
  const command = new AbortMultipartUploadCommand(upload);
  try {
    await bucket.ask((client, abortSignal) => client.send(command, { abortSignal }));
  } catch (error) {
    if (!isAbsent(readS3Failure(error))) throw error;
  }
}
