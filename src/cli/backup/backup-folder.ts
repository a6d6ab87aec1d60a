import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { chmod, copyFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { copyTree } from '../../stack/copy-tree.ts';
import { takeLock } from '../../stack/lock-file.mjs';
import { CommandProblem } from '../client/problem.ts';

/** In a folder of ours, so that no other one is ever written into. */
const MARK = 'backup.json';
const LOCK = 'backup.lock';

/**
 * Opens the folder of a backup, an empty one or that of an earlier backup, for this process alone.
 * @returns its release
 * @throws CommandProblem where it is something else, or in use
 */
export function openBackupFolder(folder: string, dataDir: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!isBackup(folder, dataDir) && readdirSync(folder).some((name) => name !== LOCK))
    throw new CommandProblem(`${folder} is neither empty nor a backup: name another folder.`);
  const lock = takeLock(join(folder, LOCK));
  if ('holder' in lock)
    throw new CommandProblem(`The process ${lock.holder.pid} is saving to ${folder} right now.`);
  markBackup(folder, { finishedAt: null });
  return lock.release;
}

/** And not a data folder that came out of one: those have been started on. */
function isBackup(folder: string, dataDir: string): boolean {
  return existsSync(join(folder, MARK)) && folder !== dataDir && !existsSync(join(folder, 'run'));
}

/** Says when the backup was whole. */
export function markBackup(folder: string, facts: { readonly finishedAt: Date | null }): void {
  const mark = join(folder, MARK);
  writeFileSync(`${mark}.new`, `${JSON.stringify(facts, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${mark}.new`, mark);
}

/** Where lies what is neither in the database nor media. Absolute paths. */
export interface OtherFiles {
  readonly dataDir: string;
  readonly processDir: string;
  /** It may be missing. */
  readonly envFile: string;
}

/** Saves uploads that are not in the database yet, the administrator's key, and the settings. */
export async function saveFiles(folder: string, files: OtherFiles): Promise<void> {
  await copyTree(files.processDir, join(folder, 'process'), {
    leavesOut: (path) => path.endsWith('.part'),
  });
  for (const file of [join(files.dataDir, 'admin-api-key'), files.envFile]) {
    if (!existsSync(file)) continue;
    const copy = join(folder, basename(file));
    // Never written in place: older backups may share the file.
    await copyFile(file, `${copy}.new`);
    await chmod(`${copy}.new`, 0o600);
    await rename(`${copy}.new`, copy);
  }
}

/** Forgets the uploads that an earlier backup found unfinished. */
export async function clearFiles(folder: string): Promise<void> {
  await rm(join(folder, 'process'), { recursive: true, force: true });
}

/** Returns once everything in the folder is on the disk, whatever happens to the power. */
export function syncFolder(folder: string): void {
  const { status, stderr } = spawnSync('sync', ['-f', folder], { encoding: 'utf8' });
  if (status !== 0) throw new CommandProblem(`Could not save to ${folder}: ${stderr}`);
}

/** Puts what was made as `<name>.new` in the place of `name`. @returns where that is */
export async function putInPlace(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  syncFolder(folder);
  await rm(`${path}.old`, { recursive: true, force: true });
  if (existsSync(path)) await rename(path, `${path}.old`);
  await rename(`${path}.new`, path);
  await rm(`${path}.old`, { recursive: true, force: true });
  return path;
}
