import { randomBytes, randomUUID } from 'node:crypto';
import { getEventListeners } from 'node:events';
import {
  constants,
  copyFile,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../src/domain/errors.ts';
import type { Disk } from '../../src/storage/disk.ts';
import { withFileCache } from '../../src/storage/file-cache.ts';
import { createLocalStore } from '../../src/storage/local-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { waitUntil } from '../support/wait-until.ts';

const newKey = () => `videos/work/1/${randomUUID()}.bin`;
const failing = (code: string) => expect.objectContaining({ code });

let folder: string;
let inner: ObjectStore;
/** Keys that were fetched from the store behind the cache. */
let fetched: string[];
/** Called before each such fetch. */
let before: (signal: AbortSignal | undefined) => Promise<void>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steadyreel-cache-'));
  const local = await createLocalStore({ root: join(folder, 'media') });
  fetched = [];
  before = async () => undefined;
  inner = {
    ...local,
    async stat(key) {
      const facts = await local.stat(key);
      return facts && { ...facts, etag: (await local.checksum(key)).sha256 };
    },
    async fetchToFile(key, path, signal, expected) {
      fetched.push(key);
      await before(signal);
      // As over a network: the file is the caller's alone.
      const named = newPath();
      await local.fetchToFile(key, named, signal, expected);
      await copyFile(named, path, constants.COPYFILE_EXCL);
      await rm(named);
    },
  };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = (maxBytes = 1_000_000, disk?: Pick<Disk, 'measure'>) =>
  withFileCache(inner, { folder: join(folder, 'cache'), maxBytes, ...(disk && { disk }) });
const newPath = () => join(folder, randomUUID());

async function store(bytes: Buffer): Promise<string> {
  const key = newKey();
  await inner.put(key, once(bytes));
  return key;
}

async function* once(bytes: Buffer) {
  yield bytes;
}

async function cached(): Promise<readonly string[]> {
  return readdir(join(folder, 'cache'));
}

describe('a store with a cache of files', () => {
  it('fetches an object once, whoever wants it, at the same time or later', async () => {
    const bytes = randomBytes(300_000);
    const key = await store(bytes);
    const cache = await open();
    const paths = Array.from({ length: 5 }, newPath);
    await Promise.all(paths.map((path) => cache.fetchToFile(key, path)));
    const later = newPath();
    await (await open()).fetchToFile(key, later);

    expect(fetched).toEqual([key]);
    for (const path of [...paths, later]) expect((await readFile(path)).equals(bytes)).toBe(true);
    await expect(cache.fetchToFile(key, later)).rejects.toEqual(failing('storage-unavailable'));
  });

  it('does not fetch what was stored here', async () => {
    const cache = await open();
    const bytes = randomBytes(1000);
    const source = newPath();
    await writeFile(source, bytes);
    const key = newKey();
    await cache.putFile(key, source);
    await rm(source);

    const path = newPath();
    await cache.fetchToFile(key, path);
    expect(fetched).toEqual([]);
    expect((await readFile(path)).equals(bytes)).toBe(true);
  });

  it('never gives what is gone, or what has another size than was said', async () => {
    const cache = await open();
    const key = await store(randomBytes(1000));
    await cache.fetchToFile(key, newPath());
    await expect(cache.fetchToFile(key, newPath(), undefined, { sizeBytes: 999 })).rejects.toEqual(
      failing('storage-object-missing'),
    );
    await inner.delete([key]);
    await expect(cache.fetchToFile(key, newPath())).rejects.toEqual(
      failing('storage-object-missing'),
    );
  });

  it('takes an object that was replaced for another one', async () => {
    const cache = await open();
    const key = await store(Buffer.from('first bytes'));
    await cache.fetchToFile(key, newPath());
    await inner.delete([key]);
    await inner.put(key, once(Buffer.from('other bytes!')));
    const path = newPath();
    await cache.fetchToFile(key, path);
    expect(await readFile(path, 'utf8')).toBe('other bytes!');
  });

  it('fetches again what was damaged on the disk', async () => {
    const cache = await open();
    const key = await store(randomBytes(1000));
    const kept = join(folder, 'cache');
    await cache.fetchToFile(key, newPath());
    // The store of this test shares its bytes, so the name is given to others.
    const [name = ''] = await readdir(kept);
    await rm(join(kept, name));
    await writeFile(join(kept, name), randomBytes(1000));
    await truncate(join(kept, name), 10);
    const path = newPath();
    await cache.fetchToFile(key, path);
    expect((await stat(path)).size).toBe(1000);
    expect(fetched).toHaveLength(2);
  });

  it('lets go of what was used longest ago, and of nothing that somebody works with', async () => {
    const cache = await open(2500);
    const [a, b, c] = [
      await store(randomBytes(1000)),
      await store(randomBytes(1000)),
      await store(randomBytes(1000)),
    ] as const;
    const pathOfB = newPath();
    await cache.fetchToFile(a, newPath());
    await cache.fetchToFile(b, pathOfB);
    await cache.fetchToFile(a, newPath());
    await cache.fetchToFile(c, newPath());
    expect(await cached()).toHaveLength(2);
    expect((await stat(pathOfB)).size).toBe(1000);

    fetched = [];
    await cache.fetchToFile(a, newPath());
    await cache.fetchToFile(c, newPath());
    expect(fetched).toEqual([]);
    await cache.fetchToFile(b, newPath());
    expect(fetched).toEqual([b]);
  });

  it('keeps one that is larger than all until the next one comes', async () => {
    const cache = await open(500);
    const large = await store(randomBytes(5000));
    await cache.fetchToFile(large, newPath());
    await cache.fetchToFile(large, newPath());
    expect(fetched).toEqual([large]);
    const small = await store(randomBytes(100));
    await cache.fetchToFile(small, newPath());
    expect(await cached()).toHaveLength(1);
  });

  it('goes on for the others when one leaves, and stops when all have left', async () => {
    const cache = await open();
    const key = await store(randomBytes(1000));
    const gate = Promise.withResolvers<void>();
    let isStopped = false;
    before = (signal) => {
      signal?.addEventListener('abort', () => {
        isStopped = true;
        gate.resolve();
      });
      return gate.promise;
    };
    const [stop, never] = [new AbortController(), new AbortController()];
    const left = cache.fetchToFile(key, newPath(), stop.signal);
    const stays = cache.fetchToFile(key, newPath(), never.signal);
    // Both wait for it: who waits listens.
    await waitUntil(
      () => [stop, never].map(({ signal }) => getEventListeners(signal, 'abort').length),
      (listeners) => listeners.every((count) => count > 0),
    );
    expect(fetched).toHaveLength(1);
    stop.abort();
    await expect(left).rejects.toMatchObject({ name: 'AbortError' });
    expect(isStopped).toBe(false);
    gate.resolve();
    await stays;

    const other = await store(randomBytes(1000));
    const last = new AbortController();
    before = (signal) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      });
    const alone = cache.fetchToFile(other, newPath(), last.signal);
    await waitUntil(
      () => fetched.length,
      (count) => count === 2,
    );
    last.abort();
    await expect(alone).rejects.toMatchObject({ name: 'AbortError' });
    before = async () => undefined;
    await cache.fetchToFile(other, newPath());
    expect(fetched).toHaveLength(3);
  });

  it('gives up what it keeps where the disk is full', async () => {
    const cache = await open();
    const key = await store(randomBytes(1000));
    const used = newPath();
    await cache.fetchToFile(key, used);
    await rm(used);
    let isFull = true;
    before = async () => {
      if (isFull) {
        isFull = false;
        throw new AppError('disk-full');
      }
    };
    const other = await store(randomBytes(1000));
    await cache.fetchToFile(other, newPath());
    expect(await cached()).toHaveLength(1);
  });

  it('gives way before a download that would not leave the margin free, in the order of use, but keeps what is worked with', async () => {
    let freeBytes = 5000;
    const disk = {
      measure: async () => ({ totalBytes: 10_000, freeBytes, keptBytes: 0, marginBytes: 1000 }),
    };
    const cache = await open(1_000_000, disk);
    const paths: string[] = [];
    for (let count = 0; count < 3; count += 1) {
      const path = newPath();
      await cache.fetchToFile(await store(randomBytes(1000)), path);
      paths.push(path);
    }
    const inUse = (await cached()).length;
    expect(inUse).toBe(3);
    expect(cache.keptBytes()).toBe(3000);

    // The oldest is being worked with; the second would come free.
    await rm(paths[1] ?? '');
    freeBytes = 1500;
    const waiting = cache.fetchToFile(await store(randomBytes(1000)), newPath());
    await expect(waiting).rejects.toEqual(failing('disk-full'));
    expect(await cached()).toHaveLength(2);
    expect(fetched).toHaveLength(3);

    freeBytes = 2500;
    await cache.fetchToFile(await store(randomBytes(1000)), newPath());
    expect(await cached()).toHaveLength(3);
  });

  it('forgets what is deleted, and tells each failure to all who wait', async () => {
    const cache = await open();
    const key = await store(randomBytes(1000));
    await cache.fetchToFile(key, newPath());
    await cache.delete([key]);
    expect(await cached()).toEqual([]);

    const broken = await store(randomBytes(1000));
    before = async () => {
      throw new AppError('storage-unavailable');
    };
    const results = await Promise.allSettled(
      [1, 2, 3].map(() => cache.fetchToFile(broken, newPath())),
    );
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    before = async () => undefined;
    await cache.fetchToFile(broken, newPath());
  });
});
