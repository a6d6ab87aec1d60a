import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CACHE } from './paths.mjs';
import { findProgram, isTrue } from './programs.mjs';
import { Problem, say } from './report.mjs';

/** @typedef {import('./paths.mjs').Environment} Environment */

const VERSION = '1.8.0';
const BUILD_TIMEOUT_MS = 20 * 60_000;

/** The S3 server that the tests of object storage run against. */
export const CACHED_VERSITYGW = join(CACHE, `versitygw-${VERSION}`, 'versitygw');

/**
 * Where the S3 server of the tests is: VERSITYGW_PATH, the cache, PATH.
 * @param {Environment} env
 * @returns {string | undefined}
 */
export function findVersitygw(env) {
  if (env['VERSITYGW_PATH']) return findProgram(env['VERSITYGW_PATH'], env);
  return existsSync(CACHED_VERSITYGW) ? CACHED_VERSITYGW : findProgram('versitygw', env);
}

/**
 * Builds the S3 server of the tests where Go is here: once, a minute or two. Where it cannot be had the tests of object storage
 * are skipped aloud; in CI that is an error.
 * @param {Environment} env
 * @throws {Problem} in CI
 */
export function ensureVersitygw(env) {
  if (findVersitygw(env)) return;
  const go = findProgram('go', env) ?? findProgram('/usr/local/go/bin/go', env);
  if (go && build(go, env)) return;
  const sentence =
    'The S3 server versitygw is missing: install Go 1.26 or later, or set VERSITYGW_PATH, for the tests of object storage';
  if (isTrue(env['CI'])) throw new Problem(`${sentence}.`);
  say(`${sentence}; they are skipped.`);
}

/**
 * @param {string} go
 * @param {Environment} env
 * @returns {boolean} whether it is there now
 */
function build(go, env) {
  say(`Building the S3 server of the tests, versitygw ${VERSION} (go install) …`);
  const folder = `${dirname(CACHED_VERSITYGW)}.new`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  // One package at a time: the compiler would otherwise take all of a small machine.
  const { status } = spawnSync(
    go,
    ['install', '-p', '1', `github.com/versity/versitygw/cmd/versitygw@v${VERSION}`],
    { env: { ...env, GOBIN: folder }, stdio: 'ignore', timeout: BUILD_TIMEOUT_MS },
  );
  if (status === 0) {
    rmSync(dirname(CACHED_VERSITYGW), { recursive: true, force: true });
    renameSync(folder, dirname(CACHED_VERSITYGW));
  } else rmSync(folder, { recursive: true, force: true });
  return status === 0;
}
