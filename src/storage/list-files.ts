import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from './incoming-folder.ts';
import type { ListedObject } from './object-store.ts';
import { toStorageFault } from './storage-faults.ts';

/**
 * Every regular file below `root` whose path starts with `prefix` and comes behind `after`, in the order of keys; dot names are not
 * objects.
 */
export async function* listFiles(
  root: string,
  prefix: string,
  after: string,
): AsyncGenerator<ListedObject, void> {
  const isWanted = (key: string): boolean =>
    key.startsWith(prefix) && (key > after || (key.endsWith('/') && after.startsWith(key)));
  try {
    yield* listFolder(root, prefix.slice(0, prefix.lastIndexOf('/') + 1), isWanted);
  } catch (error) {
    throw toStorageFault(error, { prefix });
  }
}

async function* listFolder(
  root: string,
  folder: string,
  isWanted: (key: string) => boolean,
): AsyncGenerator<ListedObject, void> {
  const entries =
    (await readdir(join(root, folder), { withFileTypes: true }).catch(ignoreMissing)) ?? [];
  const keys = entries
    .filter((entry) => !entry.name.startsWith('.') && (entry.isFile() || entry.isDirectory()))
    .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
    .filter(isWanted)
    .toSorted();
  for (const key of keys) {
    if (key.endsWith('/')) {
      yield* listFolder(root, key, isWanted);
      continue;
    }
    const facts = await lstat(join(root, key)).catch(ignoreMissing);
    if (facts) yield { key, sizeBytes: facts.size, modifiedAt: facts.mtime };
  }
}
