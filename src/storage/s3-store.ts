import { createHash } from 'node:crypto';
import { stat as statFile } from 'node:fs/promises';
import { AppError } from '../domain/errors.ts';
import { openFileSink } from './file-sink.ts';
import { assertKeyPrefix, assertObjectKey } from './object-key.ts';
import type {
  ByteRange,
  ObjectFacts,
  ObjectSink,
  ObjectStore,
  PutOptions,
  StoredObject,
} from './object-store.ts';
import { PART_BYTES } from './part-sizes.ts';
import { signAddress } from './presign.ts';
import { readFileRange } from './read-file-range.ts';
import { openS3Bucket } from './s3-bucket.ts';
import type { S3Settings } from './s3-clients.ts';
import { allowPages, type PageAccess } from './s3-cors.ts';
import { copyS3Object } from './s3-copy.ts';
import { deleteS3Objects, listS3Objects } from './s3-listing.ts';
import { createS3Publishing } from './s3-publish.ts';
import { READ_PATIENCE, type ReadPatience, readS3Object } from './s3-read.ts';
import type { Patience } from './s3-retry.ts';
import { sweepS3Uploads } from './s3-sweep.ts';
import { openS3Upload, type S3Upload, type UploadDeps } from './s3-upload.ts';
import { toStorageFault } from './storage-faults.ts';
import { createTurns } from './turns.ts';

export interface S3StoreOptions extends S3Settings {
  /** Parts under way at once in this process. Memory: the size of a part for each, and for each upload. */
  readonly partsAtOnce?: number;
  /** From 5 MiB. */
  readonly partBytes?: number;
  /** Age of the newest part from which an upload is taken for dead. */
  readonly abandonedMs?: number;
  /** Objects up to this size are copied by one request. */
  readonly copyBytes?: number;
  /** How long requests are repeated. */
  readonly patience?: Partial<Patience>;
  readonly readPatience?: ReadPatience;
  /** The clock of addresses. */
  readonly now?: () => Date;
}

/** The object store, what only a bucket needs, and an end for its connections. */
export interface S3Store extends ObjectStore {
  /** Sees to it that scripts of pages at `origin` may read what they are sent to, where we may. */
  allowPages(origin: string): Promise<PageAccess>;
  close(): void;
}

const DAY_MS = 86_400_000;
/** What S3 takes in one copy. */
const MOST_COPY_BYTES = 5 * 1024 ** 3;
const MOST_REMEMBERED = 2_000;
/** Anybody may ask whether we are ready, and writes cost money: what was written this long ago is proof enough. */
const PROVEN_MS = 60_000;

/**
 * Objects in a bucket of S3 or of what speaks its language, key = prefix + key.
 *
 * Integrity on the way in: each request is signed over the SHA-256 of its body, so a server refuses what was altered on the way;
 * after a multipart upload the size is asked for. On the way out: callers who say what they expect get that or an error.
 */
