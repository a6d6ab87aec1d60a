import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, stat, truncate, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ObjectRow } from '../../../src/domain/judge-copy.ts';
import { createLocalStore, type LocalStore } from '../../../src/storage/local-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import {
  findMissing,
  type ObjectRows,
  pruneObjects,
  saveObjects,
} from '../../../src/storage/save-objects.ts';

const A = 'videos/original/a.mp4';
const B = 'videos/streams/1/v1/720p.mp4';
const TWIN = 'videos/compressed/1/v1.mp4';

describe('saveObjects', () => {
  let folder: string;
  let from: LocalStore;
  let to: LocalStore;
  /** What rows say, by key. */
  let known: Map<string, ObjectRow>;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'steadyreel-save-'));
    from = await createLocalStore({ root: path.join(folder, 'from') });
    to = await createLocalStore({ root: path.join(folder, 'to') });
    known = new Map();
    await put(from, A, 'first');
    await put(from, B, 'second');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const rows: ObjectRows = {
    find: async (keys) => new Map([...known].filter(([key]) => keys.includes(key))),
    withoutOwner: async (keys) => keys.filter((key) => !known.has(key)),
    async *named() {
      yield [...known.keys()].map((key) => ({ key }));
    },
  };
  const save = (source: ObjectStore = from) =>
    saveObjects({ from: source, to, rows }, new AbortController().signal);

  /** A row that says that an object is this text. */
  function enter(key: string, text: string): void {
    const sha256 = createHash('sha256').update(text).digest('hex');
    known.set(key, { sizeBytes: text.length, sha256 });
  }

  async function makeYounger(key: string): Promise<void> {
    const later = new Date(Date.now() + 60_000);
    await utimes(path.join(folder, 'from', key), later, later);
  }

  it('copies each object once, and later only what is new', async () => {
    expect(await save()).toMatchObject({
      keys: new Set([A, B]),
      copiedObjects: 2,
      copiedBytes: 11,
    });
    await put(from, 'videos/work/1/x.mp4', 'third');
    expect(await save()).toMatchObject({ copiedObjects: 1, copiedBytes: 5 });
    expect(await textOf(to, 'videos/work/1/x.mp4')).toBe('third');
  });

  it('copies several at a time, each into a folder of its own', async () => {
    for (let id = 1; id <= 40; id += 1) await put(from, `videos/thumbnails/${id}/v1/1.jpg`, 'a');
    expect(await save()).toMatchObject({ copiedObjects: 42 });
    expect(await save()).toMatchObject({ copiedObjects: 0 });
  });

  it('copies anew what bears a name that was given out again, by the word of its row alone', async () => {
    await save();
    await from.delete([B]);
    await put(from, B, 'sec0nd');
    await makeYounger(B);
    expect(await save()).toMatchObject({ copiedObjects: 0 });
    enter(B, 'sec0nd');
    expect(await save()).toMatchObject({ copiedObjects: 1 });
    expect(await textOf(to, B)).toBe('sec0nd');
  });

  it('reads what was moved to another store once more from the copy, and fetches nothing', async () => {
    await save();
    enter(A, 'first');
    const past = new Date(Date.now() - 60_000);
    await utimes(path.join(folder, 'to', A), past, past);
    let checked = 0;
    const counting: LocalStore = {
      ...to,
      checksum(key) {
        checked += 1;
        return to.checksum(key);
      },
    };
    for (let night = 1; night <= 2; night += 1) {
      const saved = await saveObjects({ from, to: counting, rows }, new AbortController().signal);
      expect(saved.copiedObjects).toBe(0);
    }
    expect(checked).toBe(1);
  });

  it('keeps its copy of what became damaged, and tells', async () => {
    enter(A, 'first');
    await save();
    await truncate(path.join(folder, 'from', A), 2);
    await makeYounger(A);
    expect(await save()).toMatchObject({ copiedObjects: 0, unsound: { keys: [A], inCopy: 1 } });
    expect(await textOf(to, A)).toBe('first');
    await to.delete([A]);
    await save();
    expect(await to.stat(A)).toBeUndefined();
  });

  it('replaces a copy that is not what the row says, which is there until the new one is whole', async () => {
    await put(to, A, 'another');
    enter(A, 'first');
    const broken: ObjectStore = {
      ...from,
      async *read(key) {
        yield Buffer.from('fi');
        throw new Error(`no more of ${key}`);
      },
    };
    await expect(save(broken)).rejects.toThrow('no more of');
    expect(await textOf(to, A)).toBe('another');
    await save();
    expect(await textOf(to, A)).toBe('first');
  });

  it('has the bytes once that rows name twice', async () => {
    await put(from, TWIN, 'second');
    for (const key of [B, TWIN]) enter(key, 'second');
    expect(await save()).toMatchObject({ copiedObjects: 3, copiedBytes: 11 });
    const [one, other] = await Promise.all(
      [B, TWIN].map((key) => stat(path.join(folder, 'to', key))),
    );
    expect(one?.ino).toBe(other?.ino);
    await to.delete([B]);
    expect(await save()).toMatchObject({ copiedObjects: 1, copiedBytes: 0 });
    expect(await textOf(to, B)).toBe('second');
  });

  it('leaves out what is deleted meanwhile, and deletes nothing itself', async () => {
    await save();
    const vanishing: ObjectStore = {
      ...from,
      async *read(key) {
        await from.delete([key]);
        yield* from.read(key);
      },
    };
    await put(from, 'videos/work/1/y.mp4', 'fourth');
    await from.delete([A]);
    expect(await save(vanishing)).toMatchObject({ keys: new Set([B]), copiedObjects: 0 });
    expect(await textOf(to, A)).toBe('first');
  });

  it('fails where an object cannot be read and is there', async () => {
    const short: ObjectStore = {
      ...from,
      async *read() {
        yield Buffer.from('f');
      },
    };
    await expect(save(short)).rejects.toMatchObject({ code: 'storage-object-missing' });
  });

  it('has ended all copying when it fails', async () => {
    for (let id = 1; id <= 40; id += 1) await put(from, `videos/thumbnails/${id}/v1/1.jpg`, 'a');
    let reads = 0;
    let open = 0;
    const broken: ObjectStore = {
      ...from,
      async *read(_key, _range, signal) {
        reads += 1;
        if (reads === 1) throw new Error('broken');
        open += 1;
        try {
          if (signal?.aborted === false) await once(signal, 'abort');
          signal?.throwIfAborted();
          yield Buffer.from('never');
        } finally {
          open -= 1;
        }
      },
    };
    await expect(save(broken)).rejects.toThrow('broken');
    expect(reads).toBeLessThanOrEqual(4);
    expect(open).toBe(0);
  });

  it('removes from a copy what no round has met and no row names', async () => {
    const first = await save();
    await from.delete([A, B]);
    const second = await save();
    expect(await pruneObjects({ to, rows }, [first.keys, second.keys])).toBe(0);
    enter(B, 'second');
    expect(await pruneObjects({ to, rows }, [second.keys])).toBe(1);
    expect(await to.stat(A)).toBeUndefined();
    expect(await textOf(to, B)).toBe('second');
  });

  it('tells what rows name and no store has, but not what has only come since', async () => {
    for (const key of [A, B, TWIN]) enter(key, 'second');
    const { keys } = await save();
    await from.delete([B]);
    expect(await findMissing({ from, to, rows }, [keys])).toEqual({ keys: [TWIN], inCopy: 0 });
    await put(from, TWIN, 'second');
    expect(await findMissing({ from, to, rows }, [new Set([A])])).toEqual({
      keys: [B],
      inCopy: 1,
    });
  });
});

async function put(store: ObjectStore, key: string, text: string): Promise<void> {
  await store.put(key, chunks(text));
}

async function* chunks(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

async function textOf(store: ObjectStore, key: string): Promise<string> {
  let text = '';
  for await (const chunk of store.read(key)) text += Buffer.from(chunk).toString();
  return text;
}
