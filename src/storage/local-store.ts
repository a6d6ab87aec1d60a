import { randomBytes } from 'node:crypto';
import { lstat, realpath, rename, rmdir, unlink, utimes } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { AppError } from '../domain/errors.ts';
import {
  isLinkRefusal,
  linkNew,
  linkOrCopy,
  makeFolder,
  renameNew,
  syncFolder,
} from './durable-files.ts';
import { type FileSink, openFileSink } from './file-sink.ts';
import { hashFile } from './hash-file.ts';
import { createIncomingFolder, ignoreMissing } from './incoming-folder.ts';
import { listFiles } from './list-files.ts';
import { assertKeyPrefix, assertObjectKey } from './object-key.ts';
import type { ObjectStore, PutOptions, StoredObject } from './object-store.ts';
import { readFileRange } from './read-file-range.ts';
import { errnoOf, toStorageFault, withStorageFaults } from './storage-faults.ts';
import { openVolumeMarker } from './volume-marker.ts';

/** Never listed, never a key: keys have no segment that starts with a dot. */
const INCOMING = '.incoming';

export interface LocalStoreOptions {
  /** Absolute. Made where it is missing, unless it was there before. */
  readonly root: string;
  /** Absolute, outside of `root`: remembers which folder was used, so that one whose volume is not mounted is not taken for it. */
  readonly idFile?: string;
  /** Called at named instants, so that a test can end the process there. */
  readonly crashPoint?: (name: string) => void;
}

/** A disk can do what copies of other stores need, and no store that people use: change what lies under a key. */
export interface LocalStore extends ObjectStore {
  /** Like `put`, but takes the place of what is there, in one step. */
  replace(
    key: string,
    source: AsyncIterable<Uint8Array>,
    options?: PutOptions,
  ): Promise<StoredObject>;
  /** Makes an object as young as now. */
  touch(key: string): Promise<void>;
}

/**
 * Objects as plain files below `root`, key = path.
 *
 * New bytes are written in `root/.incoming`, synced, and get their name by a hard link, which fails where the name is taken;
 * then the folder is synced and the first name removed. A kill at any point leaves either nothing under the key or all of it.
 *
 * A root that is not the one used before, as when its volume is not mounted, makes every call fail with `storage-unavailable`.
 */
