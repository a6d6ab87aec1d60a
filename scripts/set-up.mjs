#!/usr/bin/env node
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { takeLock } from '../src/stack/lock-file.mjs';
import { ensureNode, ensureNodeModules } from './set-up/node-modules.mjs';
import { CACHE, readEnvironment } from './set-up/paths.mjs';
import { checkPlatform } from './set-up/platform.mjs';
import { ensurePostgres } from './set-up/postgres.mjs';
import { ensureFfmpeg, ensureTestTools, noteMissingTies } from './set-up/programs.mjs';
import { Problem, say } from './set-up/report.mjs';
import { runChaos, runChecks, runStack, runTests } from './set-up/run.mjs';
import { ensureTemporalCli } from './set-up/temporal-cli.mjs';
import { ensureVersitygw } from './set-up/versitygw.mjs';

/**
 * Brings everything that Steadyreel needs onto this machine, then runs `start`, `test`, `check` or `chaos`.
 *
 * Runs on any Node from 18 on and needs no module: it is what fetches them. Each step does nothing where there is
 * nothing to do, says one line where there is, and one sentence where it cannot.
 *
 *   node scripts/set-up.mjs [start | test [jest's arguments] | check | chaos [its arguments]]
 */
async function main() {
  const [verb, ...args] = process.argv.slice(2);
  if (verb !== undefined && !['start', 'test', 'check', 'chaos'].includes(verb)) {
    throw new Problem(`set-up knows start, test, check and chaos, and not ${verb}.`);
  }
  checkPlatform();
  const env = readEnvironment();
  await setUp(verb, env);
  if (verb === 'start') process.exitCode = await runStack(env);
  if (verb === 'test') process.exitCode = await runTests(env, args);
  if (verb === 'check') process.exitCode = await runChecks(env);
  if (verb === 'chaos') process.exitCode = await runChaos(env, args);
}

/**
 * @param {string | undefined} verb
 * @param {import('./set-up/paths.mjs').Environment} env
 */
async function setUp(verb, env) {
  const lock = await waitForLock();
  try {
    ensureNodeModules(env);
    ensureNode(env);
    if (verb === 'check') return; // reads code, runs nothing else
    ensureFfmpeg(env);
    noteMissingTies(env);
    ensurePostgres(env);
    await ensureTemporalCli(env, { isNeeded: verb === 'test' || verb === 'chaos' });
    if (verb === 'test') ensureTestTools(env);
    if (verb === 'test' || verb === 'chaos') ensureVersitygw(env);
  } finally {
    lock.release();
  }
}

/** Two set-ups at once would install into the same folders. */
async function waitForLock() {
  let isFirst = true;
  for (;;) {
    const lock = takeLock(join(CACHE, 'set-up.lock'));
    if ('release' in lock) return lock;
    if (isFirst) say(`Waiting for the set-up of process ${lock.holder.pid} …`);
    isFirst = false;
    await sleep(200);
  }
}

main().catch((error) => {
  const text = error instanceof Problem ? error.message : (error?.stack ?? String(error));
  process.stderr.write(`set-up │ ${text}\n`);
  process.exitCode = 1;
});
