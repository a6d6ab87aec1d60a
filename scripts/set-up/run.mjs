import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE, PROJECT_NODE, ROOT, withProjectPath } from './paths.mjs';

/** @typedef {import('./paths.mjs').Environment} Environment */

const MODULES = join(ROOT, 'node_modules');
/** The supervisor only watches; it shares a small machine with those who work. */
const SMALL_HEAP = ['--max-semi-space-size=1', '--max-old-space-size=96'];

const JEST = join(MODULES, 'jest/bin/jest.js');

/**
 * The stack. It runs in a session of its own, so that Ctrl-C comes once, through us, and not also from the terminal.
 * @param {Environment} env
 * @returns {Promise<number>} exit code
 */
export function runStack(env) {
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));
  const tie = setpriv ? [setpriv, '--pdeathsig', 'TERM', '--'] : []; // it ends when we are killed
  const main = [PROJECT_NODE, ...SMALL_HEAP, join(ROOT, 'src/stack/main.ts')];
  return run([...tie, ...main], env, { detached: true });
}

/**
 * jest, with all arguments handed on.
 * @param {Environment} env
 * @param {string[]} args
 */
export function runTests(env, args) {
  const options = `${env['NODE_OPTIONS'] ?? ''} --experimental-vm-modules --disable-warning=ExperimentalWarning`;
  return run([PROJECT_NODE, JEST, ...args], { ...env, NODE_OPTIONS: options.trim() });
}

/**
 * The chaos command, with all arguments handed on.
 * @param {Environment} env
 * @param {string[]} args
 */
export function runChaos(env, args) {
  return run([PROJECT_NODE, join(ROOT, 'chaos/main.ts'), ...args], env);
}

/**
 * Format, types, lint, dependency rules, unused code, unit tests: all are run, whatever the first ones say.
 * @param {Environment} env
 */
export async function runChecks(env) {
  const node =
    (/** @type {string} */ script, /** @type {string[]} */ ...args) =>
    () =>
      run([PROJECT_NODE, join(MODULES, script), ...args], env);
  /** @type {[name: string, check: () => Promise<number>][]} */
  const checks = [
    ['format', () => run([join(MODULES, '.bin/oxfmt'), '--check'], env)],
    ['types', node('@typescript/native/bin/tsc', '-p', '.')],
    ['types of the page', node('@typescript/native/bin/tsc', '-p', 'src/api/public')],
    ['lint', () => run([join(MODULES, '.bin/oxlint')], env)],
    [
      'dependency rules',
      node(
        'dependency-cruiser/bin/dependency-cruiser.mjs',
        ...['src', 'scripts', 'test', 'bench', 'chaos'],
      ),
    ],
    ['unused code', node('knip/bin/knip.js')],
    ['unit tests', () => runTests(env, ['--selectProjects', 'unit'])],
  ];
  const failed = [];
  for (const [name, check] of checks) {
    process.stdout.write(`\n── ${name}\n`);
    if ((await check()) !== 0) failed.push(name);
  }
  process.stdout.write(`\n${failed.length > 0 ? `Failed: ${failed.join(', ')}` : 'All is well'}\n`);
  return failed.length > 0 ? 1 : 0;
}

/**
 * Runs a command to its end with our own standard streams; signals are handed on.
 * @param {string[]} command
 * @param {Environment} env
 * @param {{ detached?: boolean }} options
 * @returns {Promise<number>} exit code, 128 + number of the signal where one ended it
 */
function run([file = '', ...args], env, { detached = false } = {}) {
  const child = spawn(file, args, {
    cwd: ROOT,
    // Stripped types and compiled code are kept between starts: every part starts faster and smaller.
    env: withProjectPath({ NODE_COMPILE_CACHE: join(CACHE, 'node'), ...env }),
    stdio: 'inherit',
    detached,
  });
  // In one session with the terminal the child hears Ctrl-C by itself.
  const handed = /** @type {NodeJS.Signals[]} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
  const handOn = (/** @type {NodeJS.Signals} */ signal) => {
    if (detached || signal === 'SIGTERM') child.kill(signal);
  };
  for (const signal of handed) process.on(signal, handOn);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      for (const name of handed) process.off(name, handOn);
      resolve(code ?? 128 + (signal === 'SIGINT' ? 2 : 15));
    });
  });
}
