import { readFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnvFile } from '../../src/config/env-file.mjs';
import { Problem } from './report.mjs';

/** Root of the checkout. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** What set-up fetched or remembers; safe to delete. */
export const CACHE = join(ROOT, '.cache');

const BIN = join(ROOT, 'node_modules/.bin');

/** The project's own Node. */
export const PROJECT_NODE = join(BIN, 'node');

/** @typedef {Record<string, string | undefined>} Environment */

/**
 * The environment with `.env` filled in below it.
 * @returns {Environment}
 */
export function readEnvironment() {
  let text = '';
  try {
    text = readFileSync(join(ROOT, '.env'), 'utf8');
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ENOENT') throw error;
  }
  try {
    return { ...parseEnvFile(text), ...process.env };
  } catch (error) {
    throw new Problem(/** @type {Error} */ (error).message);
  }
}

/**
 * The same environment with the project's programs, its Node first of all, in front of PATH.
 * @param {Environment} env
 * @returns {NodeJS.ProcessEnv}
 */
export function withProjectPath(env) {
  const rest = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== BIN);
  return { ...env, PATH: [BIN, ...rest].join(delimiter) };
}
