import { linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { identifyProcess, isAlive, readIdentity } from './process-identity.mjs';

/** @typedef {import('./process-identity.mjs').ProcessIdentity} ProcessIdentity */

/**
 * Takes the lock for this process, or tells who has it. A lock whose holder is dead is taken over.
 *
 * The file appears with its content in one step (a hard link), so nobody ever reads half of it.
 * @param {string} path
 * @returns {{ release: () => void } | { holder: ProcessIdentity }}
 */
export function takeLock(path) {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(identifyProcess(process.pid))}\n`);
  try {
    for (;;) {
      if (tryLink(draft, path)) return { release: () => rmSync(path, { force: true }) };
      const holder = readIdentity(path);
      if (holder && isAlive(holder)) return { holder };
      removeStale(path, holder);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * @param {string} from
 * @param {string} to
 */
function tryLink(from, to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Two may find the same stale lock: what was moved away is looked at again, and put back if it is fresh.
 * @param {string} path
 * @param {ProcessIdentity | undefined} stale
 */
function removeStale(path, stale) {
  const aside = `${path}.stale-${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return;
    throw error;
  }
  const moved = readIdentity(aside);
  if (moved && (moved.pid !== stale?.pid || moved.startTime !== stale.startTime)) {
    tryLink(aside, path);
  }
  rmSync(aside, { force: true });
}
