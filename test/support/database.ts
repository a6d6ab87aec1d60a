import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { Client, Pool } from 'pg';
import { createDatabase, type Database } from '../../src/db/database.ts';
import { migrate } from '../../src/db/migrate.ts';
import { type MikroORM, openOrm } from '../../src/db/orm.ts';
import { testDatabaseUrl } from './services.ts';

/** A migrated database that nobody else uses. */
export interface TestDatabase {
  readonly url: string;
  readonly orm: MikroORM;
  readonly database: Database;
  /** Runs one statement past the ORM. */
  sql(statement: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** Closes the connections and drops the database. */
  drop(): Promise<void>;
}

/** Any constant: test processes that find no template make it one after the other. */
const TEMPLATE_LOCK = 7_110_399;

/** Copies the migrated template, which is made by whoever comes first. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const template = await ensureTemplate();
  const name = `test_${randomBytes(8).toString('hex')}`;
  await asAdministrator((client) => client.query(`create database ${name} template ${template}`));
  const url = urlOf(name);
  const orm = await openOrm({ databaseUrl: url, poolSize: 4 });
  // Tests ask many times a second, and a connection costs more than a question.
  const pool = new Pool({ connectionString: url, max: 4 });
  // One that breaks while nobody uses it is replaced.
  pool.on('error', () => undefined);
  return {
    url,
    orm,
    database: createDatabase(orm),
    sql: async (statement, values = []) => (await pool.query(statement, [...values])).rows,
    async drop() {
      await pool.end();
      await orm.close(true);
      await asAdministrator((client) =>
        client.query(`drop database if exists ${name} with (force)`),
      );
    },
  };
}

/** Named after the migrations, so that a changed one makes a new template. */
async function ensureTemplate(): Promise<string> {
  const folder = new URL('../../src/db/migrations/', import.meta.url);
  const hash = createHash('sha256');
  for (const file of readdirSync(folder).toSorted())
    hash.update(readFileSync(new URL(file, folder)));
  const name = `template_${hash.digest('hex').slice(0, 16)}`;
  await asAdministrator(async (client) => {
    await client.query('select pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (rowCount !== 0) return;
    const draft = `${name}_draft`;
    await client.query(`drop database if exists ${draft} with (force)`);
    await client.query(`create database ${draft}`);
    await migrate(urlOf(draft));
    await client.query(`alter database ${draft} rename to ${name}`);
  });
  return name;
}

function urlOf(database: string): string {
  const url = new URL(testDatabaseUrl());
  url.pathname = `/${database}`;
  return url.href;
}

async function asAdministrator<T>(work: (client: Client) => Promise<T>): Promise<T> {
  return connected(testDatabaseUrl(), work);
}

async function connected<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
