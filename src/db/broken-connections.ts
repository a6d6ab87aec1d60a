import type { Pool, PoolClient } from 'pg';

/** Whoever holds a broken connection and does give it back has done so by then: its query fails at once. */
const GRACE_MS = 1_000;

/**
 * Gives back to the pool what breaks inside a transaction.
 *
 * Kysely 0.29, by which MikroORM 7 speaks to PostgreSQL, releases the connection of a transaction after `begin` failed never, and
 * else only when `commit` or `rollback` has succeeded, which neither does on a connection that is broken. Each restart of the
 * server in the middle of transactions would cost places of the pool for good, until none is left and nobody gets a connection.
 */
export function giveBackBrokenConnections(pool: Pool): void {
  const taken = new WeakSet<PoolClient>();
  pool.on('acquire', (client) => taken.add(client));
  pool.on('release', (_error, client) => taken.delete(client));
  pool.on('connect', (client) => {
    client.once('end', () => {
      setTimeout(() => taken.has(client) && client.release(true), GRACE_MS).unref();
    });
  });
}
