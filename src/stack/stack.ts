import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment, StackConfig } from '../config/env.ts';
import { removeStackFile, writeStackFile, type StackAddresses } from '../config/stack-file.ts';
import { findTemporalCli } from './find-temporal-cli.mjs';
import { takeLock } from './lock-file.mjs';
import { endStalePart, PartKeeper, type Part } from './part-keeper.ts';
import { postgresPart, runScript, scriptPart, temporalPart, type Script } from './parts.ts';
import { findFreePort, isListening, isPortFree } from './ports.ts';
import { findPostgresBinaries, postgresAccount } from './postgres-binaries.ts';
import { openPostgresHome } from './postgres-home.ts';
import { checkForeignPostgres, databaseUrl } from './postgres-server.ts';
import type { StackLog } from './stack-log.ts';
import { StackProblem } from './stack-problem.ts';
import { openTemporalHome } from './temporal-home.ts';

/** What is run beside the two servers. */
export interface StackScripts {
  /** Run to its end before any service starts; paths from the root of the checkout. */
  readonly migrate: string;
  /** In the order in which they start; they are stopped all at once. */
  readonly services: readonly Script[];
}

/** A data folder's PostgreSQL, Temporal server and services, as one thing that starts and stops. */
export interface Stack {
  /** @throws StackProblem  what was started by then runs on until {@link stop} */
  start(): Promise<void>;
  /** In order: services, Temporal, PostgreSQL. Idempotent; leaves no process. */
  stop(): Promise<void>;
  /** All at once, without asking. */
  kill(): void;
}

/**
 * Wires the stack of one data folder. Nothing happens before `start()`.
 * @param env  handed to the services, with the addresses of the servers put in
 */
export function createStack(deps: {
  config: StackConfig;
  env: Environment;
  scripts: StackScripts;
  log: StackLog;
}): Stack {
  const { config, env, scripts, log } = deps;
  const { dataDir } = config;
  const runDir = join(dataDir, 'run');
  const halt = new AbortController();
  const keepers: PartKeeper[] = [];
  const serviceNames = scripts.services.map((script) => script.name);
  let lock: { release: () => void } | undefined;
  let stopped: Promise<void> | undefined;
  const say = (line: string) => log('stack', line);

  async function start(): Promise<void> {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    lock = lockDataFolder(dataDir);
    await endStaleParts();
    await checkPorts(config);
    const [database, temporal] = await Promise.all([startPostgres(), startTemporal()]);
    const addresses: StackAddresses = {
      databaseUrl: database,
      temporalAddress: temporal.address,
      ...(temporal.uiUrl !== undefined && { temporalUiUrl: temporal.uiUrl }),
    };
    const serviceEnv = servicesEnvironment(env, addresses, config);
    await migrate(serviceEnv);
    writeStackFile(dataDir, addresses);
    for (const script of scripts.services) await keep(scriptPart(script, serviceEnv));
  }

  async function keep(part: Part): Promise<void> {
    halt.signal.throwIfAborted();
    const keeper = new PartKeeper(part, { runDir, log });
    keepers.push(keeper);
    await keeper.start();
  }

  async function endStaleParts(): Promise<void> {
    for (const name of [...serviceNames, 'temporal', 'postgres']) {
      await endStalePart(name, { runDir, signal: name === 'postgres' ? 'SIGINT' : 'SIGTERM' });
    }
  }

  async function startPostgres(): Promise<string> {
    if (config.databaseUrl !== undefined) {
      await checkForeignPostgres(config.databaseUrl);
      return config.databaseUrl;
    }
    const account = postgresAccount();
    const binaries = findPostgresBinaries(account);
    const home = await openPostgresHome({
      dataDir,
      mediaRoot: config.mediaRoot,
      account,
      binaries,
      say,
    });
    await keep(postgresPart(home));
    return databaseUrl(home.cluster, home.port);
  }

  async function startTemporal(): Promise<{ address: string; uiUrl: string | undefined }> {
    if (config.temporalAddress !== undefined) {
      const address = config.temporalAddress;
      if (!(await answers(address))) say(`Temporal at ${address} does not answer yet.`);
      return { address, uiUrl: config.temporalUiUrl };
    }
    const cli = findTemporalCli(env);
    if (!cli) {
      throw new StackProblem(
        'There is no Temporal CLI: run `npm start`, which fetches it, or set TEMPORAL_CLI_PATH.',
      );
    }
    const server = {
      cliPath: cli.path,
      port: config.temporalPort,
      httpPort: await findFreePort(),
      uiPort: config.temporalUiPort,
      namespace: config.temporalNamespace,
      ...openTemporalHome(dataDir, cli.server),
    };
    await keep(temporalPart(server));
    return {
      address: `127.0.0.1:${server.port}`,
      uiUrl: config.temporalUiUrl ?? `http://127.0.0.1:${server.uiPort}`,
    };
  }

  async function migrate(serviceEnv: NodeJS.ProcessEnv): Promise<void> {
    const { code } = await runScript(scripts.migrate, serviceEnv, {
      onLine: (line) => log('migrate', line),
      signal: halt.signal,
    });
    if (code !== 0) {
      throw new StackProblem(
        'The database could not be brought up to date: the reason is in the lines above.',
      );
    }
  }

  async function stopAll(): Promise<void> {
    halt.abort();
    for (const names of [serviceNames, ['temporal'], ['postgres']]) {
      const ending = keepers.filter((keeper) => names.includes(keeper.name));
      await Promise.all(ending.map((keeper) => keeper.stop()));
    }
    removeStackFile(dataDir);
    lock?.release();
  }

  return {
    start,
    stop: () => (stopped ??= lock ? stopAll() : Promise.resolve()),
    kill: () => keepers.forEach((keeper) => keeper.kill()),
  };
}

