import { randomBytes } from 'node:crypto';
import { readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from './durable-files.ts';
import { errnoOf } from './storage-faults.ts';
import { judgeProcess, processTag } from '../host/process-tag.ts';

/**
 * Names for unfinished files: `<writer's tag>-<random>.part`, all in one folder of the volume that the finished ones go to.
 */
export interface IncomingFolder {
  readonly path: string;
  /** A new name; nothing is made. */
  newPath(): string;
  /** Removes the files of dead writers. @returns how many */
  sweep(): Promise<number>;
}

/** What a writer on another host has not touched for this long is taken for dead; live writers touch theirs every minute. */
const FOREIGN_AGE_MS = 60 * 60 * 1_000;
const NAME = /^([0-9a-f]{8}-\d+-\d+)-[0-9a-f]+\.part$/;

export function createIncomingFolder(path: string): IncomingFolder {
  const tag = processTag();
  return {
    path,
    newPath: () => join(path, `${tag}-${randomBytes(8).toString('hex')}.part`),

    async sweep() {
      await makeFolder(path);
      let removed = 0;
      for (const name of await readdir(path)) {
        const owner = NAME.exec(name)?.[1];
        if (owner === undefined || !(await isAbandoned(join(path, name), owner))) continue;
        await unlink(join(path, name)).catch(ignoreMissing);
        removed += 1;
      }
      return removed;
    },
  };
}

async function isAbandoned(path: string, owner: string): Promise<boolean> {
  const verdict = judgeProcess(owner);
  if (verdict !== 'elsewhere') return verdict === 'dead';
  try {
    return Date.now() - (await stat(path)).mtimeMs > FOREIGN_AGE_MS;
  } catch (error) {
    ignoreMissing(error);
    return false;
  }
}

/** Rethrows everything but "no such file". */
export function ignoreMissing(error: unknown): void {
  if (errnoOf(error) !== 'ENOENT') throw error;
}
