import { join } from 'node:path';
import {
  type Config,
  ConfigError,
  loadConfig,
  loadStackConfig,
  PROJECT_ROOT,
} from '../config/env.ts';
import { StackProblem } from '../stack/stack-problem.ts';
import { createLocalStore, type LocalStore } from '../storage/local-store.ts';
import {
  findMissing,
  type ObjectRows,
  pruneObjects,
  type SavedObjects,
  saveObjects,
} from '../storage/save-objects.ts';
import {
  clearDrafts,
  markBackup,
  openBackupFolder,
  originalsOfUploads,
  putInPlace,
  saveFiles,
  syncFolder,
} from './backup/backup-folder.ts';
import { type BackupCommand, readBackupCommand } from './backup/read-arguments.ts';
import { dumpDatabase, saveCluster, type SavedDatabase } from './backup/save-database.ts';
import { describeFaults, describeSaved, toProblem } from './backup/tell.ts';
import { runCommand } from './client/run-command.ts';

/**
 * `npm run backup -- FOLDER`: saves a running stack to a folder that is a data folder again, and brings an earlier backup there up to
 * date.
 *
 * Media, then the database, then media once more: what rows name was there when they were copied, so it was met by the first round,
 * or is by the second. Only then the new database comes into the place of the one before, and what no row names any more goes from
 * the copy: a backup that is broken off leaves the one before it whole.
 */

await runCommand(main, ConfigError, StackProblem);

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
  const release = openBackupFolder(folder, [config.dataDir, config.mediaRoot, config.processDir]);
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
  await clearDrafts(folder);
  // Only now: it brings in everything, and a typing error should be told at once.
  const { composeBackup } = await import('../composition.ts');
  const { store: from, rows, close } = await composeBackup(config);
  try {
    const saving = media ? { from, to: await openCopy(folder), rows } : undefined;
    const saveRound = async (): Promise<SavedObjects | undefined> => {
      await saveFiles(folder, { ...config, envFile: join(PROJECT_ROOT, '.env') });
      if (saving === undefined) return undefined;
      const saved = await saveObjects(saving, signal);
      print(`media: ${describeSaved(saved)}`);
      return saved;
    };
    const first = await saveRound();
    const saved = database ? await saveDatabase(folder, config, signal) : undefined;
    if (saved !== undefined) print(`database: ${saved.path}`);
    const second = await saveRound();
    await putInPlace(folder, 'process');
    await saved?.putInPlace();
    if (saving === undefined || !first || !second) return;
    const met = [first.keys, second.keys];
    for (const line of describeFaults(second.unsound, await findMissing(saving, met)))
      print(`media: ${line}`);
    // What an older database names is not known.
    if (!database) return;
    const removed = await pruneObjects({ ...saving, rows: withUploads(rows, folder) }, met);
    print(`media: ${removed} file(s) that nobody needs any more removed`);
  } finally {
    await close();
  }
}

/** What is uploaded and not in the database yet is needed, too. */
function withUploads(rows: ObjectRows, folder: string): ObjectRows {
  const uploads = originalsOfUploads(folder);
  return {
    ...rows,
    withoutOwner: async (keys) =>
      (await rows.withoutOwner(keys)).filter((key) => !uploads.has(key)),
  };
}

async function openCopy(folder: string): Promise<LocalStore> {
  const root = join(folder, 'media');
  const store = await createLocalStore({ root, idFile: join(folder, 'media-root-id') });
  await store.sweepIncoming();
  return store;
}

async function saveDatabase(
  folder: string,
  config: Config,
  signal: AbortSignal,
): Promise<SavedDatabase> {
  const { databaseUrl: url, dataDir } = config;
  return loadStackConfig().databaseUrl === undefined
    ? saveCluster(folder, { dataDir, url, signal })
    : dumpDatabase(folder, url, signal);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
