import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { PROJECT_ROOT, readEnvironment } from '../../src/config/env.ts';
import { findTemporalCli } from '../../src/stack/find-temporal-cli.mjs';
import { launch } from '../../src/stack/launch.ts';
import { readComposeFile, requireService } from './compose.ts';
import { reservePort } from './ports.ts';
import { lastLines } from './start-services.ts';
import { waitUntil } from './wait-until.ts';

const SCRIPTS = path.join(PROJECT_ROOT, 'temporal');
const SOURCE = 'go.temporal.io/server/cmd';
const BUILD_MS = 30 * 60_000;
const READY_MS = 120_000;

/**
 * The Temporal server of `docker-compose.yml`, on PostgreSQL, as a plain process on free ports: its version, its environment and
 * its two set-up scripts. Go builds it from source, once, which takes some minutes.
 * @param postgresUrl of a server in which it makes databases of its own
 */
export async function startProductionTemporal(
  postgresUrl: string,
): Promise<{ readonly address: string; stop(): Promise<void> }> {
  const { hostname, port: sqlPort, username, password } = new URL(postgresUrl);
  const file = readComposeFile({ POSTGRES_PASSWORD: password });
  const server = requireService(file, 'temporal');
  const folder = ensurePrograms(server.image.split(':')[1] ?? '');
  const cli = findTemporalCli(readEnvironment());
  if (!cli) throw new Error('There is no Temporal CLI: run `npm test`, which fetches it.');
  const PATH = [folder, path.dirname(cli.path), process.env['PATH']].join(path.delimiter);

  await runScript('set-up-schema.sh', {
    ...requireService(file, 'temporal-schema').environment,
    ...{ PATH, SQL_HOST: hostname, SQL_PORT: sqlPort, SQL_USER: username },
  });
  const ports = await choosePorts();
  const log = lastLines();
  const launched = await launch({
    command: path.join(folder, 'server'),
    args: ['start'],
    env: {
      ...server.environment,
      ...{ POSTGRES_SEEDS: hostname, DB_PORT: sqlPort, POSTGRES_USER: username },
      ...ports,
      BIND_ON_IP: '127.0.0.1',
      DYNAMIC_CONFIG_FILE_PATH: path.join(SCRIPTS, 'dynamic-config.yaml'),
    },
    cwd: folder,
    stopSignal: 'SIGTERM',
    onLine: log.add,
  });
  const address = `127.0.0.1:${ports.FRONTEND_GRPC_PORT}`;
  const stop = async () => void (await launched.stop(10_000));
  try {
    await waitUntil(() => isHealthy(ports.FRONTEND_HTTP_PORT), Boolean, READY_MS, 200);
    await runScript('set-up-namespace.sh', {
      ...requireService(file, 'temporal-namespace').environment,
      ...{ PATH, TEMPORAL_ADDRESS: address },
    });
    return { address, stop };
  } catch (error) {
    await stop();
    throw new Error(`The Temporal server did not start:\n${log.text()}`, { cause: error });
  }
}

/** As the health check of the service asks. */
async function isHealthy(httpPort: string): Promise<boolean> {
  const url = `http://127.0.0.1:${httpPort}/api/v1/namespaces/temporal-system`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

/** Every part of the server has ports of its own. Its table of members holds them in 16 bits with a sign: none above 32767. */
async function choosePorts() {
  const port = async () => String(await reservePort());
  return {
    FRONTEND_GRPC_PORT: await port(),
    FRONTEND_MEMBERSHIP_PORT: await port(),
    FRONTEND_HTTP_PORT: await port(),
    MATCHING_GRPC_PORT: await port(),
    MATCHING_MEMBERSHIP_PORT: await port(),
    HISTORY_GRPC_PORT: await port(),
    HISTORY_MEMBERSHIP_PORT: await port(),
    WORKER_GRPC_PORT: await port(),
    WORKER_MEMBERSHIP_PORT: await port(),
  };
}

async function runScript(name: string, env: NodeJS.ProcessEnv): Promise<void> {
  await promisify(execFile)('sh', [path.join(SCRIPTS, name)], { env, timeout: READY_MS });
}

/** The folder of `server` and `temporal-sql-tool`. */
function ensurePrograms(version: string): string {
  const folder = path.join(PROJECT_ROOT, '.cache', `temporal-server-${version}`);
  if (existsSync(folder)) return folder;
  process.stdout.write(`Building the Temporal server ${version} (go install) …\n`);
  const fresh = `${folder}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const PATH = [process.env['PATH'], '/usr/local/go/bin'].join(path.delimiter);
  const { status, error } = spawnSync(
    'go',
    [
      'install',
      '-trimpath',
      ...['server', 'tools/sql'].map((tool) => `${SOURCE}/${tool}@v${version}`),
    ],
    {
      env: { ...process.env, PATH, GOBIN: fresh, CGO_ENABLED: '0' },
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: BUILD_MS,
    },
  );
  if (status !== 0) throw new Error('The Temporal server could not be built.', { cause: error });
  renameSync(path.join(fresh, 'sql'), path.join(fresh, 'temporal-sql-tool'));
  renameSync(fresh, folder);
  return folder;
}
