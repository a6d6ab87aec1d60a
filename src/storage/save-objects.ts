import { AppError } from '../domain/errors.ts';
import { MEDIA_PREFIX } from '../domain/object-keys.ts';
import type { ListedObject, ObjectFacts, ObjectStore } from './object-store.ts';

/** What one round of {@link saveObjects} came to. */
export interface SavedObjects {
  /** All that are in the copy now and were in the store during the round. */
  readonly keys: ReadonlySet<string>;
  readonly copiedObjects: number;
  readonly copiedBytes: number;
}

const AT_ONCE = 4;

/**
 * Brings a copy of all media up to date, while they change. Objects never change under their key, so one of the same size that is
 * no older is taken for the same. What is deleted meanwhile is left out; nothing is deleted in the copy. The first fault ends the
 * round: nothing is copied any more once this has rejected.
 */
export async function saveObjects(
  { from, to }: { from: ObjectStore; to: ObjectStore },
  signal: AbortSignal,
): Promise<SavedObjects> {
  const keys = new Set<string>();
  const copied = { objects: 0, bytes: 0 };
  const listed = from.list(MEDIA_PREFIX)[Symbol.asyncIterator]();
  const fault = new AbortController();
  const end = AbortSignal.any([signal, fault.signal]);

  const saveOne = async (object: ListedObject): Promise<void> => {
    const { key, sizeBytes } = object;
    const saved = await to.stat(key);
    if (saved === undefined || !isSame(saved, object)) {
      if (saved !== undefined) await to.delete([key]);
      try {
        await to.put(key, from.read(key, undefined, end), { sizeBytes, signal: end });
      } catch (error) {
        if (await isGone(from, key, error)) return;
        throw error;
      }
      copied.objects += 1;
      copied.bytes += sizeBytes;
    }
    keys.add(key);
  };

  const work = async (): Promise<void> => {
    try {
      while (!end.aborted) {
        const next = await listed.next();
        if (next.done === true) return;
        await saveOne(next.value);
      }
    } catch (error) {
      fault.abort(error);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  end.throwIfAborted();
  return { keys, copiedObjects: copied.objects, copiedBytes: copied.bytes };
}

/** Removes from a copy what is in none of these sets. @returns how many */
export async function pruneObjects(
  store: ObjectStore,
  kept: readonly ReadonlySet<string>[],
): Promise<number> {
  let removed = 0;
  for await (const { key } of store.list(MEDIA_PREFIX)) {
    if (kept.some((keys) => keys.has(key))) continue;
    await store.delete([key]);
    removed += 1;
  }
  return removed;
}

/** A name may be given out again after a database was restored; then the object is younger than its copy. */
function isSame(saved: ObjectFacts, object: ObjectFacts): boolean {
  return saved.sizeBytes === object.sizeBytes && saved.modifiedAt >= object.modifiedAt;
}

async function isGone(from: ObjectStore, key: string, error: unknown): Promise<boolean> {
  if (!(error instanceof AppError) || error.code !== 'storage-object-missing') return false;
  return (await from.stat(key)) === undefined;
}
