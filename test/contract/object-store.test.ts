import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { watch } from 'node:fs';
import {
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { joinStores } from '../../src/storage/joined-stores.ts';
import { createLocalStore } from '../../src/storage/local-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createS3Store, type S3Store, type S3StoreOptions } from '../../src/storage/s3-store.ts';
import { hasS3Server, type S3Server, startS3Server } from '../support/s3-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const MIB = 1024 ** 2;

const canRunS3 = hasS3Server();
let folder: string;
let s3: S3Server | undefined;
const s3Stores: S3Store[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steadyreel-store-'));
  if (canRunS3) s3 = await startS3Server();
});
afterAll(async () => {
  for (const store of s3Stores) store.close();
  await s3?.close();
  await rm(folder, { recursive: true, force: true });
});

function openS3(changes: Partial<S3StoreOptions> = {}): S3Store {
  if (s3 === undefined) throw new Error('there is no S3 server');
  const store = createS3Store({ ...s3.settings, ...changes });
  s3Stores.push(store);
  return store;
}

const openDisk = (name: string) => createLocalStore({ root: join(folder, name) });

/** A store beside one from which media are still read. */
async function openTwo(open: () => Promise<ObjectStore>): Promise<ObjectStore> {
  const other = { place: 'other', store: await openDisk(randomUUID()) };
  const main = { place: 'main', store: await open() };
  return joinStores({ main, others: [other], whichCounts: async () => undefined });
}

/** One suite for every store: what holds here is what the product relies on. */
const STORES: readonly (readonly [name: string, open: () => Promise<ObjectStore>])[] = [
  ['local', () => createLocalStore({ root: join(folder, 'media') })],
  ['a disk, and another before it', () => openTwo(async () => openDisk('main'))],
  ...(canRunS3
    ? ([
        ['S3', async () => openS3()],
        ['S3, and a disk before it', () => openTwo(async () => openS3({ prefix: 'joined/' }))],
        // Of the smallest parts, below a prefix, with the SDK's own checksums.
        [
          'S3 in parts',
          async () =>
            openS3({
              prefix: 'shared/product/',
              partBytes: 5 * MIB,
              copyBytes: 5 * MIB,
              checksums: 'when-supported',
            }),
        ],
      ] as const)
    : []),
];

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const newKey = () => `videos/work/1/${randomUUID()}.bin`;

async function* chunksOf(bytes: Buffer, size = 100_000): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += size)
    yield bytes.subarray(start, start + size);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

async function keysOf(store: ObjectStore, prefix: string, after?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix, after === undefined ? {} : { after }))
    keys.push(key);
  return keys;
}

const failing = (code: string) => expect.objectContaining({ code });
const countDescriptors = async () => (await readdir('/proc/self/fd')).length;

