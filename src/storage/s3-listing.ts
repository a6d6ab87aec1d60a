import { DeleteObjectsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { AppError } from '../domain/errors.ts';
import { isObjectKey } from './object-key.ts';
import type { ListedObject } from './object-store.ts';
import type { S3Bucket } from './s3-bucket.ts';

/** What one request takes. */
const DELETE_BATCH = 1000;

/** Idempotent. Raw errors of the SDK. */
export async function deleteS3Objects(bucket: S3Bucket, keys: readonly string[]): Promise<void> {
  const each = [...new Set(keys)];
  for (let from = 0; from < each.length; from += DELETE_BATCH)
    await deleteBatch(bucket, each.slice(from, from + DELETE_BATCH));
}

async function deleteBatch(bucket: S3Bucket, keys: readonly string[]): Promise<void> {
  const command = new DeleteObjectsCommand({
    Bucket: bucket.name,
    Delete: { Objects: keys.map((key) => ({ Key: bucket.pathOf(key) })), Quiet: true },
  });
  const { Errors } = await bucket.ask((client, abortSignal) =>
    client.send(command, { abortSignal }),
  );
  const refused = (Errors ?? []).find(({ Code }) => Code !== 'NoSuchKey');
  if (refused !== undefined)
    throw new AppError('storage-unavailable', {
      s3Code: refused.Code ?? null,
      key: refused.Key ?? null,
    });
}

/** Everything below a path and behind another, in the order of keys. Names that begin with a dot, and what somebody else put there under names that are none of ours, are not objects. */
export async function* listS3Objects(
  bucket: S3Bucket,
  path: string,
  startAfter: string | undefined,
): AsyncGenerator<ListedObject, void> {
  for (let token: string | undefined = ''; token !== undefined;) {
    const command: ListObjectsV2Command = new ListObjectsV2Command({
      Bucket: bucket.name,
      Prefix: path,
      ...(startAfter === undefined ? {} : { StartAfter: startAfter }),
      ...(token === '' ? {} : { ContinuationToken: token }),
    });
    const page = await bucket.ask((client, abortSignal) => client.send(command, { abortSignal }));
    for (const { Key, Size, LastModified, ETag } of page.Contents ?? []) {
      const key = bucket.keyOf(Key ?? '');
      if (!isObjectKey(key)) continue;
      yield {
        key,
        sizeBytes: Size ?? 0,
        modifiedAt: LastModified ?? new Date(0),
        ...(ETag === undefined ? {} : { etag: ETag }),
      };
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  }
}
