import { spawn } from 'node:child_process';
import { ConfigError, loadTemporalTarget, readEnvironment } from '../config/env.ts';
import { findTemporalCli } from '../stack/find-temporal-cli.mjs';

/**
 * `npm run temporal -- …`: the Temporal CLI with the address and namespace of this stack.
 *
 *   npm run temporal -- workflow list --query 'VideoStage = "failed"'
 *
 * They are handed over as environment, so that `--address` and `--namespace` of your own still win.
 */
function main(): void {
  const env = readEnvironment();
  const { address, namespace } = loadTemporalTarget(env);
  const cli = findTemporalCli(env);
  if (!cli)
    throw new ConfigError([
      'There is no Temporal CLI: run `npm start` once, or set TEMPORAL_CLI_PATH.',
    ]);
  const child = spawn(cli.path, process.argv.slice(2), {
    stdio: 'inherit',
    env: { ...env, TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace },
  });
  child.once('error', fail);
  child.once('exit', (code) => {
    process.exitCode = code ?? 1;
  });
}

/** What went wrong has been written for people; a stack would only hide it. */
function fail(error: unknown): void {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

try {
  main();
} catch (error) {
  fail(error);
}
