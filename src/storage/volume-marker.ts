import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, realpath, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../domain/errors.ts';
import { isLinkRefusal, linkNew, makeFolder, renameNew, syncFolder } from './durable-files.ts';
import { ignoreMissing } from './incoming-folder.ts';
import { errnoOf, withStorageFaults } from './storage-faults.ts';

/** In the root of a store; goes where the media go. */
export const MARKER = '.steadyreel-store';

/**
 * Tells the folder of a store from the empty one that lies there when its volume is not mounted, in which every object would
 * look deleted.
 */
export interface VolumeMarker {
  /** @returns the real path of the root. @throws `storage-unavailable` where it is not the folder that was used before */
  check(): Promise<string>;
}

export interface VolumeMarkerOptions {
  readonly root: string;
  /** Where its id is remembered, outside of the root; left out, for as long as this process lives. */
  readonly idFile: string | undefined;
}

/**
 * The first call ever marks the folder with a random id and remembers that; later ones only compare. A folder that was used
 * before and is not there is no error yet: its volume may come.
 */
export async function openVolumeMarker({
  root,
  idFile,
}: VolumeMarkerOptions): Promise<VolumeMarker> {
  const markerFile = join(root, MARKER);
  const expected = (idFile && (await readId(idFile))) || (await adopt(markerFile, idFile));
  return {
    async check() {
      const found = await readId(markerFile);
      if (found !== expected) {
        throw new AppError('storage-unavailable', {
          detail: 'The media folder is not the one that was used before: is its volume mounted?',
          root,
          reason: found === undefined ? `${MARKER} is missing` : `${MARKER} has another id`,
          ...(idFile === undefined ? {} : { remedy: `where that is meant, remove ${idFile}` }),
        });
      }
      return withStorageFaults({ root }, () => realpath(root));
    },
  };
}

async function adopt(markerFile: string, idFile: string | undefined): Promise<string> {
  const id = await withStorageFaults({ root: dirname(markerFile) }, () => mark(markerFile));
  if (idFile !== undefined) {
    await withStorageFaults({ idFile }, async () => {
      await mkdir(dirname(idFile), { recursive: true });
      const draft = await writeDraft(idFile, id);
      await rename(draft, idFile);
      await syncFolder(dirname(idFile));
    });
  }
  return id;
}

/** Of several processes that start at once, all come back with the same id. */
async function mark(markerFile: string): Promise<string> {
  const there = await readId(markerFile);
  if (there !== undefined) return there;
  await makeFolder(dirname(markerFile));
  const draft = await writeDraft(markerFile, randomBytes(16).toString('hex'));
  try {
    await linkNew(draft, markerFile).catch((error: unknown) => {
      if (!isLinkRefusal(error)) throw error;
      return renameNew(draft, markerFile);
    });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  } finally {
    await unlink(draft).catch(ignoreMissing);
  }
  await syncFolder(dirname(markerFile));
  return mark(markerFile);
}

async function writeDraft(path: string, id: string): Promise<string> {
  const draft = `${path}.${randomBytes(4).toString('hex')}`;
  const file = await open(draft, 'wx', 0o640);
  try {
    await file.write(`${id}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return draft;
}

/** Undefined where there is no such file. */
async function readId(path: string): Promise<string | undefined> {
  return withStorageFaults({ path }, async () =>
    (await readFile(path, 'utf8').catch(ignoreMissing))?.trim(),
  );
}
