import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A file system of its own in memory (tmpfs), small enough to be filled. */
export interface SmallDisk {
  readonly folder: string;
  /** Takes all of it, or all but so many bytes, with one file; called again it changes that file. */
  fill(leavingBytes?: number): void;
  /** Removes that file. */
  free(): void;
  freeBytes(): number;
  unmount(): void;
}

/** What `fill` writes, for scripts that fill the disk themselves. */
export const FILLER = 'filler';

/**
 * Whether small disks can be mounted here. Says so aloud where they cannot.
 * @throws with `CI=true`, where nothing may be left out
 */
export function canMountDisks(): boolean {
  const folder = mkdtempSync(path.join(tmpdir(), 'steadyreel-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'pipe' });
    execFileSync('umount', [folder], { stdio: 'pipe' });
    return true;
  } catch (error) {
    const sentence =
      'No file system can be mounted here: the tests of full disks are left out (they need root and the right to mount).';
    if (process.env['CI'] === 'true') throw new Error(sentence, { cause: error });
    process.stderr.write(`\n${sentence}\n`);
    return false;
  } finally {
    rmdirSync(folder);
  }
}

export function mountSmallDisk(sizeMb: number): SmallDisk {
  const folder = mkdtempSync(path.join(tmpdir(), 'steadyreel-small-disk-'));
  const options = `size=${sizeMb}m,mode=0700`;
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]);
  const filler = path.join(folder, FILLER);
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  };
  const free = (): void => rmSync(filler, { force: true });
  return {
    folder,
    freeBytes,
    free,
    fill(leavingBytes = 0) {
      free();
      // Others may write at the same time: then it is filled to the last block, of which `head` complains.
      const bytes = Math.max(1, freeBytes() - leavingBytes);
      spawnSync('sh', ['-c', `head -c ${bytes} /dev/zero > ${filler}`], { stdio: 'ignore' });
    },
    unmount() {
      execFileSync('umount', [folder]);
      rmdirSync(folder);
    },
  };
}
