import { ConfigError, loadStackConfig, readEnvironment, type StackConfig } from '../config/env.ts';
import { checkFolders } from './check-folders.ts';
import { adminApiKeyFile, createStack, readAdminApiKey, type StackScripts } from './stack.ts';
import { createStackLog } from './stack-log.ts';
import { StackProblem } from './stack-problem.ts';

/**
 * A whole program: brings the stack of one data folder up, keeps it running, stops it on Ctrl-C or SIGTERM.
 * A second Ctrl-C kills everything at once. The exit code is 0 after a stop, 1 where it could not start.
 */
export async function runStack(scriptsFor: (config: StackConfig) => StackScripts): Promise<void> {
  try {
    await startAndWait(scriptsFor);
  } catch (error) {
    const isForPeople = error instanceof StackProblem || error instanceof ConfigError;
    process.stderr.write(`${isForPeople ? error.message : String((error as Error).stack)}\n`);
    process.exitCode = 1;
  }
}

async function startAndWait(scriptsFor: (config: StackConfig) => StackScripts): Promise<void> {
  // Whoever reads our output may go first; the stack must still stop in order.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);

  const startedAt = performance.now();
  const env = readEnvironment();
  const config = loadStackConfig(env);
  checkFolders(config.folders);
  const log = createStackLog(config.logFormat, (text) => process.stdout.write(text));
  const stack = createStack({ config, env, scripts: scriptsFor(config), log });
  const isFirstStart = readAdminApiKey(config.dataDir) === undefined;

  const stopRequested = new Promise<void>((resolve) => {
    onStopSignals({
      first() {
        log('stack', 'Stopping; once more kills everything at once.');
        resolve();
      },
      second() {
        stack.kill();
        process.exit(130);
      },
    });
  });
  try {
    const isStopped = await Promise.race([
      stack.start().then(() => false),
      stopRequested.then(() => true),
    ]);
    if (!isStopped) {
      greet(config, { log, isFirstStart, seconds: (performance.now() - startedAt) / 1000 });
      await stopRequested;
    }
  } finally {
    await stack.stop();
  }
  log('stack', 'Stopped.');
}

/**
 * One Ctrl-C may arrive several times: from the terminal, from npm and from the script in between. What follows
 * within a moment is the same one.
 */
function onStopSignals(on: { first: () => void; second: () => void }): void {
  const SAME_KEYSTROKE_MS = 400;
  let firstAt: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (firstAt === undefined) {
        firstAt = performance.now();
        on.first();
      } else if (performance.now() - firstAt > SAME_KEYSTROKE_MS) {
        on.second();
      }
    });
  }
}

function greet(
  config: StackConfig,
  facts: { log: (part: string, line: string) => void; isFirstStart: boolean; seconds: number },
): void {
  const say = (line: string) => facts.log('stack', line);
  say(`Ready in ${facts.seconds.toFixed(1)} s. Ctrl-C stops.`);
  say(`  Steadyreel     ${config.publicUrl}`);
  if (config.temporalUiUrl !== undefined || config.temporalAddress === undefined) {
    const own = `http://127.0.0.1:${config.temporalUiPort}`;
    say(`  Temporal       ${config.temporalUiUrl ?? own} (no login; on this machine only)`);
  }
  if (config.adminApiKeyIsSet) return;
  const key = readAdminApiKey(config.dataDir);
  if (key === undefined) return;
  const file = adminApiKeyFile(config.dataDir);
  say(`  Admin API key  ${facts.isFirstStart ? `${key} (kept in ${file})` : `in ${file}`}`);
}
