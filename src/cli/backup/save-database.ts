import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { copyCluster } from '../../stack/copy-cluster.ts';
import { writeMovableRecord } from '../../stack/postgres-home.ts';
import { CommandProblem } from '../client/problem.ts';
import { putInPlace } from './backup-folder.ts';

/** A database that was saved beside the one before it. */
export interface SavedDatabase {
  /** Where it will be. */
  readonly path: string;
  putInPlace(): Promise<void>;
}

/** Saves the files of the embedded PostgreSQL, ready to be started on, and the password that belongs to them. */
export async function saveCluster(
  folder: string,
  options: { readonly dataDir: string; readonly url: string; readonly signal: AbortSignal },
): Promise<SavedDatabase> {
  await rm(join(folder, 'pg.new'), { recursive: true, force: true });
  await copyCluster(options.url, join(folder, 'pg.new'), options.signal);
  return {
    path: join(folder, 'pg'),
    async putInPlace() {
      await putInPlace(folder, 'pg');
      writeMovableRecord(options.dataDir, folder);
    },
  };
}

/**
 * Dumps somebody else's PostgreSQL with the pg_dump on PATH.
 * @throws CommandProblem with what pg_dump says, as when it is older than the server
 */
export async function dumpDatabase(
  folder: string,
  url: string,
  signal: AbortSignal,
): Promise<SavedDatabase> {
  const { address, password } = splitPassword(url);
  const draft = join(folder, 'database.dump.new');
  await rm(draft, { force: true });
  // Whom the folder is open to need not see the users' keys; pg_dump would ask the umask.
  await writeFile(draft, '', { mode: 0o600 });
  try {
    await promisify(execFile)(
      'pg_dump',
      ['--format=custom', '--no-owner', '--no-privileges', `--file=${draft}`, address],
      // A command line can be read by everybody.
      { signal, env: { ...process.env, ...(password && { PGPASSWORD: password }) } },
    );
  } catch (error) {
    await rm(draft, { force: true });
    signal.throwIfAborted();
    const { code, stderr } = error as { code?: string; stderr?: string };
    throw new CommandProblem(
      code === 'ENOENT'
        ? 'There is no pg_dump on PATH: install the client programs of the version of your PostgreSQL.'
        : `pg_dump could not save the database: ${stderr?.trim()}`,
    );
  }
  return {
    path: join(folder, 'database.dump'),
    putInPlace: () => putInPlace(folder, 'database.dump'),
  };
}

function splitPassword(url: string): { address: string; password: string } {
  const address = new URL(url);
  const password = decodeURIComponent(address.password);
  address.password = '';
  return { address: address.href, password };
}
