import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { launch, type Account, type Launched } from './launch.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { StackProblem } from './stack-problem.ts';

/** Name of the superuser of an embedded cluster and of the application's database. */
const OWNER = 'steadyreel';

/** One embedded PostgreSQL: where it lives and who runs it. */
export interface PostgresCluster {
  /** The cluster's own folder; its parent must be enterable by `account`. */
  readonly directory: string;
  readonly binaries: PostgresBinaries;
  readonly account: Account | undefined;
  readonly password: string;
  /** Only tests say false: their data need not survive a power cut. */
  readonly durable: boolean;
}

/** URL of the application's database in a cluster that listens on `port` of the loopback address. */
export function databaseUrl(cluster: PostgresCluster, port: number, database = OWNER): string {
  return `postgresql://${OWNER}:${encodeURIComponent(cluster.password)}@127.0.0.1:${port}/${database}`;
}

/**
 * Makes the cluster where there is none. Made under another name and renamed, so that one that exists is whole.
 * @throws StackProblem where it was made by another major version
 */
export function ensureCluster(cluster: PostgresCluster): void {
  const { directory, binaries } = cluster;
  if (existsSync(directory)) {
    refuseOtherMajor(directory, binaries.major);
    return;
  }
  const draft = `${directory}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(dirname(directory), { recursive: true, mode: 0o755 });
  mkdirSync(draft, { mode: 0o700 });
  const passwordFile = join(draft, '../initial-password');
  writeFileSync(passwordFile, `${cluster.password}\n`, { mode: 0o600 });
  if (cluster.account) {
    for (const path of [draft, passwordFile]) {
      chownSync(path, cluster.account.uid, cluster.account.gid);
    }
  }
  try {
    runInitdb(cluster, draft, passwordFile);
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(draft, directory);
}

/** @throws StackProblem with the lines that dump and restore it, where the cluster was made by another major version */
export function refuseOtherMajor(directory: string, major: number): void {
  const found = readFileSync(join(directory, 'PG_VERSION'), 'utf8').trim();
  if (Number(found) === major) return;
  const old = `/usr/lib/postgresql/${found}/bin`;
  throw new StackProblem(
    `${directory} was made by PostgreSQL ${found} and this is ${major}: dump it with PostgreSQL ${found} and the password in postgres.json ` +
      `(\`${old}/pg_ctl -D ${directory} -o '-p 5499 -k /tmp' -w start && ${old}/pg_dump --clean --if-exists -h /tmp -p 5499 -U ${OWNER} ${OWNER} > ${OWNER}.sql && ${old}/pg_ctl -D ${directory} stop\`), ` +
      `move it away (\`mv ${directory} ${directory}-${found}\`) and postgres.json too, start again and restore it (\`psql "$DATABASE_URL" < ${OWNER}.sql\`, with the URL in stack.json).`,
  );
}

/** Starts the server of an existing cluster; it is not ready yet, see {@link waitForPostgres}. */
export function launchPostgres(
  cluster: PostgresCluster,
  { port, onLine }: { port: number; onLine: (line: string) => void },
): Promise<Launched> {
  return launch({
    command: cluster.binaries.postgres,
    args: ['-D', cluster.directory, '-p', String(port), ...serverSettings(cluster.durable)],
    env: { LC_ALL: 'C', TZ: 'UTC' },
    cwd: '/',
    account: cluster.account,
    // SIGINT is PostgreSQL's "fast shutdown": it ends sessions and writes a checkpoint. SIGTERM waits for clients.
    stopSignal: 'SIGINT',
    onLine,
  });
}

/**
 * Waits until the server answers, and makes the application's database where it is missing.
 * @param signal ends the waiting when the server has died
 */
export async function waitForPostgres(
  cluster: PostgresCluster,
  port: number,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      await withClient(databaseUrl(cluster, port, 'postgres'), async (client) => {
        const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [
          OWNER,
        ]);
        if (rowCount === 0) await client.query(`CREATE DATABASE ${OWNER}`);
      });
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (!isNotReadyYet(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/**
 * Major version of somebody else's server, which we use but do not run.
 * @throws StackProblem where it cannot be reached or is older than 14
 */
export async function checkForeignPostgres(url: string): Promise<void> {
  let version: number;
  try {
    version = await withClient(url, async (client) => {
      const { rows } = await client.query<{ server_version_num: string }>(
        'SHOW server_version_num',
      );
      return Math.floor(Number(rows[0]?.server_version_num) / 10_000);
    });
  } catch (error) {
    const reason = (error as Error).message || (error as NodeJS.ErrnoException).code;
    throw new StackProblem(
      `The PostgreSQL of DATABASE_URL cannot be used (${reason}): start it, or correct DATABASE_URL.`,
    );
  }
  if (version < 14) {
    throw new StackProblem(
      `The PostgreSQL of DATABASE_URL has version ${version}, but 14 or later is needed: upgrade it, or unset DATABASE_URL.`,
    );
  }
}

async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined); // the query that was running rejects as well
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** Starting up (57P03), still shutting down, or not listening yet. */
function isNotReadyYet(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === '57P03' || code === 'ECONNREFUSED' || code === 'ECONNRESET';
}

/** Modest memory, since the whole product shares a small machine; TCP on loopback only. */
function serverSettings(durable: boolean): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    shared_buffers: '32MB',
    max_connections: '50',
    max_wal_size: '256MB',
    max_parallel_workers: '2',
    jit: 'off', // compiling costs more than our short queries
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    ...(!durable && { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Collation of the server itself: the same order of text on every machine, whatever its C library. */
function runInitdb(cluster: PostgresCluster, draft: string, passwordFile: string): void {
  const { status, stderr } = spawnSync(
    cluster.binaries.initdb,
    [
      `--pgdata=${draft}`,
      `--username=${OWNER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      ...(cluster.durable ? [] : ['--no-sync']),
    ],
    { cwd: '/', encoding: 'utf8', env: { LC_ALL: 'C', TZ: 'UTC' }, ...cluster.account },
  );
  if (status === 0) return;
  throw new StackProblem(`PostgreSQL could not make its folder ${draft}: ${lastLine(stderr)}`);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
