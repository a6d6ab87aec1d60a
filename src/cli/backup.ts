import { join } from 'node:path';
import {
  type Config,
  ConfigError,
  loadConfig,
  loadStackConfig,
  PROJECT_ROOT,
} from '../config/env.ts';
import { formatBytes } from '../domain/disk-space.ts';
import { AppError } from '../domain/errors.ts';
import { StackProblem } from '../stack/stack-problem.ts';
import { createLocalStore } from '../storage/local-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { pruneObjects, saveObjects, type SavedObjects } from '../storage/save-objects.ts';
import {
  clearFiles,
  markBackup,
  openBackupFolder,
  saveFiles,
  syncFolder,
} from './backup/backup-folder.ts';
import { type BackupCommand, readBackupCommand } from './backup/read-arguments.ts';
import { dumpDatabase, saveCluster } from './backup/save-database.ts';
import { CommandProblem } from './client/problem.ts';
import { runCommand } from './client/run-command.ts';

/**
 * `npm run backup -- FOLDER`: saves a running stack to a folder that is a data folder again, and brings an earlier backup there up to
 * date.
 *
 * Media, then the database, then media once more: what rows name was there when they were copied, so it was met by the first round,
 * or is by the second. Only then what nobody names any more goes from the copy, so that a backup that is broken off leaves the one
 * before it whole.
 */

await runCommand(main, ConfigError, AppError, StackProblem);

async function main(args: readonly string[], signal: AbortSignal): Promise<void> {
  const command = readBackupCommand(args);
  const config = loadConfig();
  try {
    await backUp(command, config, signal);
  } catch (error) {
    throw toProblem(error, command.folder);
  }
}

async function backUp(command: BackupCommand, config: Config, signal: AbortSignal): Promise<void> {
  const { folder } = command;
  const release = openBackupFolder(folder, config.dataDir);
  try {
    await save(command, config, signal);
    syncFolder(folder);
    const finishedAt = new Date();
    markBackup(folder, { finishedAt });
    print(`Saved to ${folder} at ${finishedAt.toISOString()}.`);
  } finally {
    release();
  }
}

async function save(
  { folder, media, database }: BackupCommand,
  config: Config,
  signal: AbortSignal,
): Promise<void> {
  await clearFiles(folder);
  // Only now: it brings in everything, and a typing error should be told at once.
  const { composeBackup } = await import('../composition.ts');
  const { store: from, close } = await composeBackup(config);
  try {
    const to = media ? await openCopy(folder) : undefined;
    const rounds: ReadonlySet<string>[] = [];
    const saveRound = async (): Promise<void> => {
      await saveFiles(folder, { ...config, envFile: join(PROJECT_ROOT, '.env') });
      if (to === undefined) return;
      const saved = await saveObjects({ from, to }, signal);
      rounds.push(saved.keys);
      print(`media: ${describe(saved)}`);
    };
    await saveRound();
    if (database) print(`database: ${await saveDatabase(folder, config, signal)}`);
    await saveRound();
    // What an older database names is not known.
    if (to !== undefined && database)
      print(`media: ${await pruneObjects(to, rounds)} file(s) that nobody needs any more removed`);
  } finally {
    await close();
  }
}

async function openCopy(folder: string): Promise<ObjectStore> {
  const root = join(folder, 'media');
  const store = await createLocalStore({ root, idFile: join(folder, 'media-root-id') });
  await store.sweepIncoming();
  return store;
}

/** @returns where it was saved */
async function saveDatabase(folder: string, config: Config, signal: AbortSignal): Promise<string> {
  const { databaseUrl: url, dataDir } = config;
  return loadStackConfig().databaseUrl === undefined
    ? saveCluster(folder, { dataDir, url, signal })
    : dumpDatabase(folder, url, signal);
}

/** A failed system call, as on a full disk, is nothing that the program does not expect. */
function toProblem(error: unknown, folder: string): unknown {
  return error instanceof Error && 'syscall' in error
    ? new CommandProblem(`Could not save to ${folder}: ${error.message}`)
    : error;
}

function describe({ keys, copiedObjects, copiedBytes }: SavedObjects): string {
  return `${keys.size} file(s), of which ${copiedObjects} (${formatBytes(copiedBytes)}) were copied now`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
