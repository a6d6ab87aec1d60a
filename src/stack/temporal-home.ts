import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StackProblem } from './stack-problem.ts';

/**
 * The database file of the embedded Temporal server, with the server's version recorded beside it.
 *
 * A newer server brings an older file up to date by itself; the other way round it would not understand it. Nothing
 * is lost with that file: PostgreSQL knows every video, and unfinished ones are started again.
 * @param server  version of the server at hand, as in `1.32.0`; empty where the CLI does not say
 * @throws StackProblem where a newer server made the file
 */
export function openTemporalHome(dataDir: string, server: string): { databaseFile: string } {
  const folder = join(dataDir, 'temporal');
  const databaseFile = join(folder, 'temporal.db');
  const versionFile = join(folder, 'server-version');
  mkdirSync(folder, { recursive: true });
  const made = existsSync(databaseFile) ? readVersion(versionFile) : '';
  if (isNewer(made, server)) {
    throw new StackProblem(
      `${databaseFile} was made by Temporal Server ${made} and this is ${server}: set TEMPORAL_CLI_PATH to the newer CLI, ` +
        `or move the file away (\`mv ${folder} ${folder}-${made}\`), and unfinished videos start again from the database.`,
    );
  }
  if (server !== '') writeFileSync(versionFile, `${server}\n`);
  return { databaseFile };
}

function readVersion(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
}

/** Compares major and minor; patch releases keep the format. An unknown version is never newer. */
function isNewer(made: string, server: string): boolean {
  const [madeMajor = 0, madeMinor = 0] = made.split('.').map(Number);
  const [major = Infinity, minor = Infinity] = server === '' ? [] : server.split('.').map(Number);
  return madeMajor > major || (madeMajor === major && madeMinor > minor);
}
