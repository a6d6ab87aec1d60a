import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensureCluster, type PostgresCluster } from './postgres-server.ts';
import { SHARED_STATE_DIR, type PostgresBinaries } from './postgres-binaries.ts';
import type { Account } from './launch.ts';
import { findFreePort, isPortFree } from './ports.ts';
import { StackProblem } from './stack-problem.ts';

/**
 * Which embedded cluster belongs to a data folder.
 *
 * `postgres.json` in the data folder (mode 0600) is the link: it holds the password and says where the cluster lies.
 * As an ordinary user that is `pg` in the data folder. Root's PostgreSQL runs as user `postgres`, who may not be able
 * to enter the data folder, so its cluster lies below /var/lib/steadyreel in a folder named after the data folder's path.
 *
 * | postgres.json | cluster | what happens |
 * | --- | --- | --- |
 * | none | none | a new cluster |
 * | none | there | the data folder was removed and begun anew: the old cluster is renamed, a new one made |
 * | there | there | it is used |
 * | there | elsewhere | follows a data folder that was moved; refuses a copy of one that still exists |
 * | there | none | refused: an empty database would not fit the files |
 */

interface PostgresRecord {
  readonly directory: string;
  readonly password: string;
  readonly port: number;
  readonly major: number;
  /** False until the cluster is whole. */
  readonly made: boolean;
}

/** A cluster that exists and the port it will listen on. */
export interface PostgresHome {
  readonly cluster: PostgresCluster;
  readonly port: number;
}

/**
 * Finds or makes the cluster of a data folder. Idempotent; a kill at any point is mended by the next call.
 * @param say  gets what a person should know
 * @throws StackProblem where another major version made it, or it is not where it should be
 */
export async function openPostgresHome(options: {
  dataDir: string;
  account: Account | undefined;
  binaries: PostgresBinaries;
  say: (line: string) => void;
  /** Only tests set it. */
  sharedDir?: string;
}): Promise<PostgresHome> {
  const { dataDir, account, binaries, say, sharedDir = SHARED_STATE_DIR } = options;
  const directory = account
    ? join(sharedDir, createHash('sha256').update(dataDir).digest('hex').slice(0, 16), 'pg')
    : join(dataDir, 'pg');
  const recordFile = join(dataDir, 'postgres.json');
  const record = readRecord(recordFile);

  if (record?.made && !existsSync(directory)) followMovedCluster(record, { directory, recordFile });
  if (!record && existsSync(directory)) setAside(directory, say);

  const port = record && (await isPortFree(record.port, '127.0.0.1')) ? record.port : undefined;
  const draft: PostgresRecord = {
    directory,
    password: record?.password ?? randomBytes(18).toString('base64url'),
    port: port ?? (await findFreePort()),
    major: binaries.major,
    made: record?.made ?? false,
  };
  if (!draft.made) writeRecord(recordFile, draft); // the password must outlive a kill during initdb
  const cluster = { directory, binaries, account, password: draft.password, durable: true };
  if (!existsSync(directory)) say(`Making the database in ${directory} …`);
  ensureCluster(cluster);
  if (account) writeFileSync(ownerFile(directory), `${dataDir}\n`);
  writeRecord(recordFile, { ...draft, made: true });
  return { cluster, port: draft.port };
}

/** Beside the cluster: the data folder it belongs to, for a person who finds it and for us when that one moves. */
function ownerFile(directory: string): string {
  return join(dirname(directory), 'data-folder');
}

function followMovedCluster(
  record: PostgresRecord,
  { directory, recordFile }: { directory: string; recordFile: string },
): void {
  const old = record.directory;
  if (!existsSync(old)) {
    throw new StackProblem(
      `The database of this data folder, ${old}, is gone: put it back, or remove ${recordFile} to begin with an empty one.`,
    );
  }
  const owner = existsSync(ownerFile(old))
    ? readFileSync(ownerFile(old), 'utf8').trim()
    : undefined;
  if (owner === undefined || existsSync(owner)) {
    throw new StackProblem(
      owner === undefined
        ? `The database of this data folder, ${old}, was made by another user: start as that user.`
        : `This data folder is a copy of ${owner}, whose database is ${old}: start there, or set DATA_DIR to a new folder.`,
    );
  }
  mkdirSync(dirname(dirname(directory)), { recursive: true });
  renameSync(dirname(old), dirname(directory));
}

function setAside(directory: string, say: (line: string) => void): void {
  const aside = `${directory}-${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}`;
  renameSync(directory, aside);
  say(`The data folder is new, so the database of an older one there was moved to ${aside}.`);
}

function readRecord(path: string): PostgresRecord | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as PostgresRecord;
  } catch {
    throw new StackProblem(`${path} cannot be read: restore it from a backup.`);
  }
}

function writeRecord(path: string, record: PostgresRecord): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
