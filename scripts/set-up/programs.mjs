import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { ROOT } from './paths.mjs';
import { Problem, say } from './report.mjs';

/** @typedef {import('./paths.mjs').Environment} Environment */

/**
 * @param {string} nameOrPath  a name without a slash is looked up on PATH; a path starts at the checkout
 * @param {Environment} env
 * @returns {string | undefined}
 */
export function findProgram(nameOrPath, env) {
  const candidates = nameOrPath.includes('/')
    ? [resolve(ROOT, nameOrPath)]
    : (env['PATH'] ?? '').split(delimiter).map((folder) => join(folder || '.', nameOrPath));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Standard output of a short command, or undefined where it fails or cannot be run.
 * @param {string} command
 * @param {string[]} args
 */
export function tryOutput(command, args) {
  const { status, stdout } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: 30_000,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return status === 0 ? stdout : undefined;
}

/**
 * Installs a Debian package where we may: as root, or by a sudo that asks nothing.
 * @param {string} name
 * @param {Environment} env
 * @returns {boolean} whether it was installed
 */
export function tryAptInstall(name, env) {
  const apt = findProgram('apt-get', env);
  if (!apt) return false;
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  if (sudo.length > 0 && tryOutput('sudo', ['-n', 'true']) === undefined) return false;
  say(`Installing ${name} (apt-get) …`);
  const run = (/** @type {string[]} */ ...args) => {
    const [command, ...rest] = /** @type {[string, ...string[]]} */ ([
      ...sudo,
      ...['env', 'DEBIAN_FRONTEND=noninteractive', apt, '-qq', ...args],
    ]);
    return spawnSync(command, rest, { stdio: 'ignore' }).status === 0;
  };
  if (!aptIsUpdated) aptIsUpdated = run('update');
  return run('install', '-y', '--no-install-recommends', name);
}

let aptIsUpdated = false;

/** ffmpeg releases speak of `5.1.9-…` or `n7.0`; a build from the repository (`N-1234-g…`) has no number. */
const OLDEST_FFMPEG = 5.1;

/**
 * ffmpeg and ffprobe, 5.1 or later.
 * @param {Environment} env
 * @throws {Problem}
 */
export function ensureFfmpeg(env) {
  const wished = env['FFMPEG_PATH'] || 'ffmpeg';
  const isWish = Boolean(env['FFMPEG_PATH']);
  if (!findProgram(wished, env) && !isWish) tryAptInstall('ffmpeg', env);
  const ffmpeg = findProgram(wished, env);
  if (!ffmpeg) {
    throw new Problem(
      isWish
        ? `FFMPEG_PATH (${wished}) is no program: correct or unset it.`
        : 'ffmpeg is missing: install version 5.1 or later (Debian, Ubuntu: `apt-get install ffmpeg`; macOS: `brew install ffmpeg`), or set FFMPEG_PATH.',
    );
  }
  const version = ffmpegVersion(tryOutput(ffmpeg, ['-version']));
  if (version === undefined || version < OLDEST_FFMPEG) {
    throw new Problem(
      `${ffmpeg} is not an ffmpeg of version 5.1 or later: install one, or set FFMPEG_PATH.`,
    );
  }
  const beside = join(ffmpeg, '../ffprobe');
  const ffprobe = env['FFPROBE_PATH'] || (isWish && findProgram(beside, env)) || 'ffprobe';
  const path = findProgram(ffprobe, env);
  if (!path) throw new Problem('ffprobe is missing: install it with ffmpeg, or set FFPROBE_PATH.');
  // Any other program would read nothing out of an upload, and the file would be blamed.
  if (!tryOutput(path, ['-version'])?.startsWith('ffprobe version'))
    throw new Problem(`${path} is not an ffprobe: install it with ffmpeg, or set FFPROBE_PATH.`);
}

/**
 * @param {string | undefined} output  of `ffmpeg -version`
 * @returns {number | undefined} as in 5.1; a build without a number counts as new; undefined: not ffmpeg
 */
export function ffmpegVersion(output) {
  const word = /^ffmpeg version (\S+)/.exec(output ?? '')?.[1];
  if (word === undefined) return undefined;
  const [, major, minor] = /^n?(\d+)\.(\d+)/.exec(word) ?? [];
  return major === undefined ? Infinity : Number(major) + Number(`0.${minor}`);
}

/**
 * Small tools of util-linux that tie ffmpeg to its worker; without them everything runs, less neatly.
 * @param {Environment} env
 */
export function noteMissingTies(env) {
  if (process.platform !== 'linux') return;
  const missing = ['setpriv', 'choom'].filter((name) => !findProgram(name, env));
  if (missing.length > 0) {
    say(
      `${missing.join(' and ')} missing: install util-linux, or a killed worker may leave an ffmpeg behind.`,
    );
  }
}

const TEST_TOOLS = [
  { program: 'chromium', package: 'chromium', tests: 'that watch videos' },
  { program: 'bwrap', package: 'bubblewrap', tests: 'of the sandbox' },
];

/**
 * Tools that only tests need. Where one cannot be had its suites are skipped aloud; in CI that is an error.
 * @param {Environment} env
 * @throws {Problem} in CI
 */
export function ensureTestTools(env) {
  for (const { program, package: name, tests } of TEST_TOOLS) {
    if (findProgram(program, env) || tryAptInstall(name, env)) continue;
    const sentence = `${name} is missing: install it (\`apt-get install ${name}\`) for the tests ${tests}`;
    if (isTrue(env['CI'])) throw new Problem(`${sentence}.`);
    say(`${sentence}; they are skipped.`);
  }
}

/** @param {string | undefined} value */
export function isTrue(value) {
  return /^(true|1|yes)$/i.test(value ?? '');
}