export function createS3Store(options: S3StoreOptions): S3Store {
  const { partsAtOnce = 3, partBytes = PART_BYTES, abandonedMs = DAY_MS, prefix } = options;
  const { readPatience = READ_PATIENCE, copyBytes = MOST_COPY_BYTES } = options;
  const { now = () => new Date() } = options;
  const bucket = openS3Bucket(options, options.patience);
  const read = (key: string, range?: ByteRange, signal?: AbortSignal) =>
    readS3Object(bucket, key, { range, signal, patience: readPatience });
  const checksum = (key: string, signal?: AbortSignal) => hashAll(read(key, undefined, signal));
  const publishing = createS3Publishing({ bucket, probePrefix: `${prefix}.probe/`, checksum });
  const uploads: UploadDeps = {
    bucket,
    publishing,
    partBytes,
    turns: createTurns(partsAtOnce),
    live: new Set(),
  };
  let writtenAt = Number.NEGATIVE_INFINITY;
  const remembered = new Map<string, { readonly facts: ObjectFacts; readonly seenAt: number }>();

  const faults = <T>(key: string, action: () => Promise<T>): Promise<T> =>
    bucket.withFaults({ key: key.slice(0, 200) }, action);

  const statNow = async (key: string): Promise<ObjectFacts | undefined> => {
    const found = await bucket.head(key);
    remembered.delete(key);
    if (found === undefined) return undefined;
    const facts = {
      sizeBytes: found.ContentLength ?? 0,
      modifiedAt: found.LastModified ?? new Date(0),
      ...(found.ETag === undefined ? {} : { etag: found.ETag }),
    };
    remember(remembered, key, facts);
    return facts;
  };

  const put = async (
    key: string,
    source: AsyncIterable<Uint8Array>,
    putOptions: PutOptions,
  ): Promise<StoredObject> => {
    const upload = openS3Upload(uploads, key, putOptions);
    try {
      for await (const chunk of source) {
        putOptions.signal?.throwIfAborted();
        await upload.write(chunk);
      }
      putOptions.signal?.throwIfAborted();
      return await upload.finish();
    } catch (error) {
      await upload.abort().catch(() => undefined);
      throw error;
    }
  };

  return {
    sharesBytes: false,

    put: (key, source, putOptions = {}) => faults(key, () => put(key, source, putOptions)),

    putFile: (key, path, putOptions = {}) =>
      faults(key, async () => {
        assertObjectKey(key);
        const { size: sizeBytes } = await statFile(path).catch((error: unknown) => {
          throw toStorageFault(error, { path });
        });
        const source = fromDisk(path, putOptions.signal);
        return put(key, source, { ...putOptions, sizeBytes });
      }),

    async openSink(key, sinkOptions = {}) {
      assertObjectKey(key);
      return toSink(openS3Upload(uploads, key, sinkOptions), (action) => faults(key, action));
    },

    async *read(key, range, signal) {
      try {
        yield* read(key, range, signal);
      } catch (error) {
        throw await bucket.toFault(error, { key });
      }
    },

    stat: (key, { maxAgeMs = 0 } = {}) =>
      faults(key, async () => {
        assertObjectKey(key);
        const memory = remembered.get(key);
        const isFresh = memory !== undefined && performance.now() - memory.seenAt < maxAgeMs;
        return isFresh ? memory.facts : statNow(key);
      }),

    fetchToFile: (key, path, signal, expected = {}) =>
      faults(key, async () => {
        assertObjectKey(key);
        signal?.throwIfAborted();
        await fetchToFile(read(key, undefined, signal), path, { key, ...expected });
      }),

    checksum: (key, signal) => faults(key, () => checksum(key, signal)),

    async addressOf(key, addressOptions) {
      // By the server's clock, where it was found to differ from ours.
      const nowMs = now().getTime() + bucket.clients.control.config.systemClockOffset;
      return signAddress(options, bucket.pathOf(key), addressOptions, nowMs);
    },

    allowPages: (origin) => bucket.withFaults({}, () => allowPages(bucket, options, origin)),

    link: (fromKey, toKey) =>
      faults(toKey, () => copyS3Object({ bucket, checksum, copyBytes }, fromKey, toKey)),

    delete: (keys) =>
      bucket.withFaults({}, async () => {
        for (const key of keys) assertObjectKey(key);
        await deleteS3Objects(bucket, keys);
        for (const key of keys) remembered.delete(key);
      }),

    async *list(keyPrefix, { after } = {}) {
      assertKeyPrefix(keyPrefix);
      const path = `${prefix}${keyPrefix}`;
      try {
        yield* listS3Objects(bucket, path, after === undefined ? undefined : `${prefix}${after}`);
      } catch (error) {
        throw await bucket.toFault(error, { prefix: keyPrefix });
      }
    },

    checkWritable: () =>
      bucket.withFaults({}, async () => {
        // Twice: the first answer may tell the SDK by how much our clock is wrong.
        await bucket.reach({ attempts: 2 });
        if (performance.now() - writtenAt < PROVEN_MS) return;
        await publishing.probe();
        writtenAt = performance.now();
      }),

    sweepIncoming: () =>
      bucket.withFaults({}, () =>
        sweepS3Uploads(bucket, { prefix: `${prefix}videos/`, live: uploads.live, abandonedMs }),
      ),

    close: () => bucket.clients.destroy(),
  };
}

function remember(
  memory: Map<string, { readonly facts: ObjectFacts; readonly seenAt: number }>,
  key: string,
  facts: ObjectFacts,
): void {
  memory.set(key, { facts, seenAt: performance.now() });
  const [oldest] = memory.keys();
  if (memory.size > MOST_REMEMBERED && oldest !== undefined) memory.delete(oldest);
}

function toSink(upload: S3Upload, faults: <T>(action: () => Promise<T>) => Promise<T>): ObjectSink {
  return {
    write: (chunk) => faults(() => upload.write(chunk)),
    commit: () => faults(() => upload.finish()),
    abort: () => faults(() => upload.abort()),
  };
}

async function* fromDisk(
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    yield* readFileRange(path, undefined, signal);
  } catch (error) {
    throw toStorageFault(error, { path });
  }
}

async function hashAll(source: AsyncIterable<Uint8Array>): Promise<StoredObject> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of source) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}

/** Nothing is left at the path unless it is what was expected. */
async function fetchToFile(
  source: AsyncIterable<Uint8Array>,
  path: string,
  expected: { readonly key: string } & Partial<StoredObject>,
): Promise<void> {
  const disk = <T>(action: Promise<T>) =>
    action.catch((error: unknown) => {
      throw toStorageFault(error, { path });
    });
  const sink = await disk(openFileSink(path));
  try {
    for await (const chunk of source) await disk(sink.write(chunk));
    const found = await disk(sink.finish());
    const isExpected =
      found.sizeBytes === (expected.sizeBytes ?? found.sizeBytes) &&
      found.sha256 === (expected.sha256 ?? found.sha256);
    if (!isExpected)
      throw new AppError('storage-object-missing', {
        reason: 'damaged',
        ...expected,
        found: { ...found },
      });
  } catch (error) {
    await sink.discard();
    throw error;
  }
}