describe.each(STORES)('object store: %s', (_name, open) => {
  let store: ObjectStore;
  beforeAll(async () => {
    store = await open();
  });

  it.each([0, 1, 262_144, 3_000_001, 5 * MIB, 21 * MIB + 5])(
    'gives back %d bytes as they came',
    async (size) => {
      const key = newKey();
      const bytes = randomBytes(size);

      expect(await store.put(key, chunksOf(bytes))).toEqual({
        sizeBytes: size,
        sha256: sha256(bytes),
      });
      expect((await collect(store.read(key))).equals(bytes)).toBe(true);
      const facts = await store.stat(key);
      expect(facts?.sizeBytes).toBe(size);
      expect(Math.abs(Date.now() - Number(facts?.modifiedAt))).toBeLessThan(60_000);
    },
  );

  it('reads exactly the asked range, whatever its length', async () => {
    const key = newKey();
    const bytes = randomBytes(2_000_000);
    await store.put(key, chunksOf(bytes));

    for (const [start, end] of [
      [0, 0],
      [5, 5],
      [65_535, 65_536],
      [1, 1_999_998],
      [1_999_999, 1_999_999],
    ] as const) {
      const part = await collect(store.read(key, { start, end }));
      expect(part.equals(bytes.subarray(start, end + 1))).toBe(true);
    }
  });

  it('serves many readers of one object at once', async () => {
    const key = newKey();
    const bytes = randomBytes(3_000_000);
    await store.put(key, chunksOf(bytes));

    const copies = await Promise.all(Array.from({ length: 40 }, () => collect(store.read(key))));
    expect(copies.every((copy) => copy.equals(bytes))).toBe(true);
  });

  it('fails with storage-object-missing where there is nothing', async () => {
    const key = newKey();
    expect(await store.stat(key)).toBeUndefined();
    await expect(collect(store.read(key))).rejects.toEqual(failing('storage-object-missing'));
    await expect(store.link(key, newKey())).rejects.toEqual(failing('storage-object-missing'));
    await expect(store.fetchToFile(key, join(folder, randomUUID()))).rejects.toEqual(
      failing('storage-object-missing'),
    );
  });

  it('fails with storage-object-missing when an object ends before the range', async () => {
    const key = newKey();
    await store.put(key, chunksOf(randomBytes(1000)));
    await expect(collect(store.read(key, { start: 0, end: 1000 }))).rejects.toEqual(
      failing('storage-object-missing'),
    );
  });

  it('takes the same bytes under the same key twice, and refuses others', async () => {
    const key = newKey();
    const bytes = randomBytes(5000);
    await store.put(key, chunksOf(bytes));

    await store.put(key, chunksOf(bytes));
    await expect(store.put(key, chunksOf(randomBytes(5000)))).rejects.toEqual(
      failing('storage-object-exists'),
    );
    const other = join(folder, randomUUID());
    await writeFile(other, 'other bytes');
    await expect(store.putFile(key, other)).rejects.toEqual(failing('storage-object-exists'));
    expect((await collect(store.read(key))).equals(bytes)).toBe(true);
  });

  it('lets one of two writers of a key win', async () => {
    const key = newKey();
    const results = await Promise.allSettled(
      [1, 2, 3].map(() => store.put(key, chunksOf(randomBytes(300_000)))),
    );
    const won = results.filter((result) => result.status === 'fulfilled');
    expect(won).toHaveLength(1);
    expect(sha256(await collect(store.read(key)))).toBe(won[0]?.value.sha256);
  });

  it.each([
    '',
    '/etc/passwd',
    '../x',
    'videos/../../x',
    'videos//x',
    'videos/./x',
    'a\0b',
    '.incoming/x',
    'videos/.x',
    'x/',
    'a\\b',
    'x'.repeat(2000),
  ])('refuses the key %j', async (key) => {
    await expect(store.put(key, chunksOf(Buffer.from('x')))).rejects.toEqual(
      failing('internal-error'),
    );
    await expect(store.stat(key)).rejects.toEqual(failing('internal-error'));
    await expect(collect(store.read(key))).rejects.toEqual(failing('internal-error'));
    await expect(store.delete([key])).rejects.toEqual(failing('internal-error'));
  });

  it('stores a file, brings it back, and gives it a second name', async () => {
    const bytes = randomBytes(700_000);
    const path = join(folder, randomUUID());
    await writeFile(path, bytes);
    const key = newKey();

    expect(await store.putFile(key, path)).toEqual({ sizeBytes: 700_000, sha256: sha256(bytes) });
    await unlink(path);
    const second = newKey();
    await store.link(key, second);
    await store.link(key, second);
    await store.delete([key]);
    const fetched = join(folder, randomUUID());
    await store.fetchToFile(second, fetched);

    expect((await readFile(fetched)).equals(bytes)).toBe(true);
    await expect(store.fetchToFile(second, fetched)).rejects.toEqual(
      failing('storage-unavailable'),
    );
  });

  it('says what an object is, and brings nothing that is not what was expected', async () => {
    const key = newKey();
    const bytes = randomBytes(400_000);
    const stored = await store.put(key, chunksOf(bytes), { sizeBytes: bytes.length });
    expect(await store.checksum(key)).toEqual(stored);
    await expect(store.checksum(newKey())).rejects.toEqual(failing('storage-object-missing'));

    const path = join(folder, randomUUID());
    await store.fetchToFile(key, path, undefined, stored);
    expect((await readFile(path)).equals(bytes)).toBe(true);
  });

  it.each([999, 1001])(
    'refuses a stream of 1000 bytes that was said to have %d',
    async (sizeBytes) => {
      const key = newKey();
      await expect(store.put(key, chunksOf(randomBytes(1000)), { sizeBytes })).rejects.toEqual(
        failing('storage-object-missing'),
      );
      expect(await store.stat(key)).toBeUndefined();
    },
  );

  it('gives a large object a second name, and refuses a name that is taken by another', async () => {
    const key = newKey();
    const second = newKey();
    const bytes = randomBytes(11 * MIB);
    await store.put(key, chunksOf(bytes));
    await store.link(key, second);
    await store.link(key, second);
    expect((await collect(store.read(second))).equals(bytes)).toBe(true);

    const other = newKey();
    await store.put(other, chunksOf(randomBytes(11 * MIB)));
    await expect(store.link(other, second)).rejects.toEqual(failing('storage-object-exists'));
    expect((await store.checksum(second)).sha256).toBe(sha256(bytes));
  });

  it('takes the same large bytes under the same key twice, and leaves no part of them behind', async () => {
    const key = newKey();
    const bytes = randomBytes(17 * MIB);
    await store.put(key, chunksOf(bytes));
    await store.put(key, chunksOf(bytes));
    await expect(store.put(key, chunksOf(randomBytes(17 * MIB)))).rejects.toEqual(
      failing('storage-object-exists'),
    );
    expect((await store.checksum(key)).sha256).toBe(sha256(bytes));
    expect(await s3?.countUploads()).toBe(s3 && 0);
  });

  it('shows nothing of a sink before commit, all of it after', async () => {
    const key = newKey();
    const bytes = randomBytes(900_000);
    const sink = await store.openSink(key);
    for await (const chunk of chunksOf(bytes, 7_001)) await sink.write(chunk);
    expect(await store.stat(key)).toBeUndefined();
    expect(await keysOf(store, '')).not.toContain(key);

    expect(await sink.commit()).toEqual({ sizeBytes: 900_000, sha256: sha256(bytes) });
    await sink.abort();
    expect((await collect(store.read(key))).equals(bytes)).toBe(true);
  });

  it('may be given the same buffer again and again', async () => {
    const key = newKey();
    const sink = await store.openSink(key);
    const buffer = Buffer.alloc(10_000);
    for (let i = 0; i < 100; i += 1) await sink.write(buffer.fill(i));
    await sink.commit();

    const read = await collect(store.read(key));
    expect(Array.from({ length: 100 }, (_, i) => read[i * 10_000 + 5])).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
  });

  it('leaves nothing after an abort or a source that fails', async () => {
    const key = newKey();
    const sink = await store.openSink(key);
    await sink.write(randomBytes(400_000));
    await sink.abort();
    await sink.abort();

    async function* broken() {
      yield randomBytes(400_000);
      throw new Error('the sender left');
    }
    await expect(store.put(key, broken())).rejects.toThrow('the sender left');

    const stop = new AbortController();
    async function* endless() {
      for (let i = 0; ; i += 1) {
        if (i === 3) stop.abort();
        yield randomBytes(100_000);
      }
    }
    await expect(store.put(key, endless(), { signal: stop.signal })).rejects.toThrow(/abort/);
    expect(await store.stat(key)).toBeUndefined();
    expect(await store.sweepIncoming()).toBe(0);
  });

  it('lists by prefix in the order of keys', async () => {
    const base = `videos/list-${randomUUID()}`;
    const keys = [
      `${base}/a-b.bin`,
      `${base}/a.bin`,
      `${base}/a/1.bin`,
      `${base}/a/2.bin`,
      `${base}/b.bin`,
    ];
    for (const key of keys.toReversed()) await store.put(key, chunksOf(Buffer.from(key)));

    expect(await keysOf(store, `${base}/`)).toEqual(keys.toSorted());
    expect(await keysOf(store, `${base}/a`)).toEqual(keys.slice(0, 4).toSorted());
    expect(await keysOf(store, `${base}/a/`)).toEqual(keys.slice(2, 4));
    expect(await keysOf(store, 'videos/none/')).toEqual([]);
    for (const [index, key] of keys.toSorted().entries())
      expect(await keysOf(store, `${base}/`, key)).toEqual(keys.toSorted().slice(index + 1));
    expect(await keysOf(store, `${base}/`, `${base}/a/1.zzz`)).toEqual(keys.slice(3));
    expect(await keysOf(store, `${base}/`, `${base}/`)).toEqual(keys.toSorted());
    await expect(keysOf(store, '../')).rejects.toEqual(failing('internal-error'));
  });

  it('deletes many, and again', async () => {
    const base = `videos/gone-${randomUUID()}`;
    const keys = [`${base}/1.bin`, `${base}/x/2.bin`];
    for (const key of keys) await store.put(key, chunksOf(Buffer.from(key)));

    await store.delete(keys);
    await store.delete(keys);
    expect(await keysOf(store, base)).toEqual([]);
    await store.put(`${base}/1.bin`, chunksOf(Buffer.from('again')));
  });

  it('keeps storing while others empty the same folder', async () => {
    const base = `videos/busy-${randomUUID()}`;
    await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const key = `${base}/${i}.bin`;
        await store.put(key, chunksOf(Buffer.from(key)));
        await store.delete([key]);
      }),
    );
    expect(await keysOf(store, base)).toEqual([]);
  });

  it('closes what it opened when a reader leaves, aborts or fails', async () => {
    const key = newKey();
    await store.put(key, chunksOf(randomBytes(1_000_000)));
    const before = await countDescriptors();

    for (let i = 0; i < 50; i += 1) {
      for await (const chunk of store.read(key)) if (chunk.length > 0) break;
      const stop = new AbortController();
      const aborted = (async () => {
        for await (const chunk of store.read(key, undefined, stop.signal))
          if (chunk.length > 0) stop.abort();
      })();
      await expect(aborted).rejects.toThrow(/abort/);
      await collect(store.read(key, { start: 0, end: 2_000_000 })).catch(() => undefined);
    }
    // Connections that wait to be used again may be fewer.
    await waitUntil(countDescriptors, (count) => count <= before);
  });

  it('can be written to', async () => {
    await expect(store.checkWritable()).resolves.toBeUndefined();
  });
});

