import { createHash } from 'node:crypto';
import { link, mkdir, readdir, rename, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../domain/errors.ts';
import { formatBytes } from '../domain/disk-space.ts';
import type { Disk, KeptFiles } from './disk.ts';
import { isLinkRefusal, linkOrCopy } from './durable-files.ts';
import { createIncomingFolder, ignoreMissing } from './incoming-folder.ts';
import type { ObjectFacts, ObjectStore, StoredObject } from './object-store.ts';
import { errnoOf, toStorageFault } from './storage-faults.ts';

export interface FileCacheOptions {
  /** Absolute; on the volume of those who fetch, so that they get links and not copies. Several processes may share it. */
  readonly folder: string;
  /** Above this the files that were used longest ago go. A single larger one stays until the next comes. */
  readonly maxBytes: number;
  /** Asked before a download, so that it leaves the margin free; left out, a download goes on until the disk is full. */
  readonly disk?: Pick<Disk, 'measure'>;
}

interface Entry {
  readonly sizeBytes: number;
}

type Expected = Partial<StoredObject> & Pick<StoredObject, 'sizeBytes'>;

interface Download {
  readonly done: Promise<void>;
  readonly stop: AbortController;
  waiting: number;
}

/**
 * A store in front of which the files of this host are kept: what was fetched or stored here is not fetched again.
 *
 * Names of files come from key and etag, so an object that was replaced is not taken for the old one; whether it is still there
 * is asked each time. Several who want one object at once share one download, which ends when none of them wants it any more.
 * A file that is evicted while somebody works with it goes on to exist for him. Where the disk is short the files give way.
 */
export async function withFileCache(
  store: ObjectStore,
  { folder, maxBytes, disk }: FileCacheOptions,
): Promise<ObjectStore & KeptFiles> {
  const incoming = createIncomingFolder(folder);
  const downloads = new Map<string, Download>();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await incoming.sweep();
  /** In the order of use, the longest ago first. */
  const entries = await readEntries(folder);
  let downloadingBytes = 0;

  const drop = async (name: string): Promise<void> => {
    entries.delete(name);
    await unlink(join(folder, name)).catch(ignoreMissing);
  };

  const keptBytes = (): number => {
    let total = 0;
    for (const { sizeBytes } of entries.values()) total += sizeBytes;
    return total;
  };

  const evict = async (limitBytes: number, kept: string): Promise<void> => {
    let total = keptBytes();
    for (const [name, { sizeBytes }] of entries) {
      if (total <= limitBytes) return;
      if (name === kept) continue;
      total -= sizeBytes;
      await drop(name);
    }
  };

  const giveWay = async (bytes: number): Promise<void> => {
    let freed = 0;
    for (const [name, { sizeBytes }] of entries) {
      if (freed >= bytes) return;
      // A second name means that somebody works with it: nothing would come free, and it would be fetched again.
      const facts = await stat(join(folder, name)).catch(ignoreMissing);
      if ((facts?.nlink ?? 1) > 1) continue;
      freed += sizeBytes;
      await drop(name);
    }
  };

  /** @throws `disk-full` where a download would not leave the margin free */
  const makeRoom = async (sizeBytes: number): Promise<void> => {
    if (disk === undefined) return;
    const countMissing = async (): Promise<number> => {
      const { freeBytes, marginBytes } = await disk.measure();
      return downloadingBytes + marginBytes - freeBytes;
    };
    await giveWay(await countMissing());
    const missingBytes = await countMissing();
    if (missingBytes <= 0) return;
    const detail = `A file of ${formatBytes(sizeBytes)} has to be fetched, for which ${formatBytes(missingBytes)} of disk are missing.`;
    throw new AppError('disk-full', { detail, sizeBytes, missingBytes });
  };

  const enter = async (name: string, sizeBytes: number): Promise<void> => {
    entries.delete(name);
    entries.set(name, { sizeBytes });
    await evict(maxBytes, name);
  };

  /** Whether the file is there, whole. */
  const touch = async (name: string, sizeBytes: number): Promise<boolean> => {
    const file = join(folder, name);
    const facts = await stat(file).catch(ignoreMissing);
    if (facts?.size !== sizeBytes) {
      if (facts !== undefined) await drop(name);
      entries.delete(name);
      return false;
    }
    const now = new Date();
    await utimes(file, now, now).catch(ignoreMissing);
    entries.delete(name);
    entries.set(name, { sizeBytes });
    return true;
  };

  const download = async (
    key: string,
    name: string,
    { signal, expected }: { signal: AbortSignal; expected: Expected },
  ): Promise<void> => {
    const fetch = async () => {
      const draft = incoming.newPath();
      await store.fetchToFile(key, draft, signal, expected);
      const { size } = await stat(draft);
      await rename(draft, join(folder, name));
      await enter(name, size);
    };
    downloadingBytes += expected.sizeBytes;
    try {
      await makeRoom(expected.sizeBytes);
      await fetch().catch(async (error: unknown) => {
        if (!(error instanceof AppError) || error.code !== 'disk-full') throw error;
        // What is kept for later must not stand in the way of what is needed now.
        await giveWay(Number.POSITIVE_INFINITY);
        await fetch();
      });
    } finally {
      downloadingBytes -= expected.sizeBytes;
    }
  };

  const share = async (
    key: string,
    name: string,
    { signal, expected }: { signal: AbortSignal | undefined; expected: Expected },
  ): Promise<void> => {
    let shared = downloads.get(name);
    if (shared === undefined || shared.stop.signal.aborted) {
      const stop = new AbortController();
      const started: Download = {
        stop,
        waiting: 0,
        done: download(key, name, { signal: stop.signal, expected }).finally(() => {
          if (downloads.get(name) === started) downloads.delete(name);
        }),
      };
      started.done.catch(() => undefined);
      downloads.set(name, started);
      shared = started;
    }
    shared.waiting += 1;
    try {
      await unlessAborted(shared.done, signal);
    } finally {
      shared.waiting -= 1;
      if (shared.waiting === 0) shared.stop.abort();
    }
  };

  const fetchToFile: ObjectStore['fetchToFile'] = async (key, path, signal, expected = {}) => {
    signal?.throwIfAborted();
    const facts = await store.stat(key);
    if (facts === undefined) throw new AppError('storage-object-missing', { key });
    const { sizeBytes } = facts;
    if (expected.sizeBytes !== undefined && expected.sizeBytes !== sizeBytes)
      throw new AppError('storage-object-missing', { key, ...expected, foundBytes: sizeBytes });
    const name = nameOf(key, facts);
    for (let attempt = 1; ; attempt += 1) {
      try {
        if (!(await touch(name, sizeBytes)))
          await share(key, name, { signal, expected: { ...expected, sizeBytes } });
        await linkOrCopy(join(folder, name), path, signal);
        return;
      } catch (error) {
        // Evicted between the two steps.
        if (errnoOf(error) !== 'ENOENT' || attempt === 3)
          throw toStorageFault(error, { key, path });
      }
    }
  };

  /** Only worth a link: the file is here for somebody else's sake. */
  const keep = async (key: string, path: string): Promise<void> => {
    const facts = await store.stat(key);
    if (facts === undefined) return;
    const name = nameOf(key, facts);
    try {
      await link(path, join(folder, name));
      await enter(name, facts.sizeBytes);
    } catch (error) {
      if (!isLinkRefusal(error) && errnoOf(error) !== 'EEXIST') throw error;
    }
  };

  return {
    ...store,
    fetchToFile,
    keptBytes,
    giveWay,

    async putFile(key, path, options) {
      const stored = await store.putFile(key, path, options);
      await keep(key, path).catch(() => undefined);
      return stored;
    },

    async delete(keys) {
      await store.delete(keys);
      const gone = new Set(keys.map(hash));
      for (const name of entries.keys())
        if (gone.has(name.split('-')[0] ?? '')) await drop(name).catch(() => undefined);
    },
  };
}

function nameOf(key: string, { etag, sizeBytes, modifiedAt }: ObjectFacts): string {
  return `${hash(key)}-${hash(etag ?? `${sizeBytes} ${modifiedAt.getTime()}`)}`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** What an earlier process left here is used on. */
async function readEntries(folder: string): Promise<Map<string, Entry>> {
  const found: { name: string; sizeBytes: number; usedMs: number }[] = [];
  for (const name of await readdir(folder)) {
    if (!/^[0-9a-f]{32}-[0-9a-f]{32}$/.test(name)) continue;
    const facts = await stat(join(folder, name)).catch(ignoreMissing);
    if (facts) found.push({ name, sizeBytes: facts.size, usedMs: facts.mtimeMs });
  }
  const ordered = found.toSorted((a, b) => a.usedMs - b.usedMs);
  return new Map(ordered.map(({ name, sizeBytes }) => [name, { sizeBytes }]));
}

/** The work goes on for the others. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason as Error);
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
