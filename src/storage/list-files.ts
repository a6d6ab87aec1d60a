import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from './incoming-folder.ts';
import type { ListedObject } from './object-store.ts';
import { toStorageFault } from './storage-faults.ts';

/** Every regular file below `root` whose path starts with `prefix`, in the order of keys; dot names are not objects. */
export async function* listFiles(root: string, prefix: string): AsyncGenerator<ListedObject, void> {
  try {
    yield* listFolder(root, prefix.slice(0, prefix.lastIndexOf('/') + 1), prefix);
  } catch (error) {
    throw toStorageFault(error, { prefix });
  }
}

async function* listFolder(
  root: string,
  folder: string,
  prefix: string,
): AsyncGenerator<ListedObject, void> {
  const entries =
    (await readdir(join(root, folder), { withFileTypes: true }).catch(ignoreMissing)) ?? [];
  const keys = entries
    .filter((entry) => !entry.name.startsWith('.') && (entry.isFile() || entry.isDirectory()))
    .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
    .filter((key) => key.startsWith(prefix))
    .toSorted();
  for (const key of keys) {
    if (key.endsWith('/')) {
      yield* listFolder(root, key, prefix);
      continue;
    }
    const facts = await lstat(join(root, key)).catch(ignoreMissing);
    if (facts) yield { key, sizeBytes: facts.size, modifiedAt: facts.mtime };
  }
}
