import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { copyCluster } from '../../src/stack/copy-cluster.ts';
import { copyTree } from '../../src/stack/copy-tree.ts';
import { StackProblem } from '../../src/stack/stack-problem.ts';
import { findPostgresBinaries, postgresAccount } from '../../src/stack/postgres-binaries.ts';
import { openPostgresHome, writeMovableRecord } from '../../src/stack/postgres-home.ts';
import {
  databaseUrl,
  launchPostgres,
  type PostgresCluster,
  waitForPostgres,
} from '../../src/stack/postgres-server.ts';

const account = postgresAccount();

/** Only root's cluster lies outside of the data folder. */
const itAsRoot = account ? it : it.skip;

let folder: string;
let dataDir: string;
let said: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'steadyreel-home-'));
  chmodSync(folder, 0o755);
  dataDir = join(folder, 'data');
  said = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(dir = dataDir, say = (line: string) => void said.push(line)) {
  return openPostgresHome({
    dataDir: dir,
    mediaRoot: join(dir, 'media'),
    account,
    binaries: findPostgresBinaries(account),
    say,
    sharedDir: join(folder, 'shared'),
  });
}

describe('openPostgresHome', () => {
  it('makes one cluster for a data folder and finds it again, its password for us alone', async () => {
    const first = await open();
    const second = await open();
    expect(second.cluster).toEqual(first.cluster);
    expect(said).toEqual([`Making the database in ${first.cluster.directory} …`]);
    expect(statSync(join(dataDir, 'postgres.json')).mode & 0o777).toBe(0o600);
    expect(statSync(first.cluster.directory).mode & 0o777).toBe(0o700);
    expect(readdirSync(dirname(first.cluster.directory))).not.toContain('initial-password');
  });

  it('makes none beside media, which it would not know', async () => {
    const { cluster } = await open();
    const videos = join(dataDir, 'media/videos/streams/1/v1');
    mkdirSync(videos, { recursive: true });
    renameSync(join(dataDir, 'postgres.json'), join(folder, 'kept.json'));
    writeFileSync(join(videos, '240p.mp4'), 'x');
    const before = everything();
    await expect(open()).rejects.toThrow('holds media, and the database that knows them');
    expect(everything()).toEqual(before);

    renameSync(join(folder, 'kept.json'), join(dataDir, 'postgres.json'));
    expect((await open()).cluster).toEqual(cluster);
  });

  it('begins anew where it was killed half way', async () => {
    const { cluster } = await open();
    const record = join(dataDir, 'postgres.json');
    const text = readFileSync(record, 'utf8');
    renameSync(cluster.directory, `${cluster.directory}.new`);
    writeFileSync(record, text.replace('"made": true', '"made": false'));
    expect((await open()).cluster.password).toBe(cluster.password);
    expect(existsSync(join(cluster.directory, 'PG_VERSION'))).toBe(true);
    expect(existsSync(`${cluster.directory}.new`)).toBe(false);
  });

  it('refuses a cluster of another major version with the line that dumps and restores it', async () => {
    const { cluster } = await open();
    writeFileSync(join(cluster.directory, 'PG_VERSION'), '17\n');
    await expect(open()).rejects.toThrow(/made by PostgreSQL 17 and this is 18.*pg_dump.*psql/s);
  });

  it('refuses to put an empty database beside files that had a full one', async () => {
    const { cluster } = await open();
    rmSync(cluster.directory, { recursive: true });
    await expect(open()).rejects.toThrow(
      /is gone: put it back, or move the media away and remove .*postgres\.json/,
    );
  });

  itAsRoot('keeps the old database aside when the data folder was removed', async () => {
    const { cluster } = await open();
    rmSync(dataDir, { recursive: true });
    expect((await open()).cluster.password).not.toBe(cluster.password);
    expect(said).toContainEqual(expect.stringContaining('was moved to'));
    expect(setAsideBeside(cluster.directory)).toHaveLength(1);
  });

  itAsRoot('follows a data folder that was moved, and refuses a copy of one', async () => {
    const { cluster } = await open();
    const moved = join(folder, 'moved');
    cpSync(dataDir, moved, { recursive: true });
    await expect(open(moved)).rejects.toThrow(`is a copy of ${dataDir}`);
    rmSync(dataDir, { recursive: true });
    const followed = await open(moved);
    expect(followed.cluster.password).toBe(cluster.password);
    expect(existsSync(cluster.directory)).toBe(false);
    expect((await open(moved)).cluster).toEqual(followed.cluster);
  });

  it('takes over the cluster of a restored data folder, whatever lay in its place, and refuses one without', async () => {
    const { cluster } = await open();
    const moved = join(folder, 'moved');
    await backUp(cluster.directory, moved);
    rmSync(join(moved, 'pg'), { recursive: true });
    await expect(open(moved)).rejects.toThrow('restored without its database');
    for (let time = 1; time <= 2; time += 1) {
      await backUp(cluster.directory, moved);
      const restored = await open(moved);
      expect(restored.cluster.password).toBe(cluster.password);
      expect(statSync(restored.cluster.directory).mode & 0o777).toBe(0o700);
      if (account) expect(statSync(restored.cluster.directory).uid).toBe(account.uid);
      expect(existsSync(join(moved, 'pg'))).toBe(account === undefined);
      expect((await open(moved)).cluster).toEqual(restored.cluster);
    }
  });

  itAsRoot(
    'touches nothing before a restored cluster fits, then puts aside what lay in its place',
    async () => {
      const { cluster } = await open();
      await backUp(cluster.directory, dataDir);
      const restored = join(dataDir, 'pg');
      const before = everything();
      writeFileSync(join(restored, 'PG_VERSION'), '17\n');
      await expect(open()).rejects.toThrow(`${restored} was made by PostgreSQL 17 and this is 18`);
      expect(everything()).toEqual(before);

      cpSync(join(cluster.directory, 'PG_VERSION'), join(restored, 'PG_VERSION'));
      said = [];
      await open();
      const [aside, ...more] = setAsideBeside(cluster.directory);
      expect(more).toEqual([]);
      expect(said).toEqual([
        `Taking over the restored database in ${restored} …`,
        `The database that lay in the place of the restored one was moved to ${aside}.`,
      ]);
    },
  );

  itAsRoot('goes on where the taking over of a restored cluster was killed', async () => {
    const { cluster } = await open();
    await backUp(cluster.directory, dataDir);
    writeFileSync(join(dataDir, 'pg', 'restored'), '');
    const isRestored = () => existsSync(join(cluster.directory, 'restored'));
    const killed = open(dataDir, (line) => {
      if (line.includes('was moved to')) throw new Error('killed');
    });
    await expect(killed).rejects.toThrow('killed');
    expect(existsSync(cluster.directory)).toBe(false);
    said = [];
    expect((await open()).cluster).toEqual(cluster);
    expect(isRestored()).toBe(true);
    expect(setAsideBeside(cluster.directory)).toHaveLength(1);
    expect(existsSync(join(dataDir, 'pg'))).toBe(false);
    expect(said).toEqual([]);
  });

  itAsRoot('removes what was taken over only where it lies in its place', async () => {
    const { cluster } = await open();
    const record = join(dataDir, 'postgres.json');
    const text = readFileSync(record, 'utf8');
    const leftover = join(dataDir, 'pg');
    await copyTree(cluster.directory, leftover);
    await open();
    expect(existsSync(leftover)).toBe(true); // nobody's: no restore has left it

    writeFileSync(record, text.replace('{', '{ "isCopy": true,'));
    renameSync(cluster.directory, `${cluster.directory}-hidden`);
    await expect(open()).rejects.toThrow('is gone: put it back');
    expect(existsSync(leftover)).toBe(true);

    renameSync(`${cluster.directory}-hidden`, cluster.directory);
    expect((await open()).cluster).toEqual(cluster);
    expect(existsSync(leftover)).toBe(false);
    expect(readFileSync(record, 'utf8')).toBe(text);
  });

  /** Names and contents of all records, and the names of all clusters. */
  function everything() {
    const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted();
    const records = paths.filter((path) => path.endsWith('postgres.json'));
    return [paths, records.map((path) => readFileSync(join(folder, path), 'utf8'))];
  }

  function setAsideBeside(directory: string): readonly string[] {
    const names = readdirSync(dirname(directory)).filter((name) => name.startsWith('pg-'));
    return names.map((name) => join(dirname(directory), name));
  }

  /** Of a cluster that does not run. */
  async function backUp(cluster: string, to: string): Promise<void> {
    await copyTree(cluster, join(to, 'pg'));
    writeMovableRecord(dataDir, to);
  }
});

