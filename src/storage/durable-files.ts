import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { type FileHandle, link, mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { errnoOf } from './storage-faults.ts';

const LINK_REFUSALS: readonly string[] = [
  'EXDEV',
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
];

/** Makes the names in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Makes a folder and those above it, each of which survives a power cut. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await syncFolder(dirname(made));
    if (made === first) return;
  }
}

/**
 * Gives a finished, synced file a second name in the same volume; the folder is made where it is missing.
 * @throws EEXIST when the name is taken; where links cannot be had, an error that `isLinkRefusal` knows
 */
export async function linkNew(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    await makeFolder(dirname(to));
    try {
      await link(from, to);
      return;
    } catch (error) {
      // Somebody may remove the folder, empty as it still is, between the two steps.
      if (errnoOf(error) !== 'ENOENT' || attempt === 3) throw error;
    }
  }
}

/** True when the file system has no hard links, or the two names lie on two volumes. */
export function isLinkRefusal(error: unknown): boolean {
  return LINK_REFUSALS.includes(errnoOf(error) ?? '');
}

/**
 * Gives a file a second path: shared where the volume can, copied where not. For reading only. An abort leaves nothing.
 * @throws EEXIST when the path is taken, ENOENT when there is no such file
 */
export async function linkOrCopy(from: string, to: string, signal?: AbortSignal): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!isLinkRefusal(error)) throw error;
    await copyNew(from, to, signal);
  }
}

async function copyNew(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  const copy = createWriteStream(to, { flags: 'wx', mode: 0o640 });
  let isMade = false;
  copy.once('open', () => {
    isMade = true;
  });
  try {
    await pipeline(createReadStream(from), copy, signal === undefined ? {} : { signal });
  } catch (error) {
    if (isMade) await unlink(to).catch(() => undefined);
    throw error;
  }
}

/**
 * `linkNew` for file systems without hard links; the first name goes. Not proof against two writers of one name at the same
 * instant, which is the best that such a file system has.
 */
export async function renameNew(from: string, to: string): Promise<void> {
  if (existsSync(to)) throw Object.assign(new Error(`${to} exists`), { code: 'EEXIST' });
  await rename(from, to);
}

/** Writes all of it: a single write may end short. */
export async function writeFully(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += (await file.write(bytes, written, bytes.length - written)).bytesWritten;
  }
}
