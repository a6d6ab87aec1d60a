import {
  ListMultipartUploadsCommand,
  ListPartsCommand,
  type MultipartUpload,
} from '@aws-sdk/client-s3';
import type { S3Bucket } from './s3-bucket.ts';
import { isAbsent, readS3Failure } from './s3-faults.ts';
import { abortS3Upload } from './s3-parts.ts';

export interface SweepOptions {
  readonly prefix: string;
  /** Uploads of this process. */
  readonly live: ReadonlySet<string>;
  /** Without a new part for this long an upload is taken for dead: whose it is cannot be told. */
  readonly abandonedMs: number;
}

/** Removes multipart uploads below the prefix that nobody goes on with. @returns how many */
export async function sweepS3Uploads(
  bucket: S3Bucket,
  { prefix, live, abandonedMs }: SweepOptions,
): Promise<number> {
  const before = Date.now() - abandonedMs;
  let removed = 0;
  for await (const { Key, UploadId, Initiated } of listUploads(bucket, prefix)) {
    if (Key === undefined || UploadId === undefined || live.has(UploadId)) continue;
    if (!Key.startsWith(prefix) || (Initiated?.getTime() ?? 0) > before) continue;
    const upload = { Bucket: bucket.name, Key, UploadId };
    if ((await lastPartAt(bucket, upload)) > before) continue;
    await abortS3Upload(bucket, upload);
    removed += 1;
  }
  return removed;
}

async function* listUploads(bucket: S3Bucket, prefix: string): AsyncGenerator<MultipartUpload> {
  for (let after: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {}; after;) {
    const command: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
      Bucket: bucket.name,
      Prefix: prefix,
      ...after,
    });
    const page = await bucket.ask((client, abortSignal) => client.send(command, { abortSignal }));
    yield* page.Uploads ?? [];
    after =
      page.IsTruncated === true && page.NextKeyMarker
        ? {
            KeyMarker: page.NextKeyMarker,
            ...(page.NextUploadIdMarker ? { UploadIdMarker: page.NextUploadIdMarker } : {}),
          }
        : undefined;
  }
}

/** Milliseconds since 1970; 0 where there is none. */
async function lastPartAt(
  bucket: S3Bucket,
  upload: { readonly Bucket: string; readonly Key: string; readonly UploadId: string },
): Promise<number> {
  let last = 0;
  for (let after: string | undefined = '0'; after !== undefined;) {
    const command: ListPartsCommand = new ListPartsCommand({ ...upload, PartNumberMarker: after });
    try {
      const page = await bucket.ask((client, abortSignal) => client.send(command, { abortSignal }));
      for (const part of page.Parts ?? []) last = Math.max(last, part.LastModified?.getTime() ?? 0);
      after = page.IsTruncated === true ? page.NextPartNumberMarker : undefined;
    } catch (error) {
      if (isAbsent(readS3Failure(error))) return last;
      throw error;
    }
  }
  return last;
}
