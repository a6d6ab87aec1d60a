import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NodeLaunch } from '../host/node-launch.ts';
import { STOP_MS } from '../host/stop-times.ts';
import { launch, type Exit } from './launch.ts';
import type { Part } from './part-keeper.ts';
import type { PostgresHome } from './postgres-home.ts';
import { launchPostgres, waitForPostgres } from './postgres-server.ts';
import { launchTemporal, waitForTemporal, type TemporalServer } from './temporal-server.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** PostgreSQL of the data folder. */
export function postgresPart(home: PostgresHome): Part {
  return {
    name: 'postgres',
    launch: (onLine) => launchPostgres(home.cluster, { port: home.port, onLine }),
    waitUntilReady: (signal) => waitForPostgres(home.cluster, home.port, signal),
    stopGraceMs: STOP_MS.postgres,
  };
}

/** Temporal's development server of the data folder. */
export function temporalPart(server: TemporalServer): Part {
  return {
    name: 'temporal',
    launch: (onLine) => launchTemporal(server, onLine),
    waitUntilReady: (signal) => waitForTemporal(server, signal),
    stopGraceMs: STOP_MS.temporal,
  };
}

/** One of our own mains, run by the Node that runs us. */
export interface Script {
  readonly name: string;
  /** Path from the root of the checkout. */
  readonly file: string;
  readonly node?: NodeLaunch;
  /** Answers 2xx once the part can be used. Absent: it counts as ready when it was started. */
  readonly healthUrl?: string;
  readonly stopGraceMs: number;
}

/** @param env  the whole environment of the script, addresses included */
export function scriptPart(script: Script, env: NodeJS.ProcessEnv): Part {
  const { healthUrl, node } = script;
  return {
    name: script.name,
    launch: (onLine) =>
      launchScript([...(node?.flags ?? []), script.file], { ...node?.env, ...env }, onLine),
    ...(healthUrl !== undefined && {
      waitUntilReady: (signal: AbortSignal) => waitForHealth(healthUrl, signal),
    }),
    stopGraceMs: script.stopGraceMs,
  };
}

/** Runs a script to its end. */
export async function runScript(
  file: string,
  env: NodeJS.ProcessEnv,
  { onLine, signal }: { onLine: (line: string) => void; signal: AbortSignal },
): Promise<Exit> {
  const launched = await launchScript([file], env, onLine);
  const stop = () => void launched.stop(3000);
  signal.addEventListener('abort', stop);
  try {
    return await launched.exited;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function launchScript(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  onLine: (line: string) => void,
) {
  return launch({
    command: process.execPath,
    args,
    env: { ...env, PATH: `${dirname(process.execPath)}:${env['PATH'] ?? ''}` },
    cwd: ROOT,
    stopSignal: 'SIGTERM',
    onLine,
  });
}

async function waitForHealth(url: string, signal: AbortSignal): Promise<void> {
  for (;;) {
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