function lockDataFolder(dataDir: string) {
  const taken = takeLock(join(dataDir, 'stack.lock'));
  if ('release' in taken) return taken;
  throw new StackProblem(
    `Steadyreel already runs on ${dataDir} (process ${taken.holder.pid}): stop it first, or set DATA_DIR to another folder.`,
  );
}

/** All taken ports at once, each with the variable that moves it. */
async function checkPorts(config: StackConfig): Promise<void> {
  const wanted: [name: string, port: number, host: string][] = [['PORT', config.port, config.host]];
  if (config.temporalAddress === undefined) {
    wanted.push(
      ['TEMPORAL_PORT', config.temporalPort, '127.0.0.1'],
      ['TEMPORAL_UI_PORT', config.temporalUiPort, '127.0.0.1'],
    );
  }
  const taken: string[] = [];
  for (const [name, port, host] of wanted) {
    if (await canListen(name, port, host)) continue;
    taken.push(`port ${port} is taken by another program: set ${name} to a free one`);
  }
  if (taken.length > 0) throw new StackProblem(`Cannot start, ${taken.join('; ')}.`);
}

async function canListen(name: string, port: number, host: string): Promise<boolean> {
  try {
    return await isPortFree(port, host);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StackProblem(
      `Cannot listen on ${host}, port ${port} (${code}): correct ${name === 'PORT' ? 'HOST or PORT' : name}.`,
    );
  }
}

function answers(address: string): Promise<boolean> {
  const colon = address.lastIndexOf(':');
  return isListening(Number(address.slice(colon + 1)), address.slice(0, colon));
}

function servicesEnvironment(
  env: Environment,
  addresses: StackAddresses,
  config: StackConfig,
): NodeJS.ProcessEnv {
  return {
    ...env,
    DATABASE_URL: addresses.databaseUrl,
    TEMPORAL_ADDRESS: addresses.temporalAddress,
    ...(addresses.temporalUiUrl !== undefined && { TEMPORAL_UI_URL: addresses.temporalUiUrl }),
    LOG_FORMAT: config.logFormat,
  };
}

/** The administrator's key, which the API writes at its first start. */
export function readAdminApiKey(dataDir: string): string | undefined {
  const path = adminApiKeyFile(dataDir);
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
}

/** Where the administrator's generated key is kept. */
export function adminApiKeyFile(dataDir: string): string {
  return join(dataDir, 'admin-api-key');
}
