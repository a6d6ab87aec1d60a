import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Which Temporal CLI is run: the first that answers of `TEMPORAL_CLI_PATH`, `PATH` and the project's cache.
 * Has no dependencies, since set-up asks before anything is installed; it never downloads.
 */

/** The version that is fetched into the cache; it brings Temporal Server 1.32.0. */
export const TEMPORAL_CLI_VERSION = '1.9.1';

/** Below this the development server lacks priorities and fairness. */
const OLDEST = [1, 7];

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** Where set-up puts the CLI that it fetched. */
export const CACHED_TEMPORAL_CLI = join(
  ROOT,
  '.cache',
  `temporal-${TEMPORAL_CLI_VERSION}`,
  'temporal',
);

/**
 * @typedef {object} TemporalCli
 * @property {string} path     absolute
 * @property {string} version  of the CLI, as in `1.9.1`
 * @property {string} server   of the Temporal Server inside, as in `1.32.0`; empty where it does not say
 */

/**
 * @param {Record<string, string | undefined>} env  `TEMPORAL_CLI_PATH` and `PATH` are read
 * @returns {TemporalCli | undefined} undefined where none is old enough to be used or there is none
 * @throws {Error} one sentence, when `TEMPORAL_CLI_PATH` is set but useless: a wish is not overridden silently
 */
export function findTemporalCli(env) {
  const wished = env['TEMPORAL_CLI_PATH'];
  if (wished) {
    const cli = askVersion(resolve(ROOT, wished));
    if (cli) return cli;
    throw new Error(
      `TEMPORAL_CLI_PATH (${wished}) is not a Temporal CLI of version ${OLDEST.join('.')} or later: correct or unset it.`,
    );
  }
  return [...onPath(env), CACHED_TEMPORAL_CLI]
    .filter(isExecutable)
    .map(askVersion)
    .find((cli) => cli !== undefined);
}

/** @param {Record<string, string | undefined>} env */
function onPath(env) {
  return (env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => isAbsolute(folder) && !isOurBin(folder))
    .map((folder) => join(folder, 'temporal'));
}

/**
 * npm puts our own node_modules/.bin on PATH; nothing there is a CLI of the machine.
 * @param {string} folder
 */
function isOurBin(folder) {
  return folder.endsWith(join('node_modules', '.bin'));
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {string} path
 * @returns {TemporalCli | undefined}
 */
export function askVersion(path) {
  let answer;
  try {
    answer = execFileSync(path, ['--version'], {
      encoding: 'utf8',
      timeout: 20_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return undefined;
  }
  const [, version, major, minor] = /version v?((\d+)\.(\d+)\.\d+)/.exec(answer) ?? [];
  if (!version || !isAtLeast([Number(major), Number(minor)], OLDEST)) return undefined;
  return { path, version, server: /Server v?(\d+\.\d+\.\d+)/.exec(answer)?.[1] ?? '' };
}

/**
 * @param {number[]} version
 * @param {number[]} oldest
 */
function isAtLeast(version, oldest) {
  const [major = 0, minor = 0] = version;
  const [oldestMajor = 0, oldestMinor = 0] = oldest;
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}
