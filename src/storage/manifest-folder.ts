import { open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonValue } from '../domain/errors.ts';
import { makeFolder, syncFolder, writeFully } from './durable-files.ts';
import { createIncomingFolder, ignoreMissing } from './incoming-folder.ts';
import { withStorageFaults } from './storage-faults.ts';

/**
 * Notes on disk about uploads that are stored but may not be in the database yet: one JSON file each, there whole or not at
 * all. They belong to one host; nobody else sees them.
 */
export interface ManifestFolder {
  /** On disk, also after a power cut, when it resolves. */
  write(name: string, content: { readonly [key: string]: JsonValue }): Promise<void>;
  /** Names of all that are whole, oldest name first. */
  list(): Promise<readonly string[]>;
  /** Undefined where it is gone; `null` where it is no JSON. */
  read(name: string): Promise<JsonValue | undefined>;
  /** Idempotent. */
  remove(name: string): Promise<void>;
  /** Puts one that cannot be used out of the way, kept for an operator. */
  setAside(name: string): Promise<void>;
  /** Puts one whose original never came back into `abandoned/`, kept for an operator. */
  abandon(name: string): Promise<void>;
  /** Names of those in `abandoned/`. */
  listAbandoned(): Promise<readonly string[]>;
  /** Takes one out of `abandoned/` again. */
  takeUp(name: string): Promise<void>;
  /** Removes what dead writers left half-written. */
  sweep(): Promise<number>;
}

const SUFFIX = '.json';

/** @param path absolute; made where it is missing */
export function createManifestFolder(path: string): ManifestFolder {
  const drafts = createIncomingFolder(path);
  const abandoned = join(path, 'abandoned');
  const fileOf = (name: string) => join(path, `${name}${SUFFIX}`);
  const faults = <T>(action: () => Promise<T>) => withStorageFaults({ folder: path }, action);

  return {
    write: (name, content) =>
      faults(async () => {
        await makeFolder(path);
        const draft = drafts.newPath();
        try {
          const file = await open(draft, 'wx', 0o640);
          try {
            await writeFully(file, Buffer.from(JSON.stringify(content)));
            await file.sync();
          } finally {
            await file.close();
          }
          await rename(draft, fileOf(name));
        } catch (error) {
          await unlink(draft).catch(ignoreMissing);
          throw error;
        }
        await syncFolder(path);
      }),

    list: () => faults(() => listNames(path)),

    read: (name) =>
      faults(async () => {
        const text = await readFile(fileOf(name), 'utf8').catch(ignoreMissing);
        return text === undefined ? undefined : parse(text);
      }),

    remove: (name) => faults(() => unlink(fileOf(name)).catch(ignoreMissing)),
    setAside: (name) =>
      faults(() => rename(fileOf(name), `${fileOf(name)}.broken`).catch(ignoreMissing)),
    abandon: (name) =>
      faults(async () => {
        await makeFolder(abandoned);
        await rename(fileOf(name), join(abandoned, `${name}${SUFFIX}`)).catch(ignoreMissing);
      }),
    listAbandoned: () => faults(() => listNames(abandoned)),
    takeUp: (name) =>
      faults(() => rename(join(abandoned, `${name}${SUFFIX}`), fileOf(name)).catch(ignoreMissing)),
    sweep: () => faults(() => drafts.sweep()),
  };
}

async function listNames(folder: string): Promise<readonly string[]> {
  const names = (await readdir(folder).catch(ignoreMissing)) ?? [];
  return names
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length))
    .toSorted();
}

function parse(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return null;
  }
}
