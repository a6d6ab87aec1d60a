import { constants } from 'node:fs';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';

interface CopyOptions {
  /** By the path below `from`; of a folder, all that is in it. */
  readonly leavesOut?: (path: string) => boolean;
  /** Looked at before each file. */
  readonly signal?: AbortSignal;
}

/**
 * Copies regular files and folders, readable by us alone, while others change what is copied: what goes meanwhile is left out.
 * A folder that does not exist has nothing in it.
 */
export async function copyTree(
  from: string,
  to: string,
  { leavesOut = () => false, signal }: CopyOptions = {},
): Promise<void> {
  await copyFolder('');

  async function copyFolder(folder: string): Promise<void> {
    await mkdir(join(to, folder), { recursive: true, mode: 0o700 });
    const entries = await readdir(join(from, folder), { withFileTypes: true }).catch(ignoreGone);
    for (const entry of entries ?? []) {
      signal?.throwIfAborted();
      const path = join(folder, entry.name);
      if (leavesOut(path)) continue;
      if (entry.isDirectory()) await copyFolder(path);
      else if (entry.isFile())
        await copyFile(join(from, path), join(to, path), constants.COPYFILE_FICLONE).catch(
          ignoreGone,
        );
    }
  }
}

function ignoreGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
