import { once } from 'node:events';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createLocalStore } from '../../../src/storage/local-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { pruneObjects, saveObjects } from '../../../src/storage/save-objects.ts';

const A = 'videos/original/a.mp4';
const B = 'videos/streams/1/v1/720p.mp4';

describe('saveObjects', () => {
  let folder: string;
  let from: ObjectStore;
  let to: ObjectStore;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'steadyreel-save-'));
    from = await createLocalStore({ root: path.join(folder, 'from') });
    to = await createLocalStore({ root: path.join(folder, 'to') });
    await put(from, A, 'first');
    await put(from, B, 'second');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const save = (source = from) => saveObjects({ from: source, to }, new AbortController().signal);

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

  it('copies anew what bears a name that was given out again', async () => {
    await save();
    await from.delete([B]);
    await put(from, B, 'sec0nd');
    const later = new Date(Date.now() + 60_000);
    await utimes(path.join(folder, 'from', B), later, later);
    await save();
    expect(await textOf(to, B)).toBe('sec0nd');
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

  it('removes from a copy what no round has met', async () => {
    const first = await save();
    await from.delete([A]);
    const second = await save();
    expect(await pruneObjects(to, [first.keys, second.keys])).toBe(0);
    expect(await pruneObjects(to, [second.keys])).toBe(1);
    expect(await to.stat(A)).toBeUndefined();
    expect(await textOf(to, B)).toBe('second');
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
