import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { defaultMarginBytes, type DiskSpace } from '../domain/disk-space.ts';
import { errnoOf, withStorageFaults } from './storage-faults.ts';

/** The disk that a folder lies on, as far as it is there for uploads and runs. */
export interface Disk {
  readonly folder: string;
  /** @throws `storage-unavailable` */
  measure(): Promise<DiskSpace>;
  /** Has what is only kept for later give way until so many bytes are free beside the margin, as far as that goes. */
  makeRoom(bytes: number): Promise<void>;
}

/** Files that are kept for later, and may go at any time. */
export interface KeptFiles {
  /** Also those that somebody works with just now, since whoever does has their size reserved. */
  keptBytes(): number;
  /** Removes those that were used longest ago and that nobody works with, until so much has come free or none is left. */
  giveWay(bytes: number): Promise<void>;
}

export interface DiskOptions {
  /** Absolute; may be yet to be made. */
  readonly folder: string;
  /** Default: 5 %, at most 2 GiB. */
  readonly marginBytes?: number | undefined;
  readonly kept?: KeptFiles | undefined;
}

export function createDisk({ folder, marginBytes, kept }: DiskOptions): Disk {
  const measure = async (): Promise<DiskSpace> => {
    const { totalBytes, freeBytes } = await readFileSystem(folder);
    return {
      totalBytes,
      freeBytes,
      keptBytes: kept?.keptBytes() ?? 0,
      marginBytes: marginBytes ?? defaultMarginBytes(totalBytes),
    };
  };
  return {
    folder,
    measure,
    async makeRoom(bytes) {
      const { freeBytes, marginBytes: margin } = await measure();
      const short = bytes + margin - freeBytes;
      if (short > 0) await kept?.giveWay(short);
    },
  };
}

/** Whether two folders lie on one file system, so that what one takes the other lacks. */
export async function isSameDisk(first: string, second: string): Promise<boolean> {
  const [one, other] = await Promise.all(
    [first, second].map(async (folder) => stat(await nearestFolder(folder))),
  );
  return one?.dev === other?.dev;
}

async function readFileSystem(folder: string): Promise<{ totalBytes: number; freeBytes: number }> {
  return withStorageFaults({ folder }, async () => {
    const { bsize, blocks, bavail } = await statfs(await nearestFolder(folder));
    return { totalBytes: bsize * blocks, freeBytes: bsize * bavail };
  });
}

async function nearestFolder(folder: string): Promise<string> {
  try {
    await stat(folder);
    return folder;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || dirname(folder) === folder) throw error;
    return nearestFolder(dirname(folder));
  }
}
