import { ConfigError, loadDatabaseConfig } from '../config/env.ts';
import { migrate } from '../db/migrate.ts';

try {
  const names = await migrate(loadDatabaseConfig().databaseUrl);
  process.stdout.write(
    names.length === 0
      ? 'The database is up to date.\n'
      : `Migrated the database: ${names.join(', ')}.\n`,
  );
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
