import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { copyTree } from './copy-tree.ts';
import { StackProblem } from './stack-problem.ts';

/**
 * Copies the files of a PostgreSQL that runs on this machine, so that a server of the same major version and architecture can be
 * started on them and finds everything that was committed when the copying ended. Nobody is held up.
 *
 * This is PostgreSQL's low-level base backup: embedded PostgreSQL brings neither pg_basebackup nor pg_dump. A temporary slot, which
 * goes with the connection, keeps the write-ahead log of the changes made meanwhile from being used again before it is copied.
 * @param url  of a superuser, on the server
 * @param to   absolute; must not exist; nothing is left there on a fault
 * @throws StackProblem where the files are not on this machine, not all in one folder, or the server does not answer
 * Source: PostgreSQL manual, "Making a Base Backup Using the Low Level API".
 */
export async function copyCluster(url: string, to: string, signal: AbortSignal): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined); // the query that was running rejects as well
  await answered(client.connect());
  try {
    const from = await readText(client, `select current_setting('data_directory') as text`);
    // A folder that is missing would be copied as an empty one.
    if (!existsSync(join(from, 'PG_VERSION')))
      throw new StackProblem(`The database lies in ${from}, which is not on this machine.`);
    await refuseTablespaces(client);
    await readText(
      client,
      'select slot_name as text from pg_create_physical_replication_slot($1, immediately_reserve => true, temporary => true)',
      [`backup_${process.pid}`],
    );
    await readText(client, 'select pg_backup_start($1, fast => true)::text as text', [
      'steadyreel',
    ]);
    await copyTree(from, to, { leavesOut: isOfTheMoment, signal });
    const label = await readText(
      client,
      'select labelfile as text from pg_backup_stop(wait_for_archive => false)',
    );
    await copyTree(join(from, 'pg_wal'), join(to, 'pg_wal'), { signal });
    await writeFile(join(to, 'backup_label'), label, { mode: 0o600 });
  } catch (error) {
    await rm(to, { recursive: true, force: true });
    throw error;
  } finally {
    await client.end();
  }
}

/** Only links to them lie among the files. */
async function refuseTablespaces(client: pg.Client): Promise<void> {
  const names = await readText(
    client,
    `select string_agg(spcname, ', ') as text from pg_tablespace where pg_tablespace_location(oid) like '/%'`,
  );
  if (names !== '')
    throw new StackProblem(
      `The database has tablespaces outside of its folder (${names}), which this does not copy: save it with pg_basebackup, and the rest with --without-database.`,
    );
}

/** Files of the running server, and what it makes anew at its start. Folders stay, as far as it expects them to be there. */
const OF_THE_MOMENT = [
  /^(postmaster\.(pid|opts)|current_logfiles|backup_label(\.old)?|tablespace_map)$/,
  /^(pg_wal|pg_replslot|pg_dynshmem|pg_notify|pg_serial|pg_snapshots|pg_stat_tmp|pg_subtrans)\/./,
  /(^|\/)(pgsql_tmp[^/]*|pg_internal\.init[^/]*)$/,
];

function isOfTheMoment(path: string): boolean {
  return OF_THE_MOMENT.some((pattern) => pattern.test(path));
}

async function readText(
  client: pg.Client,
  statement: string,
  values: readonly string[] = [],
): Promise<string> {
  const { rows } = await answered(client.query<{ text: string | null }>(statement, [...values]));
  return rows[0]?.text ?? '';
}

async function answered<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    const { message, code } = error as { message: string; code?: string };
    throw new StackProblem(
      `The database could not be copied, because it does not answer as it should: ${message || code}. What was saved before is as it was.`,
      { cause: error },
    );
  }
}
