import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensureCluster, refuseOtherMajor, type PostgresCluster } from './postgres-server.ts';
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
 * | none | none | a new cluster, unless there are media already |
 * | none | there | the data folder was removed and begun anew: the old cluster is renamed, a new one made |
 * | there | there | it is used |
 * | there | elsewhere | follows a data folder that was moved; refuses a copy of one that still exists |
 * | there | none | refused: an empty database would not fit the files |
 * | of a backup | `pg` beside it | a restored data folder: its cluster takes the place of any other |
 */

interface PostgresRecord {
  readonly directory: string;
  readonly password: string;
  readonly port: number;
  /** False until the cluster is whole. */
  readonly made: boolean;
  /** The cluster is a copy of the restored one, which may still lie beside the record. */
  readonly isCopy?: boolean;
}

/** Where the cluster of a backup lies, by its record: beside its record, wherever that is and whoever starts there. */
const BESIDE = 'pg';

type Say = (line: string) => void;

/** In the data folder. */
const RECORD = 'postgres.json';

/** A cluster that exists and the port it will listen on. */
export interface PostgresHome {
  readonly cluster: PostgresCluster;
  readonly port: number;
}

/**
 * Finds or makes the cluster of a data folder. Idempotent; a kill at any point is mended by the next call.
 * @param say  gets what a person should know
 * @throws StackProblem where another major version made it, it is not where it should be, or media are there without it
 */
export async function openPostgresHome(options: {
  dataDir: string;
  mediaRoot: string;
  account: Account | undefined;
  binaries: PostgresBinaries;
  say: Say;
  /** Only tests set it. */
  sharedDir?: string;
}): Promise<PostgresHome> {
  const { dataDir, mediaRoot, account, binaries, say, sharedDir = SHARED_STATE_DIR } = options;
  const directory = account
    ? join(sharedDir, createHash('sha256').update(dataDir).digest('hex').slice(0, 16), 'pg')
    : join(dataDir, 'pg');
  const recordFile = join(dataDir, RECORD);
  const restored = join(dataDir, BESIDE);
  const found = readRecord(recordFile);
  const record =
    found?.directory === BESIDE
      ? adopt(found, { restored, recordFile, directory, account, binaries, say })
      : found;

  if (record?.isCopy) putInPlace(directory, say);
  if (record?.made && !existsSync(directory)) followMovedCluster(record, { directory, recordFile });
  if (!record) refuseKnownMedia(mediaRoot, dataDir);
  if (!record && existsSync(directory))
    setAside(directory, `${recordFile} is not there, so the database that lay here before`, say);

  const draft: PostgresRecord = {
    directory,
    password: record?.password ?? randomBytes(18).toString('base64url'),
    port: record?.port ?? (await findFreePort()),
    made: record?.made ?? false,
  };
  if (!draft.made) writeRecord(recordFile, draft); // the password must outlive a kill during initdb
  const cluster = { directory, binaries, account, password: draft.password, durable: true };
  if (!existsSync(directory)) say(`Making the database in ${directory} …`);
  ensureCluster(cluster);
  if (record?.isCopy && directory !== restored) rmSync(restored, { recursive: true, force: true });
  if (account) writeFileSync(ownerFile(directory), `${dataDir}\n`);
  // Asked last: making a cluster takes seconds, in which somebody may have taken it.
  const port = (await isPortFree(draft.port, '127.0.0.1')) ? draft.port : await findFreePort();
  writeRecord(recordFile, { ...draft, port, made: true });
  return { cluster, port };
}

/** An empty database would know none of them, and take what was made of them for leftovers. */
function refuseKnownMedia(mediaRoot: string, dataDir: string): void {
  const videos = join(mediaRoot, 'videos');
  if (!existsSync(videos)) return;
  const entries = readdirSync(videos, { recursive: true, withFileTypes: true });
  if (!entries.some((entry) => entry.isFile())) return;
  throw new StackProblem(
    `${mediaRoot} holds media, and the database that knows them is not here: put \`pg\` and \`${RECORD}\` of the same backup into ${dataDir}, or move the media away to begin with an empty one.`,
  );
}

/** Writes the record of a backup's cluster, which was copied to `pg` in the folder of the backup. */
export function writeMovableRecord(dataDir: string, folder: string): void {
  const record = readRecord(join(dataDir, RECORD));
  if (record === undefined) throw new StackProblem(`${join(dataDir, RECORD)} is missing.`);
  writeRecord(join(folder, RECORD), { ...record, directory: BESIDE });
}

/**
 * Makes the cluster of a restored data folder ours. Where it belongs elsewhere a copy of it is made, and only once that is whole the
 * record says so: a kill before it begins anew, a kill after it goes on with {@link putInPlace}.
 */
function adopt(
  record: PostgresRecord,
  options: {
    restored: string;
    recordFile: string;
    directory: string;
    account: Account | undefined;
    binaries: PostgresBinaries;
    say: Say;
  },
): PostgresRecord {
  const { restored, recordFile, directory, account, binaries, say } = options;
  if (!existsSync(join(restored, 'PG_VERSION'))) {
    throw new StackProblem(
      `This data folder was restored without its database: put ${restored} there from the same backup.`,
    );
  }
  refuseOtherMajor(restored, binaries.major);
  say(`Taking over the restored database in ${restored} …`);
  const isCopy = directory !== restored;
  if (isCopy) copyWhole(restored, draftOf(directory));
  giveTo(isCopy ? draftOf(directory) : restored, account);
  const adopted = { ...record, directory, isCopy };
  writeRecord(recordFile, adopted);
  return adopted;
}

function copyWhole(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
  cpSync(from, to, { recursive: true });
}

/** Gives the copy of a restored cluster the place of any other. */
function putInPlace(directory: string, say: Say): void {
  const draft = draftOf(directory);
  if (!existsSync(draft)) return;
  if (existsSync(directory))
    setAside(directory, 'The database that lay in the place of the restored one', say);
  renameSync(draft, directory);
}

function draftOf(directory: string): string {
  return `${directory}.new`;
}

/** PostgreSQL starts only on files that nobody else may touch. */
function giveTo(directory: string, account: Account | undefined): void {
  const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  for (const path of ['', ...paths].map((name) => join(directory, name))) {
    chmodSync(path, statSync(path).isDirectory() ? 0o700 : 0o600);
    if (account) chownSync(path, account.uid, account.gid);
  }
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
      `The database of this data folder, ${old}, is gone: put it back, or move the media away and remove ${recordFile} to begin with an empty one.`,
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

function setAside(directory: string, what: string, say: Say): void {
  const aside = `${directory}-${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}`;
  renameSync(directory, aside);
  say(`${what} was moved to ${aside}.`);
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
