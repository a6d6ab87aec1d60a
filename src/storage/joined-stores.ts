import { AppError } from '../domain/errors.ts';
import type { StoreName } from '../domain/storage-migration.ts';
import type { ByteRange, ListedObject, ObjectStore, StoredObject } from './object-store.ts';

/** A store and the place that it stands for, by which the database knows it. */
export interface PlacedStore {
  readonly place: string;
  readonly store: ObjectStore;
}

/** The same, by the name that people use. */
export interface NamedStore extends PlacedStore {
  readonly name: StoreName;
}

export interface JoinedStoresOptions {
  /** Where new objects go. */
  readonly main: PlacedStore;
  /** The others, from which objects are still read. */
  readonly others: readonly PlacedStore[];
  /**
   * Which place counts for an object that may lie in two, because it is being moved; undefined for all others. Asked anew each
   * time, so that every process learns of a switch at once.
   */
  readonly whichCounts: (key: string) => Promise<string | undefined>;
}

/**
 * Several stores as one. Keys are the same in all of them and bytes under a key never change, so **an object lies where a store
 * has it**: there is no second record that could be wrong about it. Only one that is being moved lies in two, and there
 * `whichCounts` decides.
 *
 * New objects go to the main store, deletions to all. Reading asks the store that counts, else those that share bytes, which cost
 * nothing to ask, then the others; one that does not have the object, or loses it in the middle of a read, is followed by the
 * next, at the next byte.
 */
export function joinStores({ main, others, whichCounts }: JoinedStoresOptions): ObjectStore {
  const all = [main, ...others];
  const cheapFirst = all.toSorted(
    (a, b) => Number(b.store.sharesBytes) - Number(a.store.sharesBytes),
  );

  const inOrder = async (key: string): Promise<readonly ObjectStore[]> => {
    const counting = await whichCounts(key);
    const first = cheapFirst.filter(({ place }) => place === counting);
    const rest = cheapFirst.filter(({ place }) => place !== counting);
    return [...first, ...rest].map(({ store }) => store);
  };

  /** The answer of the first store that has the object. */
  const fromFirst = async <T>(key: string, ask: (store: ObjectStore) => Promise<T>): Promise<T> => {
    const faults: unknown[] = [];
    for (const store of await inOrder(key)) {
      try {
        return await ask(store);
      } catch (error) {
        if (!isStorageFault(error)) throw error;
        faults.push(error);
      }
    }
    throw gravest(faults, key);
  };

  const stat: ObjectStore['stat'] = async (key, options) => {
    const faults: unknown[] = [];
    for (const store of await inOrder(key)) {
      try {
        const facts = await store.stat(key, options);
        if (facts !== undefined) return facts;
      } catch (error) {
        if (!isStorageFault(error)) throw error;
        faults.push(error);
      }
    }
    // A store that did not answer may be the one that has it.
    if (faults.length > 0) throw gravest(faults, key);
    return undefined;
  };

  async function* read(
    ...[key, range, signal]: Parameters<ObjectStore['read']>
  ): AsyncGenerator<Uint8Array, void> {
    const faults: unknown[] = [];
    let given = 0;
    for (const store of await inOrder(key)) {
      try {
        const rest = given === 0 ? range : await restOf(store, key, { range, given });
        if (rest === 'nothing') return;
        for await (const chunk of store.read(key, rest, signal)) {
          given += chunk.length;
          yield chunk;
        }
        return;
      } catch (error) {
        if (!isStorageFault(error)) throw error;
        faults.push(error);
      }
    }
    throw gravest(faults, key);
  }

  /** A key that another store holds is taken, too. One that does not answer is not waited for: nearly all keys are random. */
  const refuseTaken = async (key: string, stored: StoredObject): Promise<void> => {
    for (const { store } of others) {
      const there = await store.stat(key).catch(() => undefined);
      if (there === undefined) continue;
      if (
        there.sizeBytes === stored.sizeBytes &&
        (await store.checksum(key)).sha256 === stored.sha256
      )
        continue;
      await main.store.delete([key]);
      throw new AppError('storage-object-exists', { key });
    }
  };

  return {
    sharesBytes: main.store.sharesBytes,
    stat,
    read,

    async put(key, source, options) {
      const stored = await main.store.put(key, source, options);
      await refuseTaken(key, stored);
      return stored;
    },

    async putFile(key, path, options) {
      const stored = await main.store.putFile(key, path, options);
      await refuseTaken(key, stored);
      return stored;
    },

    openSink: (key, options) => main.store.openSink(key, options),

    fetchToFile: (key, path, signal, expected) =>
      fromFirst(key, (store) => store.fetchToFile(key, path, signal, expected)),

    checksum: (key, signal) => fromFirst(key, (store) => store.checksum(key, signal)),

    /** Viewers are sent to the main store alone: pages are told of no other. */
    async addressOf(key, options) {
      for (const store of await inOrder(key)) {
        if (store === main.store) return store.addressOf(key, options);
        if ((await store.stat(key).catch(() => undefined)) !== undefined) return undefined;
      }
      return undefined;
    },

    async link(fromKey, toKey) {
      if ((await main.store.stat(fromKey)) !== undefined) {
        await main.store.link(fromKey, toKey);
        return;
      }
      await main.store.put(toKey, read(fromKey));
    },

    async delete(keys) {
      const ends = await Promise.allSettled(all.map(({ store }) => store.delete(keys)));
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    },

    list: (prefix, options) => mergeLists(all.map(({ store }) => store.list(prefix, options))),

    checkWritable: () => main.store.checkWritable(),

    async sweepIncoming() {
      const elsewhere = others.map(({ store }) => store.sweepIncoming().catch(() => 0));
      const counts = await Promise.all([main.store.sweepIncoming(), ...elsewhere]);
      return counts.reduce((sum, count) => sum + count, 0);
    },
  };
}