describe('local store', () => {
  const openIn = async () => {
    const root = await mkdtemp(join(folder, 'local-'));
    return { root, store: await createLocalStore({ root }) };
  };

  it('does not follow links that lead out', async () => {
    const { root, store } = await openIn();
    const outside = join(folder, randomUUID());
    await mkdir(outside);
    await writeFile(join(outside, 'secret.bin'), 'secret');
    await symlink(outside, join(root, 'videos'));
    await symlink(join(outside, 'secret.bin'), join(root, 'direct.bin'));

    await expect(collect(store.read('videos/secret.bin'))).rejects.toEqual(
      failing('storage-unavailable'),
    );
    await expect(store.put('videos/new.bin', chunksOf(Buffer.from('x')))).rejects.toEqual(
      failing('storage-unavailable'),
    );
    await expect(store.put('videos/a/b/new.bin', chunksOf(Buffer.from('x')))).rejects.toEqual(
      failing('storage-unavailable'),
    );
    await expect(store.delete(['videos/secret.bin'])).rejects.toEqual(
      failing('storage-unavailable'),
    );
    await expect(collect(store.read('direct.bin'))).rejects.toEqual(failing('storage-unavailable'));
    expect(await store.stat('direct.bin')).toBeUndefined();
    expect(await readdir(outside)).toEqual(['secret.bin']);
  });

  it('removes unfinished files of dead writers and leaves those of live ones', async () => {
    const { root, store } = await openIn();
    const sink = await store.openSink('videos/work/1/kept.bin');
    await sink.write(randomBytes(300_000));
    const [mine] = await readdir(join(root, '.incoming'));
    const host = mine?.split('-')[0] ?? '';
    await writeFile(
      join(root, '.incoming', `${host}-4194000-12345-aa.part`),
      'of a process that is gone',
    );
    await writeFile(
      join(root, '.incoming', `${host}-${process.pid}-1-aa.part`),
      'of an earlier process with our pid',
    );
    await writeFile(join(root, '.incoming', 'ffffffff-1-1-aa.part'), 'of another host');

    expect(await store.sweepIncoming()).toBe(2);
    expect(new Set(await readdir(join(root, '.incoming')))).toEqual(
      new Set([mine, 'ffffffff-1-1-aa.part']),
    );
    await sink.commit();
    expect(await store.stat('videos/work/1/kept.bin')).toMatchObject({ sizeBytes: 300_000 });
  });

  it('shares bytes instead of copying them', async () => {
    const { root, store } = await openIn();
    await store.put('videos/a.bin', chunksOf(Buffer.from('bytes')));
    await store.link('videos/a.bin', 'videos/b/c.bin');
    const probe = join(root, 'probe');
    await link(join(root, 'videos/b/c.bin'), probe);
    await writeFile(probe, 'BYTES');
    expect(String(await collect(store.read('videos/a.bin')))).toBe('BYTES');
  });

  it('removes folders that become empty, up to its root', async () => {
    const { root, store } = await openIn();
    await store.put('videos/streams/7/v1/240p.mp4', chunksOf(Buffer.from('x')));
    await store.delete(['videos/streams/7/v1/240p.mp4']);
    expect((await readdir(root)).toSorted()).toEqual(['.incoming', '.steadyreel-store']);
  });

  it('copies to another volume, and leaves nothing there when it is told to stop', async () => {
    const { root, store } = await openIn();
    const elsewhere = await mkdtemp('/dev/shm/steadyreel-store-');
    try {
      expect((await stat(elsewhere)).dev).not.toBe((await stat(root)).dev);
      const bytes = randomBytes(16_000_000);
      await store.put('videos/a.bin', chunksOf(bytes));
      const path = join(elsewhere, 'a.bin');
      await store.fetchToFile('videos/a.bin', path);
      expect((await readFile(path)).equals(bytes)).toBe(true);

      await expect(store.fetchToFile('videos/a.bin', path)).rejects.toEqual(
        failing('storage-unavailable'),
      );
      expect((await readFile(path)).equals(bytes)).toBe(true);

      const stop = new AbortController();
      const copying = store.fetchToFile('videos/a.bin', join(elsewhere, 'b.bin'), stop.signal);
      const watcher = watch(elsewhere, () => stop.abort());
      await expect(copying).rejects.toMatchObject({ name: 'AbortError' });
      watcher.close();
      expect(await readdir(elsewhere)).toEqual(['a.bin']);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });
});

describe('local store on a volume that may not be mounted', () => {
  /** A root that was used, and then is empty as a mount point is without its volume. */
  const openUsed = async () => {
    const base = await mkdtemp(join(folder, 'volume-'));
    const options = { root: join(base, 'media'), idFile: join(base, 'data', 'media-root-id') };
    const store = await createLocalStore(options);
    await store.put('videos/a.bin', chunksOf(Buffer.from('bytes')));
    return {
      options,
      store,
      async unmount() {
        await rename(options.root, `${options.root}.unmounted`);
        await mkdir(options.root);
      },
      async mount() {
        await rmdir(options.root);
        await rename(`${options.root}.unmounted`, options.root);
      },
    };
  };
  const away = expect.objectContaining({
    code: 'storage-unavailable',
    message: expect.stringContaining('is its volume mounted?'),
  });

  it('never says that an object is gone, and writes nothing, until the volume is back', async () => {
    const { options, store, unmount, mount } = await openUsed();
    await unmount();
    for (const each of [store, await createLocalStore(options)]) {
      await expect(each.stat('videos/a.bin')).rejects.toEqual(away);
      await expect(collect(each.read('videos/a.bin'))).rejects.toEqual(away);
      await expect(keysOf(each, 'videos/')).rejects.toEqual(away);
      await expect(each.delete(['videos/a.bin'])).rejects.toEqual(away);
      await expect(each.openSink('videos/b.bin')).rejects.toEqual(away);
      await expect(each.put('videos/b.bin', chunksOf(Buffer.from('x')))).rejects.toEqual(away);
      await expect(each.checkWritable()).rejects.toEqual(away);
      await expect(each.sweepIncoming()).rejects.toEqual(away);
      expect(await readdir(options.root)).toEqual([]);
    }
    const early = await createLocalStore(options);
    await mount();
    expect(await early.stat('videos/a.bin')).toMatchObject({ sizeBytes: 5 });
    expect(await store.stat('videos/a.bin')).toMatchObject({ sizeBytes: 5 });
  });

  it('does not make a folder where a whole mount point is missing', async () => {
    const { options, store } = await openUsed();
    await rename(options.root, `${options.root}.unmounted`);
    await expect(store.stat('videos/a.bin')).rejects.toEqual(away);
    await expect((await createLocalStore(options)).checkWritable()).rejects.toEqual(away);
    expect(await readdir(join(options.root, '..'))).not.toContain('media');
  });

  it('refuses the volume of another store, and says what to do where that is meant', async () => {
    const { options } = await openUsed();
    const other = await openUsed();
    const mixed = await createLocalStore({ ...options, root: other.options.root });
    await expect(mixed.stat('videos/a.bin')).rejects.toMatchObject({
      code: 'storage-unavailable',
      details: { remedy: expect.stringContaining(options.idFile) },
    });
  });

  it('takes over a root that was used before by somebody else, or by several at once', async () => {
    const { options } = await openUsed();
    const idFile = (name: string) => join(options.root, '..', name, 'id');
    const fresh = { root: `${options.root}.fresh` };
    const stores = await Promise.all([
      createLocalStore({ ...options, idFile: idFile('second') }),
      ...['a', 'b', 'c'].map((name) => createLocalStore({ ...fresh, idFile: idFile(name) })),
    ]);
    for (const store of stores) await store.checkWritable();
    const ids = await Promise.all(['a', 'b', 'c'].map((name) => readFile(idFile(name), 'utf8')));
    expect(new Set(ids).size).toBe(1);
  });
});