export async function createLocalStore({
  root,
  idFile,
  crashPoint = () => undefined,
}: LocalStoreOptions): Promise<LocalStore> {
  const incoming = createIncomingFolder(join(root, INCOMING));
  const volume = await openVolumeMarker({ root, idFile });

  /** Where a key lies. A symbolic link on the way that leads out of the store is refused. */
  const locate = async (key: string): Promise<string> => {
    assertObjectKey(key);
    const realRoot = await volume.check();
    const path = join(realRoot, key);
    const folder = await nearestFolder(dirname(path));
    if (!isInside(realRoot, folder))
      throw new AppError('storage-unavailable', { key, reason: 'leads out of the store' });
    return path;
  };

  /** Publishes a finished file of `incoming` and removes its first name. */
  const publish = async (
    sink: FileSink,
    key: string,
    mayReplace = false,
  ): Promise<StoredObject> => {
    try {
      const path = await locate(key);
      const stored = await sink.finish();
      crashPoint('store-file-synced');
      if (mayReplace) await renameOver(sink.path, path);
      else
        await name(sink.path, path, {
          key,
          sha256: async () => stored.sha256,
          fallback: () => renameNew(sink.path, path),
        });
      crashPoint('store-file-published');
      return stored;
    } finally {
      await sink.discard();
    }
  };

  const openSink = async (): Promise<FileSink> => {
    await volume.check();
    await makeFolder(incoming.path);
    return openFileSink(incoming.newPath());
  };

  const put = async (
    key: string,
    source: AsyncIterable<Uint8Array>,
    { signal, sizeBytes: expectedBytes }: PutOptions,
    mayReplace = false,
  ): Promise<StoredObject> => {
    await locate(key);
    const sink = await openSink();
    let sizeBytes = 0;
    try {
      for await (const chunk of source) {
        signal?.throwIfAborted();
        sizeBytes += chunk.length;
        await sink.write(chunk);
      }
      signal?.throwIfAborted();
      if (expectedBytes !== undefined && expectedBytes !== sizeBytes)
        throw new AppError('storage-object-missing', { key, expectedBytes, sizeBytes });
      return await publish(sink, key, mayReplace);
    } catch (error) {
      await sink.discard();
      throw error;
    }
  };

  /** The bytes of a file that stays where it is under a key: shared where the volume can, copied where not. */
  const share = async (
    path: string,
    key: string,
    sha256: () => Promise<string>,
    signal?: AbortSignal,
  ): Promise<void> => {
    const fallback = async () =>
      void (await put(key, readFileRange(path, undefined, signal), signal ? { signal } : {}));
    await name(path, await locate(key), { key, sha256, fallback });
  };

  return {
    sharesBytes: true,

    put: (key, source, options = {}) => withStorageFaults({ key }, () => put(key, source, options)),

    replace: (key, source, options = {}) =>
      withStorageFaults({ key }, () => put(key, source, options, true)),

    touch: (key) =>
      withStorageFaults({ key }, async () => {
        const now = new Date();
        await utimes(await locate(key), now, now);
      }),

    putFile: (key, path, { signal } = {}) =>
      withStorageFaults({ key }, async () => {
        const stored = await hashFile(path, signal);
        await share(path, key, async () => stored.sha256, signal);
        return stored;
      }),

    async openSink(key) {
      assertObjectKey(key);
      const sink = await withStorageFaults({ key }, openSink);
      return {
        write: (chunk) => withStorageFaults({ key }, () => sink.write(chunk)),
        commit: () => withStorageFaults({ key }, () => publish(sink, key)),
        abort: () => withStorageFaults({ key }, () => sink.discard()),
      };
    },

    async *read(key, range, signal) {
      try {
        yield* readFileRange(await locate(key), range, signal);
      } catch (error) {
        throw toStorageFault(error, { key });
      }
    },

    stat: (key) =>
      withStorageFaults({ key }, async () => {
        const path = await locate(key);
        const facts = await lstat(path).catch(ignoreMissing);
        return facts?.isFile() ? { sizeBytes: facts.size, modifiedAt: facts.mtime } : undefined;
      }),

    fetchToFile: (key, path, signal) =>
      withStorageFaults({ key }, async () => {
        signal?.throwIfAborted();
        await linkOrCopy(await locate(key), path, signal);
      }),

    checksum: (key, signal) =>
      withStorageFaults({ key }, async () => hashFile(await locate(key), signal)),

    addressOf: () => Promise.resolve(undefined),

    link: (fromKey, toKey) =>
      withStorageFaults({ key: toKey, fromKey }, async () => {
        const from = await locate(fromKey);
        await share(from, toKey, async () => (await hashFile(from)).sha256);
      }),

    delete: (keys) =>
      withStorageFaults({}, async () => {
        for (const key of keys) {
          const path = await locate(key);
          await unlink(path).catch(ignoreMissing);
          await pruneEmptyFolders(dirname(path), await realpath(root));
        }
      }),

    async *list(prefix, { after = '' } = {}) {
      assertKeyPrefix(prefix);
      yield* listFiles(await volume.check(), prefix, after);
    },

    checkWritable: () =>
      withStorageFaults({}, async () => {
        const sink = await openSink();
        try {
          await sink.write(randomBytes(1));
          await sink.finish();
        } finally {
          await sink.discard();
        }
      }),

    sweepIncoming: () =>
      withStorageFaults({}, async () => {
        await volume.check();
        return incoming.sweep();
      }),
  };
}

interface NameOptions {
  readonly key: string;
  /** Asked only where the name is taken. */
  readonly sha256: () => Promise<string>;
  /** Where hard links cannot be had. */
  readonly fallback: () => Promise<void>;
}

/** Publishes a synced file under its name. A name that is taken is fine when the bytes are the same. */
async function name(
  from: string,
  to: string,
  { key, sha256, fallback }: NameOptions,
): Promise<void> {
  try {
    await linkNew(from, to).catch((error: unknown) => {
      if (!isLinkRefusal(error)) throw error;
      return fallback();
    });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    if ((await hashFile(to)).sha256 !== (await sha256()))
      throw new AppError('storage-object-exists', { key }, { cause: error });
  }
  await syncFolder(dirname(to));
}

async function renameOver(from: string, to: string): Promise<void> {
  await makeFolder(dirname(to));
  await rename(from, to);
  await syncFolder(dirname(to));
}

/** Stops at the first folder that holds something, and at `root`. */
async function pruneEmptyFolders(folder: string, root: string): Promise<void> {
  for (let path = folder; isInside(root, path) && path !== root; path = dirname(path)) {
    try {
      await rmdir(path);
    } catch (error) {
      if (['ENOTEMPTY', 'EEXIST', 'EBUSY'].includes(errnoOf(error) ?? '')) return;
      ignoreMissing(error);
    }
  }
}

/** The real place of a folder, or of the first one above it that exists. */
async function nearestFolder(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    ignoreMissing(error);
    return nearestFolder(dirname(path));
  }
}

function isInside(root: string, path: string): boolean {
  const below = relative(root, path);
  return below === '' || !below.startsWith('..');
}