describe('copyCluster', () => {
  it('copies a cluster that is written to, with all that was committed before', async () => {
    const { cluster, port } = await open();
    const first = await start(cluster, port);
    const client = new pg.Client({ connectionString: databaseUrl(cluster, port) });
    await client.connect();
    await client.query('create table lines (id serial, text text)');
    await client.query(
      `insert into lines (text) select repeat('x', 200) from generate_series(1, 20000)`,
    );
    let isOver = false;
    const writing = (async () => {
      while (!isOver) await client.query(`insert into lines (text) values ('while it is copied')`);
    })();
    const copy = join(folder, 'copy');
    await copyCluster(databaseUrl(cluster, port), join(copy, 'pg'), new AbortController().signal);
    isOver = true;
    await writing;
    await client.end();
    await first.stop(10_000);

    writeMovableRecord(dataDir, copy);
    const home = await open(copy);
    const second = await start(home.cluster, home.port);
    const reader = new pg.Client({ connectionString: databaseUrl(home.cluster, home.port) });
    await reader.connect();
    const { rows } = await reader.query(
      'select count(*)::int as count, max(id) as last from lines',
    );
    const slots = await reader.query('select 1 from pg_replication_slots');
    await reader.end();
    await second.stop(10_000);
    expect(rows[0].count).toBeGreaterThanOrEqual(20_000);
    expect(rows[0].count).toBe(rows[0].last);
    expect(slots.rows).toEqual([]);
  });

  it('refuses one with tablespaces, and says in a sentence that it has stopped', async () => {
    const { cluster, port } = await open();
    const server = await start(cluster, port);
    const url = databaseUrl(cluster, port);
    const copy = (signal = new AbortController().signal) =>
      copyCluster(url, join(folder, 'copy'), signal);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const place = join(folder, 'place');
    mkdirSync(place);
    if (account) chownSync(place, account.uid, account.gid);
    await client.query(`create tablespace fast location '${place}'`);
    await expect(copy()).rejects.toThrow('tablespaces outside of its folder (fast)');
    await client.query('drop tablespace fast');
    await client.end();
    const pid = Number(
      readFileSync(join(cluster.directory, 'postmaster.pid'), 'utf8').split('\n')[0],
    );
    const atFirstFile = new AbortController().signal;
    atFirstFile.throwIfAborted = () => {
      atFirstFile.throwIfAborted = () => undefined;
      process.kill(pid, 'SIGKILL');
    };
    const told = /could not be copied.*(onnection|ECONN).*is as it was/;
    await expect(copy(atFirstFile)).rejects.toThrow(told);
    await server.stop(10_000);
    await expect(copy()).rejects.toThrow(told);
    await expect(copy()).rejects.toBeInstanceOf(StackProblem);
    expect(existsSync(join(folder, 'copy'))).toBe(false);
  });

  async function start(cluster: PostgresCluster, port: number) {
    const server = await launchPostgres(cluster, { port, onLine: () => undefined });
    await waitForPostgres(cluster, port, new AbortController().signal);
    return server;
  }
});
