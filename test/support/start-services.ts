import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEnvironment } from '../../src/config/env.ts';
import { findTemporalCli } from '../../src/stack/find-temporal-cli.mjs';
import type { Launched } from '../../src/stack/launch.ts';
import { reservePort } from './ports.ts';
import { findPostgresBinaries, postgresAccount } from '../../src/stack/postgres-binaries.ts';
import {
  databaseUrl,
  ensureCluster,
  launchPostgres,
  waitForPostgres,
  type PostgresCluster,
} from '../../src/stack/postgres-server.ts';
import { launchTemporal, waitForTemporal } from '../../src/stack/temporal-server.ts';
import { SERVICE_VARIABLES, type StartedService } from './services.ts';

/** A bound against hanging: a busy machine is slow. */
const START_TIMEOUT_MS = 300_000;

/**
 * jest's globalSetup: one PostgreSQL and one Temporal server for the whole run, on free ports, their data in a temp
 * folder. The tests find them by `test/support/services.ts`. A server whose variable is already set is not started.
 */
export default async function startServices(): Promise<void> {
  const services = await Promise.all([
    process.env[SERVICE_VARIABLES.database] ? undefined : startPostgres(),
    process.env[SERVICE_VARIABLES.temporal] ? undefined : startTemporal(),
  ]);
  globalThis.startedServices = services.filter((service) => service !== undefined);
}

/** One for tests, without durability. Its address stands in the environment from then on. */
export async function startPostgres(): Promise<StartedService> {
  const account = postgresAccount();
  const folder = mkdtempSync(join(tmpdir(), 'steadyreel-test-'));
  chmodSync(folder, 0o755);
  const cluster: PostgresCluster = {
    directory: join(folder, 'pg'),
    binaries: findPostgresBinaries(account),
    account,
    password: randomBytes(12).toString('hex'),
    durable: false,
  };
  ensureCluster(cluster);
  const port = await reservePort();
  const log = lastLines();
  const server = await launchPostgres(cluster, { port, onLine: log.add });
  await ready(server, 'PostgreSQL', log, (signal) => waitForPostgres(cluster, port, signal));
  process.env[SERVICE_VARIABLES.database] = databaseUrl(cluster, port);
  return {
    async stop() {
      await server.stop(5000);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startTemporal(): Promise<StartedService> {
  const cli = findTemporalCli(readEnvironment());
  if (!cli) throw new Error('There is no Temporal CLI: run `npm test`, which fetches it.');
  const port = await reservePort();
  const server = {
    cliPath: cli.path,
    port,
    httpPort: await reservePort(),
    namespace: 'default',
    // A run that its workers cannot go on with is told of at once, not after a minute.
    settings: ['system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=1'],
  };
  const log = lastLines();
  const launched = await launchTemporal(server, log.add);
  await ready(launched, 'Temporal', log, (signal) => waitForTemporal(server, signal));
  process.env[SERVICE_VARIABLES.temporal] = `127.0.0.1:${port}`;
  return { stop: async () => void (await launched.stop(5000)) };
}

/** Waits for the server, unless it dies or takes too long; its last words go into the error. */
async function ready(
  server: Launched,
  name: string,
  log: ReturnType<typeof lastLines>,
  wait: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const died = new AbortController();
  void server.exited.then(() => died.abort());
  const signal = AbortSignal.any([died.signal, AbortSignal.timeout(START_TIMEOUT_MS)]);
  try {
    await wait(signal);
  } catch (error) {
    await server.stop(1000);
    throw new Error(`${name} did not start:\n${log.text()}`, { cause: error });
  }
}

/** What a server has said last, for the error that it did not start. */
export function lastLines(count = 30) {
  const lines: string[] = [];
  return {
    add: (line: string) => {
      lines.push(line);
      if (lines.length > count) lines.shift();
    },
    text: () => lines.join('\n'),
  };
}
