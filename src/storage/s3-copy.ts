import { randomBytes } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { AppError } from '../domain/errors.ts';
import type { StoredObject } from './object-store.ts';
import { partSize } from './part-sizes.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { abortS3Upload } from './s3-parts.ts';

export interface CopyDeps {
  readonly bucket: S3Bucket;
  checksum(key: string): Promise<StoredObject>;
  /** Objects up to this size are copied by one request. */
  readonly copyBytes: number;
}

/**
 * Copies an object inside the bucket; the bytes do not come here. A key that holds the same bytes already is fine.
 *
 * Copies know no condition on most servers, so the key is looked at first.
 */
export async function copyS3Object(deps: CopyDeps, fromKey: string, toKey: string): Promise<void> {
  const { bucket, copyBytes, checksum } = deps;
  const from = await bucket.head(fromKey);
  if (from === undefined) throw new AppError('storage-object-missing', { key: fromKey });
  const sizeBytes = from.ContentLength ?? 0;
  const there = await bucket.head(toKey);
  if (there === undefined) {
    await (sizeBytes > copyBytes ? copyByParts : copyAtOnce)(deps, { fromKey, toKey, sizeBytes });
    return;
  }
  const isSame =
    there.ContentLength === sizeBytes &&
    (there.ETag === from.ETag ||
      (await checksum(fromKey)).sha256 === (await checksum(toKey)).sha256);
  if (!isSame) throw new AppError('storage-object-exists', { key: toKey });
}

interface Copy {
  readonly fromKey: string;
  readonly toKey: string;
  readonly sizeBytes: number;
}

async function copyAtOnce({ bucket }: CopyDeps, { fromKey, toKey }: Copy): Promise<void> {
  const command = new CopyObjectCommand({
    Bucket: bucket.name,
    Key: bucket.pathOf(toKey),
    CopySource: sourceOf(bucket, fromKey),
  });
  await bucket.write((client, abortSignal) => client.send(command, { abortSignal }));
}

async function copyByParts(
  { bucket, copyBytes }: CopyDeps,
  { fromKey, toKey, sizeBytes }: Copy,
): Promise<void> {
  const target = { Bucket: bucket.name, Key: bucket.pathOf(toKey) };
  const creation = new CreateMultipartUploadCommand({
    ...target,
    Metadata: { writer: randomBytes(12).toString('hex') },
  });
  const { UploadId } = await bucket.write((client, abortSignal) =>
    client.send(creation, { abortSignal }),
  );
  if (UploadId === undefined)
    throw new AppError('storage-unavailable', { reason: 'a multipart upload without an id' });
  const step = partSize(sizeBytes, copyBytes);
  const parts: CompletedPart[] = [];
  try {
    for (let start = 0; start < sizeBytes; start += step) {
      const PartNumber = parts.length + 1;
      const command = new UploadPartCopyCommand({
        ...target,
        UploadId,
        PartNumber,
        CopySource: sourceOf(bucket, fromKey),
        CopySourceRange: `bytes=${start}-${Math.min(start + step, sizeBytes) - 1}`,
      });
      const { CopyPartResult } = await bucket.write((client, abortSignal) =>
        client.send(command, { abortSignal }),
      );
      parts.push({ PartNumber, ETag: CopyPartResult?.ETag });
    }
    const completion = new CompleteMultipartUploadCommand({
      ...target,
      UploadId,
      MultipartUpload: { Parts: parts },
    });
    await bucket.write((client, abortSignal) => client.send(completion, { abortSignal }));
  } catch (error) {
    await abortS3Upload(bucket, { ...target, UploadId }).catch(() => undefined);
    throw error;
  }
}

/** As a header wants it: each part of the path encoded. */
function sourceOf(bucket: S3Bucket, key: string): string {
  return [bucket.name, ...bucket.pathOf(key).split('/')].map(encodeURIComponent).join('/');
}
