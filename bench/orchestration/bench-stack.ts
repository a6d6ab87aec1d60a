import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { PROJECT_ROOT } from '../../src/config/env.ts';
import { WORKER_LAUNCH } from '../../src/host/node-launch.ts';
import { readIdentity } from '../../src/stack/process-identity.mjs';
import { openTemporalClient } from '../../src/temporal/client.ts';
import { ensureServerSide } from '../../src/temporal/ensure-server-side.ts';
import { type RunningStack, startStack } from '../../test/support/stack.ts';

/** The product as `npm start` runs it, on an empty data folder, with servers of its own. */
export interface BenchStack extends AsyncDisposable {
  readonly stack: RunningStack;
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  pidOf(part: 'worker' | 'api' | 'temporal'): number;
  ask(method: string, route: string, body?: FormData): Promise<unknown>;
}

const running = new Set<RunningStack>();
const workers = new Set<ChildProcess>();

/** Ends what runs, when the benchmark is stopped in the middle. */
export async function stopAll(): Promise<void> {
  for (const worker of workers) worker.kill('SIGKILL');
  await Promise.all([...running].map((stack) => stack.stop()));
}

/** @param settings more environment variables */
export async function openStack(settings: NodeJS.ProcessEnv = {}): Promise<BenchStack> {
  const stack = await startStack({ LOG_LEVEL: 'info', ...settings }, { ownServers: true });
  running.add(stack);
  const record = JSON.parse(readFileSync(path.join(stack.dataDir, 'postgres.json'), 'utf8')) as {
    password: string;
    port: number;
  };
  return {
    stack,
    databaseUrl: `postgresql://steadyreel:${record.password}@127.0.0.1:${record.port}/steadyreel`,
    temporalAddress: `127.0.0.1:${stack.env['TEMPORAL_PORT']}`,
    pidOf(part) {
      const identity = readIdentity(path.join(stack.dataDir, 'run', `${part}.pid`));
      if (identity === undefined) throw new Error(`${part} does not run`);
      return identity.pid;
    },
    async ask(method, route, body) {
      const headers = { authorization: `Bearer ${stack.apiKey}` };
      const response = await fetch(`${stack.url}${route}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      });
      if (!response.ok) throw new Error(`${route} answers ${response.status}`);
      return response.json();
    },
    async [Symbol.asyncDispose]() {
      await stack.stop();
      running.delete(stack);
    },
  };
}

/** Whose activities do nothing, beside a stack's own worker, in a namespace of its own. */
export interface NoOpWorker extends AsyncDisposable {
  readonly client: Client;
  readonly pid: number;
}

export interface NoOpWorkerOptions {
  readonly chunks: number;
  readonly chunkMs: number;
  readonly cap: number;
}

export async function startNoOpWorker(
  bench: BenchStack,
  { chunks, chunkMs, cap }: NoOpWorkerOptions,
): Promise<NoOpWorker> {
  const namespace = `bench-${randomBytes(4).toString('hex')}`;
  const client = openTemporalClient({ address: bench.temporalAddress, namespace });
  await client.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
  });
  await untilReady(client);
  const child = spawn(
    process.execPath,
    [
      ...WORKER_LAUNCH.flags,
      path.join(import.meta.dirname, 'no-op-worker.ts'),
      ...[chunks, chunkMs, cap].map(String),
    ],
    {
      cwd: PROJECT_ROOT,
      env: {
        ...WORKER_LAUNCH.env,
        ...bench.stack.env,
        DATABASE_URL: bench.databaseUrl,
        TEMPORAL_ADDRESS: bench.temporalAddress,
        TEMPORAL_NAMESPACE: namespace,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  workers.add(child);
  await said(child, 'ready');
  return {
    client,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      workers.delete(child);
      await client.connection.close();
    },
  };
}

/** The server's parts learn of a namespace one after the other; the last one answers the second call. */
async function untilReady(client: Client): Promise<void> {
  const { namespace } = client.options;
  for (let tries = 60; ; tries -= 1) {
    try {
      await ensureServerSide(client, 3600);
      const taskQueue = { name: 'any' };
      await client.workflowService.describeTaskQueue({ namespace, taskQueue, taskQueueType: 1 });
      return;
    } catch (error) {
      if (tries === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

function said(child: ChildProcess, words: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.once('exit', (code) =>
      reject(new Error(`the worker ended with ${String(code)}:\n${text}`)),
    );
    child.stdout?.on('data', (chunk: Buffer) => {
      text = `${text}${chunk.toString()}`.slice(-5000);
      if (text.includes(words)) resolve();
    });
  });
}
