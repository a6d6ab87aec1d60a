import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../config/env.ts';
import { ABANDONED_GRACES } from '../config/settings.ts';
import { placeOf, type SpacesConfig } from '../config/spaces.ts';
import type { Database } from '../db/database.ts';
import { findCountingPlace } from '../db/object-moves.ts';
import { AppError } from '../domain/errors.ts';
import type { StoreName } from '../domain/storage-migration.ts';
import type { Logger } from '../observability/logger.ts';
import { joinStores, type NamedStore } from '../storage/joined-stores.ts';
import { createLocalStore } from '../storage/local-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { S3Store } from '../storage/s3-store.ts';

/** The stores that the settings name. */
export interface OpenedStores {
  /** All of them as one. */
  readonly store: ObjectStore;
  /** Each by itself, the main one first. */
  readonly stores: readonly NamedStore[];
  /** Of the main store; absent where no viewer is ever sent to it. */
  readonly allowPages?: S3Store['allowPages'];
  close(): void;
}

export interface OpenStoresDeps {
  readonly logger: Logger;
  readonly database: Database;
  /** What is put in front of a bucket in `store`; nothing when left out. */
  readonly inFront?: (name: StoreName, bucket: ObjectStore) => Promise<ObjectStore>;
}

/** The place of a disk: whichever folder it is, there is one. */
const DISK = 'local';

/**
 * The main store, where new objects go, and those from which older ones are still read: the disk, where media have lain on it, and
 * the bucket where they lay before.
 */
export async function openStores(
  config: Config,
  { logger, database, inFront = async (_name, bucket) => bucket }: OpenStoresDeps,
): Promise<OpenedStores> {
  const { spaces, oldSpaces } = config;
  const main = spaces ? await openBucket('spaces', spaces, config) : await openDisk(config);
  const others: OpenedStore[] = [
    ...(spaces && hasDisk(config) ? [await openDisk(config)] : []),
    ...(oldSpaces ? [await openBucket('old-spaces', oldSpaces, config)] : []),
  ];
  const stores = [main, ...others];
  for (const opened of stores) void report(opened, logger);
  const whichCounts = (key: string) => database.run((em) => findCountingPlace(em, key));
  const placed = async ({ name, place, store, bucket }: OpenedStore) => ({
    place,
    store: bucket ? await inFront(name, store) : store,
  });
  const joined = {
    main: await placed(main),
    others: await Promise.all(others.map((other) => placed(other))),
    whichCounts,
  };
  return {
    store: others.length === 0 ? joined.main.store : joinStores(joined),
    stores,
    ...(main.allowPages === undefined ? {} : { allowPages: main.allowPages }),
    close() {
      for (const opened of stores) opened.close();
    },
  };
}

interface OpenedStore extends NamedStore {
  /** What to say of it at start. */
  readonly bucket?: SpacesConfig;
  readonly allowPages?: S3Store['allowPages'];
  close(): void;
}

async function openDisk(config: Config): Promise<OpenedStore> {
  const store = await createLocalStore({ root: config.mediaRoot, idFile: idFileOf(config) });
  return { name: 'local', place: DISK, store, close: () => undefined };
}

/** Media have lain on this disk. A folder that is gone has been cleared away; a volume that is not mounted leaves its own behind. */
function hasDisk({ mediaRoot }: Config): boolean {
  return existsSync(mediaRoot);
}

function idFileOf({ dataDir }: Config): string {
  return path.join(dataDir, 'media-root-id');
}

async function openBucket(
  name: StoreName,
  bucket: SpacesConfig,
  { reconcileGraceSeconds }: Config,
): Promise<OpenedStore> {
  // 60 MB and a second, which a disk does not need.
  const { createS3Store } = await import('../storage/s3-store.ts');
  const abandonedMs = ABANDONED_GRACES * reconcileGraceSeconds * 1000;
  const store = createS3Store({ ...bucket, abandonedMs });
  const { allowPages, close } = store;
  return { name, place: placeOf(bucket), store, bucket, allowPages, close };
}

/** A store that cannot be reached is no reason not to start: it may come, and `/readyz` says so until then. */
async function report({ name, store, bucket }: OpenedStore, logger: Logger): Promise<void> {
  if (bucket === undefined) return;
  const { endpoint, bucket: bucketName, prefix } = bucket;
  const fields = { endpoint, bucket: bucketName, prefix };
  try {
    await store.checkWritable();
    logger.info(
      fields,
      name === 'spaces'
        ? 'media lie in object storage'
        : 'older media are read from object storage',
    );
  } catch (error) {
    const details = error instanceof AppError ? error.details : { err: error };
    logger.error(
      { ...fields, ...details },
      `object storage cannot be used: ${error instanceof Error ? error.message : 'unknown fault'}`,
    );
  }
}