/** What is still to be read where the first bytes came from another store. */
async function restOf(
  store: ObjectStore,
  key: string,
  { range, given }: { readonly range: ByteRange | undefined; readonly given: number },
): Promise<ByteRange | 'nothing'> {
  const facts = await store.stat(key);
  if (facts === undefined) throw new AppError('storage-object-missing', { key });
  const start = (range?.start ?? 0) + given;
  const end = range?.end ?? facts.sizeBytes - 1;
  return start > end ? 'nothing' : { start, end };
}

function isStorageFault(error: unknown): error is AppError {
  return (
    error instanceof AppError &&
    (error.code === 'storage-object-missing' || error.code === 'storage-unavailable')
  );
}

/** That an object is gone is known only when every store has said so. */
function gravest(faults: readonly unknown[], key: string): unknown {
  const unanswered = faults.find(
    (fault) => fault instanceof AppError && fault.code === 'storage-unavailable',
  );
  return unanswered ?? faults[0] ?? new AppError('storage-object-missing', { key });
}

/** Lists that are in the order of keys, as one that is. A key that several have comes once, with what the youngest of them says. */
async function* mergeLists(
  lists: readonly AsyncIterable<ListedObject>[],
): AsyncGenerator<ListedObject, void> {
  const readers = lists.map((list) => list[Symbol.asyncIterator]());
  try {
    const heads = await Promise.all(readers.map((reader) => reader.next()));
    for (;;) {
      const present = heads.flatMap((head) => (head.done === true ? [] : [head.value]));
      const [first] = present.toSorted(byKeyThenYoungest);
      if (first === undefined) return;
      yield first;
      for (const [index, reader] of readers.entries()) {
        const head = heads[index];
        if (head?.done !== true && head?.value.key === first.key)
          heads[index] = await reader.next();
      }
    }
  } finally {
    for (const reader of readers) await reader.return?.();
  }
}

function byKeyThenYoungest(a: ListedObject, b: ListedObject): number {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1;
  return b.modifiedAt.getTime() - a.modifiedAt.getTime();
}
