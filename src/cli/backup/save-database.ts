import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { copyCluster } from '../../stack/copy-cluster.ts';
import { writeMovableRecord } from '../../stack/postgres-home.ts';
import { CommandProblem } from '../client/problem.ts';
import { putInPlace } from './backup-folder.ts';

/**
 * Saves the files of the embedded PostgreSQL, ready to be started on, and the password that belongs to them.
 * @returns where
 */
export async function saveCluster(
  folder: string,
  options: { readonly dataDir: string; readonly url: string; readonly signal: AbortSignal },
): Promise<string> {
  await rm(join(folder, 'pg.new'), { recursive: true, force: true });
  await copyCluster(options.url, join(folder, 'pg.new'), options.signal);
  writeMovableRecord(options.dataDir, folder);
  return putInPlace(folder, 'pg');
}

/**
 * Dumps somebody else's PostgreSQL with the pg_dump on PATH.
 * @throws CommandProblem with what pg_dump says, as when it is older than the server
 * @returns where
 */
export async function dumpDatabase(
  folder: string,
  url: string,
  signal: AbortSignal,
): Promise<string> {
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
  return putInPlace(folder, 'database.dump');
}

function splitPassword(url: string): { address: string; password: string } {
  const address = new URL(url);
  const password = decodeURIComponent(address.password);
  address.password = '';
  return { address: address.href, password };
}
