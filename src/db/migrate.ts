import { openOrm } from './orm.ts';

/** Any number; all processes that migrate must agree on it. */
const MIGRATION_LOCK = 7_283_940_115;

/**
 * Brings the database to the newest shape. Safe at any time and from several processes at once: they take turns.
 * @returns the names of the migrations that were applied now
 */
export async function migrate(databaseUrl: string): Promise<readonly string[]> {
  const orm = await openOrm({ databaseUrl, poolSize: 3, patient: true });
  try {
    return await orm.em.fork().transactional(async (em) => {
      await em.execute('select pg_advisory_xact_lock(?)', [MIGRATION_LOCK]);
      const applied = await orm.migrator.up();
      return applied.map((migration) => migration.name);
    });
  } finally {
    await orm.close(true);
  }
}
