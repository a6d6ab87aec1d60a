import { randomBytes } from 'node:crypto';
import {
  DeleteObjectCommand,
  type HeadObjectCommandOutput,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { AppError } from '../domain/errors.ts';
import type { StoredObject } from './object-store.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { isAbsent, readS3Failure } from './s3-faults.ts';

/**
 * How "a key is never overwritten" holds on S3: the request that makes an object visible carries `If-None-Match: *`, and the
 * server refuses it where the key is taken. A server that does not know this condition is found out by the probe that also proves
 * that we may write; there, and before the end of each multipart upload, where fewer servers know it, the key is looked at first.
 * What is left is an instant in which two writers of one key could meet; all keys but those of outputs are random.
 *
 * Each object is marked with a random `writer`. An answer that got lost, and the refusal of the same request sent again, is thus
 * told from the refusal of a stranger.
 */
export interface S3Publishing {
  /**
   * @param send the request, with the condition or without; sent again by itself where it fails for a moment
   * @throws `storage-object-exists`; raw errors of the SDK
   */
  publish(object: Publication, send: (condition: Condition) => Promise<unknown>): Promise<void>;
  /** Writes, tries to overwrite and removes an object of no name. Throws raw errors of the SDK. */
  probe(): Promise<void>;
}

export type Condition = { readonly IfNoneMatch?: '*' };

export interface Publication extends StoredObject {
  readonly key: string;
  readonly writer: string;
  readonly isMultipart: boolean;
}

export interface PublishingDeps {
  readonly bucket: S3Bucket;
  /** `.` at the beginning: no key of ours. */
  readonly probePrefix: string;
  checksum(key: string): Promise<StoredObject>;
}

type Conditions = 'honoured' | 'ignored' | 'refused';

export function createS3Publishing({
  bucket,
  probePrefix,
  checksum,
}: PublishingDeps): S3Publishing {
  let known: Conditions | undefined;

  const put = (path: string, condition: Condition) => {
    const command = new PutObjectCommand({
      Bucket: bucket.name,
      Key: path,
      Body: 'x',
      ...condition,
    });
    return bucket.ask((client, abortSignal) => client.send(command, { abortSignal }));
  };

  /** Whether the object was written; `refused` where the server does not take the condition. */
  const tryCondition = async (path: string): Promise<'written' | 'taken' | 'refused'> => {
    try {
      await put(path, { IfNoneMatch: '*' });
      return 'written';
    } catch (error) {
      const { code, status } = readS3Failure(error);
      if (status === 412) return 'taken';
      if (status === 501 || code === 'NotImplemented') return 'refused';
      throw error;
    }
  };

  const probe = async (): Promise<Conditions> => {
    const path = `${probePrefix}${randomBytes(12).toString('hex')}`;
    const first = await tryCondition(path);
    if (first === 'refused') await put(path, {});
    const second = first === 'refused' ? first : await tryCondition(path);
    const command = new DeleteObjectCommand({ Bucket: bucket.name, Key: path });
    await bucket.ask((client, abortSignal) => client.send(command, { abortSignal }));
    known = second === 'taken' ? 'honoured' : second === 'refused' ? 'refused' : 'ignored';
    return known;
  };

  /** A key that is taken by the same bytes is as good as published. */
  const settle = async (there: HeadObjectCommandOutput, mine: Publication): Promise<void> => {
    if (there.Metadata?.['writer'] === mine.writer) return;
    const { key, sizeBytes, sha256 } = mine;
    const isSame =
      there.ContentLength === sizeBytes &&
      (there.Metadata?.['sha256'] ?? (await checksum(key)).sha256) === sha256;
    if (!isSame) throw new AppError('storage-object-exists', { key });
  };

  return {
    async publish(object, send) {
      const conditions = known ?? (await probe());
      if (object.isMultipart || conditions !== 'honoured') {
        const there = await bucket.head(object.key);
        if (there !== undefined) return settle(there, object);
      }
      try {
        await send(conditions === 'refused' ? {} : { IfNoneMatch: '*' });
      } catch (error) {
        const there = mayBeThere(error) ? await bucket.head(object.key) : undefined;
        if (there === undefined) throw error;
        return settle(there, object);
      }
      if (object.isMultipart) await assertWhole(bucket, object);
    },

    async probe() {
      await probe();
    },
  };
}

/** Refused because the key is taken, or because the upload has come to its end before: by a request whose answer was lost. */
function mayBeThere(error: unknown): boolean {
  const failure = readS3Failure(error);
  return failure.status === 412 || isAbsent(failure);
}

async function assertWhole(bucket: S3Bucket, { key, sizeBytes }: Publication): Promise<void> {
  const foundBytes = (await bucket.head(key))?.ContentLength ?? null;
  if (foundBytes !== sizeBytes)
    throw new AppError('storage-object-missing', { key, sizeBytes, foundBytes });
}
