import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase } from '../../src/db/database.ts';
import { type EntityManager, openOrm } from '../../src/db/orm.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { waitUntil } from '../support/wait-until.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());

const UNAVAILABLE = { code: 'database-unavailable' };
const setting = async (orm: TestDatabase['orm'], name: string) =>
  (await orm.em.fork().execute<Record<string, string>[]>(`show ${name}`))[0]?.[name];

describe('the database', () => {
  it('gives up statements and locks that take too long', async () => {
    expect(await setting(db.orm, 'statement_timeout')).toBe('30s');
    expect(await setting(db.orm, 'lock_timeout')).toBe('8s');

    const sleeping = db.database.transact(async (em) => {
      await em.execute(`set local statement_timeout = '50ms'`);
      await em.execute('select pg_sleep(30)');
    });
    await expect(sleeping).rejects.toMatchObject(UNAVAILABLE);

    await db.database.transact(async (em) => {
      await em.execute('lock table videos');
      const waiting = db.database.transact(async (other) => {
        await other.execute(`set local lock_timeout = '50ms'`);
        await other.execute('select count(*) from videos');
      });
      await expect(waiting).rejects.toMatchObject(UNAVAILABLE);
    });
  });

  it('is unavailable while its disk is full', async () => {
    const full = `do $$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$`;
    await expect(db.database.run((em) => em.execute(full))).rejects.toMatchObject(UNAVAILABLE);
  });

  it('shows one instant to all reads of a snapshot, which cannot write', async () => {
    const count = async (em: EntityManager) =>
      (await em.execute<{ n: number }[]>('select count(*)::int as n from categories'))[0]?.n;
    const add = (em: EntityManager) =>
      em.execute(`insert into categories (name) values ('between two reads')`);
    const seen = await db.database.snapshot(async (em) => {
      const before = await count(em);
      await db.database.run(add);
      return [before, await count(em)];
    });
    expect(seen).toEqual([0, 0]);
    expect(await db.database.run(count)).toBe(1);
    await expect(db.database.snapshot(add)).rejects.toThrow('read-only transaction');
  });

  it('lets migrations take their time', async () => {
    const orm = await openOrm({ databaseUrl: db.url, poolSize: 1, patient: true });
    try {
      expect(await setting(orm, 'statement_timeout')).toBe('0');
      expect(await setting(orm, 'lock_timeout')).toBe('0');
    } finally {
      await orm.close(true);
    }
  });

  it('is unavailable when no connection becomes free', async () => {
    const database = createDatabase(await openOrm({ databaseUrl: db.url, poolSize: 1 }));
    try {
      await database.run((em) =>
        em.transactional(async (held) => {
          await held.execute('select 1');
          await expect(database.run((other) => other.execute('select 1'))).rejects.toMatchObject(
            UNAVAILABLE,
          );
        }),
      );
      expect(await database.isReachable()).toBe(true);
    } finally {
      await database.close();
    }
  });

  it('rule 45: gets all its connections back after transactions that broke', async () => {
    const { hostname, port } = new URL(db.url);
    const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
    const through = new URL(db.url);
    through.host = `127.0.0.1:${proxy.port}`;
    const database = createDatabase(await openOrm({ databaseUrl: through.href, poolSize: 2 }));
    const begun = Promise.withResolvers<void>();
    const cut = Promise.withResolvers<void>();
    const broken = [1, 2].map(() =>
      database.transact(async (em) => {
        await em.execute('select 1');
        begun.resolve();
        await cut.promise;
        await em.execute('select 2');
      }),
    );
    await begun.promise;
    proxy.cut();
    cut.resolve();
    for (const one of broken) await expect(one).rejects.toMatchObject(UNAVAILABLE);
    await expect(database.run((em) => em.execute('select 1'))).rejects.toMatchObject(UNAVAILABLE);
    proxy.mend();
    await waitUntil(
      () => database.isReachable(),
      (isReachable) => isReachable,
    );
    await database.close();
    await proxy.close();
  });

  it('is unavailable when the server takes the connection and then says nothing', async () => {
    const silent = createServer((socket) => void socket.on('error', () => undefined));
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const { port } = silent.address() as AddressInfo;
    const orm = await openOrm({ databaseUrl: `postgresql://nobody@127.0.0.1:${port}/nothing` });
    try {
      await expect(createDatabase(orm).run((em) => em.execute('select 1'))).rejects.toMatchObject(
        UNAVAILABLE,
      );
    } finally {
      await orm.close(true);
      silent.close();
    }
  });
});
