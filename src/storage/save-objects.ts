import { AppError } from '../domain/errors.ts';
import { judgeCopy, type ObjectRow } from '../domain/judge-copy.ts';
import { MEDIA_PREFIX } from '../domain/object-keys.ts';
import type { LocalStore } from './local-store.ts';
import type { ListedObject, ObjectStore } from './object-store.ts';

/** What the database says of objects. */
export interface ObjectRows {
  /** Of these keys, those that a row names whose video is not deleted. */
  find(keys: readonly string[]): Promise<ReadonlyMap<string, ObjectRow>>;
  /** Of these keys, those that nothing names any more: only they may be removed. */
  withoutOwner(keys: readonly string[]): Promise<readonly string[]>;
  /** All that rows name, a page at a time. */
  named(): AsyncIterable<readonly { readonly key: string }[]>;
}

export interface Saving {
  readonly from: ObjectStore;
  /** The copy. */
  readonly to: LocalStore;
  readonly rows: ObjectRows;
}

/** Objects that are not in the stores as rows say, and how many of them the copy has. */
export interface LostObjects {
  readonly keys: readonly string[];
  readonly inCopy: number;
}

/** What one round of {@link saveObjects} came to. */
export interface SavedObjects {
  /** All that the store had during the round. They are in the copy now, unless they are unsound. */
  readonly keys: ReadonlySet<string>;
  readonly copiedObjects: number;
  /** What they take; bytes that the copy had under another key take nothing. */
  readonly copiedBytes: number;
  /** Of another size than the row says. They were not copied. */
  readonly unsound: LostObjects;
}

const AT_ONCE = 4;
/** Keys in one question to the database. */
const PAGE = 500;

/**
 * Brings a copy of all media up to date, while they change: see {@link judgeCopy}. Bytes that rows name twice are there once, under
 * two keys. What is deleted meanwhile is left out; nothing is deleted in the copy, and what is replaced is there until its
 * successor is whole. The first fault ends the round: nothing is copied any more once this has rejected.
 */
export async function saveObjects(
  { from, to, rows }: Saving,
  signal: AbortSignal,
): Promise<SavedObjects> {
  const keys = new Set<string>();
  const unsound = { keys: [] as string[], inCopy: 0 };
  const copied = { objects: 0, bytes: 0 };
  /** By SHA-256: a key of the copy with these bytes, once it is there. */
  const twins = new Map<string, Promise<string | undefined>>();
  const listed = listWithRows(from, rows);
  const fault = new AbortController();
  const end = AbortSignal.any([signal, fault.signal]);

  /** @returns the key once it is in the copy; undefined where it is not */
  const saveOne = async (
    { object, row }: ListedWithRow,
    twin: Promise<string | undefined> | undefined,
  ): Promise<string | undefined> => {
    const { key, sizeBytes } = object;
    const copy = await to.stat(key);
    const verdict = judgeCopy({ source: object, copy, row });
    if (verdict === 'source-unsound') {
      keys.add(key);
      unsound.keys.push(key);
      if (copy !== undefined) unsound.inCopy += 1;
      return undefined;
    }
    const isThere =
      verdict === 'good' || (verdict === 'doubtful' && (await confirm(to, key, row?.sha256)));
    if (!isThere) {
      const twinKey = copy === undefined ? await twin : undefined;
      try {
        if (twinKey === undefined) {
          await to.replace(key, from.read(key, undefined, end), { sizeBytes, signal: end });
          copied.bytes += sizeBytes;
        } else await to.link(twinKey, key);
      } catch (error) {
        if (await isGone(from, key, error)) return undefined;
        throw error;
      }
      copied.objects += 1;
    }
    keys.add(key);
    return key;
  };

  const work = async (): Promise<void> => {
    try {
      while (!end.aborted) {
        const next = await listed.next();
        if (next.done === true) return;
        const sha256 = next.value.row?.sha256;
        const saving = saveOne(next.value, sha256 === undefined ? undefined : twins.get(sha256));
        if (sha256 !== undefined)
          twins.set(
            sha256,
            saving.catch(() => undefined),
          );
        await saving;
      }
    } catch (error) {
      fault.abort(error);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  end.throwIfAborted();
  return { keys, copiedObjects: copied.objects, copiedBytes: copied.bytes, unsound };
}

/**
 * Removes from a copy what was met in none of these rounds and nothing names any more. What a store has lost stays, for as long as
 * a row names it.
 * @returns how many
 */
export async function pruneObjects(
  { to, rows }: Omit<Saving, 'from'>,
  met: readonly ReadonlySet<string>[],
): Promise<number> {
  let removed = 0;
  for await (const page of inPages(to.list(MEDIA_PREFIX))) {
    const unmet = page.map(({ key }) => key).filter((key) => !met.some((keys) => keys.has(key)));
    const free = await rows.withoutOwner(unmet);
    await to.delete(free);
    removed += free.length;
  }
  return removed;
}

/** What rows name and no store has. @param met  what the stores had a moment ago */
export async function findMissing(
  { from, to, rows }: Saving,
  met: readonly ReadonlySet<string>[],
): Promise<LostObjects> {
  const candidates = new Map<string, boolean>();
  for await (const page of rows.named()) {
    for (const { key } of page) {
      if (met.some((keys) => keys.has(key))) continue;
      const isInCopy = (await to.stat(key)) !== undefined;
      // One that no round before has met either may have come just now.
      if (isInCopy || (await from.stat(key)) === undefined) candidates.set(key, isInCopy);
    }
  }
  const stillNamed = await rows.find([...candidates.keys()]);
  const keys = [...candidates.keys()].filter((key) => stillNamed.has(key));
  return { keys, inCopy: keys.filter((key) => candidates.get(key) === true).length };
}

interface ListedWithRow {
  readonly object: ListedObject;
  readonly row: ObjectRow | undefined;
}

async function* listWithRows(
  store: ObjectStore,
  rows: ObjectRows,
): AsyncGenerator<ListedWithRow, void> {
  for await (const page of inPages(store.list(MEDIA_PREFIX))) {
    const found = await rows.find(page.map(({ key }) => key));
    yield* page.map((object) => ({ object, row: found.get(object.key) }));
  }
}

async function* inPages<T>(items: AsyncIterable<T>): AsyncGenerator<readonly T[], void> {
  let page: T[] = [];
  for await (const item of items) {
    page.push(item);
    if (page.length < PAGE) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

/** Whether the copy is what the row says. It then counts as made now, so that this is not asked again. */
async function confirm(to: LocalStore, key: string, sha256: string | undefined): Promise<boolean> {
  if ((await to.checksum(key)).sha256 !== sha256) return false;
  await to.touch(key);
  return true;
}

async function isGone(from: ObjectStore, key: string, error: unknown): Promise<boolean> {
  if (!(error instanceof AppError) || error.code !== 'storage-object-missing') return false;
  return (await from.stat(key)) === undefined;
}
