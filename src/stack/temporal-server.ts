import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { readDynamicConfig } from './dynamic-config.ts';
import { launch, type Launched } from './launch.ts';

/** One Temporal development server, on the loopback address. */
export interface TemporalServer {
  /** Absolute path of the Temporal CLI. */
  readonly cliPath: string;
  readonly port: number;
  /** Of the HTTP API, which tells when the server is ready. */
  readonly httpPort: number;
  /** Absent: no Web UI. */
  readonly uiPort?: number;
  /** Absent: kept in memory. */
  readonly databaseFile?: string;
  /** Made at the first start; `default` always exists. */
  readonly namespace: string;
  /** More dynamic configuration, `KEY=JSON`: only tests have some. */
  readonly settings?: readonly string[];
}

/** Starts the server; it is not ready yet, see {@link waitForTemporal}. */
export function launchTemporal(
  server: TemporalServer,
  onLine: (line: string) => void,
): Promise<Launched> {
  const home = server.databaseFile === undefined ? tmpdir() : dirname(server.databaseFile);
  mkdirSync(home, { recursive: true });
  return launch({
    command: server.cliPath,
    args: serverArgs(server),
    // No file in somebody's home shall change it. The two Go settings hold it near 205 MB instead of 225 MB and more.
    env: { HOME: home, GOMEMLIMIT: '150MiB', GOGC: '50' },
    cwd: '/',
    stopSignal: 'SIGTERM',
    onLine,
  });
}

/** The command line of the development server. Nothing in it asks the outside world. */
export function serverArgs(server: TemporalServer): string[] {
  const ui =
    server.uiPort === undefined
      ? ['--headless']
      : ['--ui-port', String(server.uiPort), '--ui-disable-news-fetch'];
  return [
    ...['server', 'start-dev'],
    ...['--ip', '127.0.0.1'],
    ...['--port', String(server.port)],
    ...['--http-port', String(server.httpPort)],
    ...ui,
    ...(server.databaseFile === undefined ? [] : ['--db-filename', server.databaseFile]),
    ...['--namespace', server.namespace],
    ...['--log-level', 'error'],
    ...[...readDynamicConfig(), ...(server.settings ?? [])].flatMap((setting) => [
      '--dynamic-config-value',
      setting,
    ]),
  ];
}

/**
 * Waits until the server knows its namespace, which is later than its ports are open.
 * @param signal ends the waiting when the server has died
 */
export async function waitForTemporal(server: TemporalServer, signal: AbortSignal): Promise<void> {
  const url = `http://127.0.0.1:${server.httpPort}/api/v1/namespaces/${server.namespace}`;
  for (;;) {
    signal.throwIfAborted();
    try {
      const response = await fetch(url, { signal });
      await response.arrayBuffer();
      if (response.ok) return;
    } catch {
      signal.throwIfAborted();
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
