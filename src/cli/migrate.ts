import { loadConfig } from '../config/env.ts';
import { migrate } from '../db/migrate.ts';

const names = await migrate(loadConfig().databaseUrl);
process.stdout.write(
  names.length === 0
    ? 'The database is up to date.\n'
    : `Migrated the database: ${names.join(', ')}.\n`,
);
