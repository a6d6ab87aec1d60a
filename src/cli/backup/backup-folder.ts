import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync } from 'node:fs';
import { statSync, writeFileSync } from 'node:fs';
import { chmod, copyFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { originalKey } from '../../domain/object-keys.ts';
import { copyTree } from '../../stack/copy-tree.ts';
import { takeLock } from '../../stack/lock-file.mjs';
import { CommandProblem } from '../client/problem.ts';

/** In a folder of ours, so that no other one is ever written into. */
const MARK = 'backup.json';
const LOCK = 'backup.lock';

/** Folders that are put in place as a whole. */
const FOLDERS = ['pg', 'process'];

/**
 * Opens the folder of a backup, an empty one or that of an earlier backup, for this process alone.
 * @param saved absolute paths of the folders that are saved
 * @returns its release
 * @throws CommandProblem where it is something else, in use, or in one of those that are saved
 */
export function openBackupFolder(folder: string, saved: readonly string[]): () => void {
  refuseInside(folder, saved);
  makeFolder(folder);
  if (!isBackup(folder) && readdirSync(folder).some((name) => name !== LOCK))
    throw new CommandProblem(`${folder} is neither empty nor a backup: name another folder.`);
  const lock = takeLock(join(folder, LOCK));
  if ('holder' in lock)
    throw new CommandProblem(`The process ${lock.holder.pid} is saving to ${folder} right now.`);
  for (const name of FOLDERS) takeBack(join(folder, name));
  markBackup(folder, { finishedAt: null });
  return lock.release;
}

/** Not `recursive`: below /proc that tries for ever. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}

/** It would be copied into itself without an end. */
function refuseInside(folder: string, saved: readonly string[]): void {
  const place = realPlace(folder);
  const around = saved.find((path) => !/^\.\.(\/|$)/.test(relative(realPlace(path), place)));
  if (around !== undefined)
    throw new CommandProblem(`${folder} lies in ${around}, which is saved: name another folder.`);
}

/** Where a path leads, whether or not there is something yet. */
function realPlace(path: string): string {
  return existsSync(path) ? realpathSync(path) : join(realPlace(dirname(path)), basename(path));
}

/** And not a data folder that came out of one: those have been started on. */
function isBackup(folder: string): boolean {
  return existsSync(join(folder, MARK)) && !existsSync(join(folder, 'run'));
}

/** What a kill in {@link putInPlace} left aside. */
function takeBack(path: string): void {
  if (!existsSync(path) && existsSync(`${path}.old`)) renameSync(`${path}.old`, path);
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

/**
 * Saves uploads that are not in the database yet, the administrator's key, and the settings. Uploads are gathered in `process.new`,
 * whose place is `process`.
 */
export async function saveFiles(folder: string, files: OtherFiles): Promise<void> {
  await copyTree(files.processDir, join(folder, 'process.new'), {
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

/** Forgets the uploads that a backup which was broken off found unfinished. */
export async function clearDrafts(folder: string): Promise<void> {
  await rm(join(folder, 'process.new'), { recursive: true, force: true });
}

/** Keys of the originals that the saved uploads name, those that an operator is to look at among them. */
export function originalsOfUploads(folder: string): ReadonlySet<string> {
  const paths = readdirSync(join(folder, 'process'), { recursive: true, encoding: 'utf8' });
  return new Set(
    paths.map((path) => originalKey(basename(path).replace(/\.json(\.broken)?$/, ''))),
  );
}

/** Returns once everything in the folder is on the disk, whatever happens to the power. */
export function syncFolder(folder: string): void {
  const { status, stderr } = spawnSync('sync', ['-f', folder], { encoding: 'utf8' });
  if (status !== 0) throw new CommandProblem(`Could not save to ${folder}: ${stderr}`);
}

/**
 * Puts what was made as `<name>.new` in the place of `name`. A folder cannot be replaced in one step: where a kill falls between
 * two, the next one to open the backup takes the old one back.
 */
export async function putInPlace(folder: string, name: string): Promise<void> {
  const path = join(folder, name);
  syncFolder(folder);
  await rm(`${path}.old`, { recursive: true, force: true });
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) await rename(path, `${path}.old`);
  await rename(`${path}.new`, path);
  await rm(`${path}.old`, { recursive: true, force: true });
}
