import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../src/domain/errors.ts';
import { joinStores } from '../../src/storage/joined-stores.ts';
import { createLocalStore } from '../../src/storage/local-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';

const MIB = 1024 ** 2;
const newKey = () => `videos/work/1/${randomUUID()}.bin`;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const failing = (code: string) => expect.objectContaining({ code });

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('videos/')) keys.push(key);
  return keys;
}

describe('several stores as one', () => {
  let folder: string;
  let main: ObjectStore;
  let old: ObjectStore;
  /** The store without a disk's cheapness, so that it is asked last. */
  let remote: ObjectStore;
  let joined: ObjectStore;
  let counting: Record<string, string>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'steadyreel-joined-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    const open = () => createLocalStore({ root: join(folder, randomUUID()) });
    [main, old] = await Promise.all([open(), open()]);
    remote = { ...main, sharesBytes: false };
    counting = {};
    joined = join2(remote, old);
  });

  function join2(mainStore: ObjectStore, oldStore: ObjectStore): ObjectStore {
    return joinStores({
      main: { place: 'new', store: mainStore },
      others: [{ place: 'old', store: oldStore }],
      whichCounts: async (key) => counting[key],
    });
  }

  /** A store that does not answer. */
  const away = (store: ObjectStore): ObjectStore => {
    const refuse = () => Promise.reject(new AppError('storage-unavailable'));
    return {
      ...store,
      stat: refuse,
      delete: refuse,
      read: () => ({ [Symbol.asyncIterator]: () => ({ next: refuse }) }),
    };
  };

  it('writes to the main store and reads from wherever an object lies', async () => {
    const [here, there] = [newKey(), newKey()];
    const bytes = randomBytes(1000);
    await joined.put(here, one(bytes));
    await old.put(there, one(bytes));

    expect(await keysOf(main)).toEqual([here]);
    expect(await keysOf(joined)).toEqual([here, there].toSorted());
    for (const key of [here, there]) {
      expect(await joined.stat(key)).toMatchObject({ sizeBytes: 1000 });
      expect(await collect(joined.read(key, { start: 10, end: 19 }))).toEqual(
        bytes.subarray(10, 20),
      );
      expect(await joined.checksum(key)).toEqual({ sizeBytes: 1000, sha256: sha256(bytes) });
      await joined.fetchToFile(key, join(folder, randomUUID()));
    }
    await joined.link(there, `${there}2`);
    expect(await main.checksum(`${there}2`)).toMatchObject({ sha256: sha256(bytes) });
  });

  it('lets the store count that it is told to, whichever is asked first otherwise', async () => {
    const key = newKey();
    await old.put(key, one(Buffer.from('old')));
    await main.put(key, one(Buffer.from('new')));
    for (const place of ['new', 'old', 'new']) {
      counting[key] = place;
      expect(String(await collect(joined.read(key)))).toBe(place);
    }
    counting[key] = 'a place that nobody knows any more';
    expect(String(await collect(joined.read(key)))).toBe('old');
  });

  it('rule 44: goes on in the other store, at the next byte, when an object goes away under a reader', async () => {
    const bytes = randomBytes(3 * MIB);
    const key = newKey();
    await old.put(key, one(bytes));
    await main.put(key, one(bytes));
    const breaking: ObjectStore = {
      ...old,
      async *read(...args) {
        let given = 0;
        for await (const chunk of old.read(...args)) {
          yield chunk;
          given += chunk.length;
          if (given > MIB) throw new AppError('storage-object-missing', { key });
        }
      },
    };
    const both = join2(remote, breaking);
    expect((await collect(both.read(key))).equals(bytes)).toBe(true);
    const range = { start: 5, end: 2.5 * MIB };
    expect((await collect(both.read(key, range))).equals(bytes.subarray(5, range.end + 1))).toBe(
      true,
    );
  });

  it('rule 44: reads past a store that does not answer, and believes it of no object that it is gone', async () => {
    const key = newKey();
    await main.put(key, one(Buffer.from('here')));
    const both = join2(remote, away(old));
    expect(String(await collect(both.read(key)))).toBe('here');
    expect(await both.stat(key)).toMatchObject({ sizeBytes: 4 });

    await expect(both.stat(newKey())).rejects.toEqual(failing('storage-unavailable'));
    await expect(collect(both.read(newKey()))).rejects.toEqual(failing('storage-unavailable'));
    expect(await joined.stat(newKey())).toBeUndefined();
    await expect(collect(joined.read(newKey()))).rejects.toEqual(failing('storage-object-missing'));
  });

  it('takes a key for taken wherever it is', async () => {
    const key = newKey();
    const file = join(folder, randomUUID());
    await old.put(key, one(Buffer.from('first')));
    await old.fetchToFile(key, file);
    expect(await joined.putFile(key, file)).toMatchObject({ sizeBytes: 5 });

    await main.delete([key]);
    await expect(joined.put(key, one(Buffer.from('other')))).rejects.toEqual(
      failing('storage-object-exists'),
    );
    expect(await main.stat(key)).toBeUndefined();
    expect(String(await collect(joined.read(key)))).toBe('first');
  });

  it('deletes everywhere, and says where it could not', async () => {
    const key = newKey();
    await old.put(key, one(Buffer.from('twice')));
    await main.put(key, one(Buffer.from('twice')));
    expect(await keysOf(joined)).toEqual([key]);

    await expect(join2(remote, away(old)).delete([key])).rejects.toEqual(
      failing('storage-unavailable'),
    );
    expect(await main.stat(key)).toBeUndefined();
    await joined.delete([key]);
    expect(await joined.stat(key)).toBeUndefined();
  });
});
