import { DefaultLogger, type LogEntry, NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { createActivities } from '../activities/index.ts';
import { composeWorker, type WorkerParts } from '../composition.ts';
import { loadConfig } from '../config/env.ts';
import { sweepStaleScratch } from '../media/scratch.ts';
import type { Logger } from '../observability/logger.ts';
import { keepServerSide } from '../temporal/ensure-server-side.ts';
import { TASK_QUEUES } from '../workflows/messages.ts';
import { prepareWorkflowBundle } from './workflow-bundle.ts';

/** Which queues a process serves. */
export type Queue = keyof typeof TASK_QUEUES;

const RECONCILE_EVERY_SECONDS = 300;
/** Database activities are short and many. */
const ORCHESTRATION_SLOTS = 20;
const INTAKE_SLOTS = 2;
/** The count of cached workflows is not bounded by memory, so bound it here. */
const CACHED_WORKFLOWS = 200;
const CONNECT_TIMEOUT_MS = 60_000;
/** After the drain, time for tools to die and their activities to report. */
const FORCE_AFTER_DRAIN_SECONDS = 8;

/**
 * Serves the named queues until SIGTERM or SIGINT, one Temporal Worker each over one connection. The main of every worker
 * process.
 *
 * @returns when all have stopped; a Worker that fails takes the process down with exit code 1
 */
export async function runWorkers(queues: readonly Queue[]): Promise<void> {
  const config = loadConfig();
  const parts = await composeWorker(config);
  const { logger } = parts;
  Runtime.install({ logger: createSdkLogger(logger), workerHeartbeatInterval: '30 seconds' });
  const stopping = new AbortController();
  try {
    const swept = await sweepStaleScratch(config.workDir);
    if (swept.length > 0) logger.info({ folders: swept.length }, 'cleared up after a worker that was killed');
    const connection = await connect(config.temporalAddress);
    try {
      const workers = await Promise.all(queues.map((queue) => createWorker(queue, parts, connection)));
      const keeping = keepServerSide(parts.client, {
        reconcileEverySeconds: RECONCILE_EVERY_SECONDS,
        signal: stopping.signal,
        onFault: (error, isAway) =>
          logger.warn(isAway ? {} : { err: error }, isAway ? 'the Temporal server does not answer' : 'the Temporal server could not be set up'),
      });
      logger.info({ queues, maxVideoProcessingTasks: config.maxVideoProcessingTasks }, 'worker started');
      await runAll(workers);
      stopping.abort();
      await keeping;
    } finally {
      await connection.close();
    }
    logger.info('worker stopped');
  } catch (error) {
    logger.fatal({ err: error }, 'worker failed');
    process.exitCode = 1;
  } finally {
    stopping.abort();
    await parts.close();
  }
}

/** The server may come up at the same time; a minute is enough for it, and whoever keeps this process tries again. */
async function connect(address: string): Promise<NativeConnection> {
  const deadline = Date.now() + CONNECT_TIMEOUT_MS;
  for (;;) {
    try {
      return await NativeConnection.connect({ address });
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

async function createWorker(queue: Queue, parts: WorkerParts, connection: NativeConnection): Promise<Worker> {
  const { config } = parts;
  const activities = createActivities(parts.activityDeps);
  const common: WorkerOptions = {
    connection,
    namespace: config.temporalNamespace,
    taskQueue: TASK_QUEUES[queue],
    identity: `${queue}@${process.pid}`,
    // A cancellation is learned from the answer to a heartbeat, so this is its latency.
    maxHeartbeatThrottleInterval: '2 seconds',
    defaultHeartbeatThrottleInterval: '2 seconds',
    shutdownGraceTime: config.workerDrainSeconds * 1000,
    shutdownForceTime: (config.workerDrainSeconds + FORCE_AFTER_DRAIN_SECONDS) * 1000,
  };
  switch (queue) {
    case 'orchestration':
      return Worker.create({
        ...common,
        workflowBundle: { codePath: await prepareWorkflowBundle(parts.cacheDir) },
        activities: activities.orchestration,
        maxConcurrentActivityTaskExecutions: ORCHESTRATION_SLOTS,
        maxCachedWorkflows: CACHED_WORKFLOWS,
      });
    case 'intake':
      return Worker.create({
        ...common,
        activities: activities.intake,
        maxConcurrentActivityTaskExecutions: INTAKE_SLOTS,
      });
    case 'processing':
      return Worker.create({
        ...common,
        activities: activities.processing,
        maxConcurrentActivityTaskExecutions: config.maxVideoProcessingTasks,
      });
  }
}

/** One that fails stops the others, so that the process ends and is started again whole. */
async function runAll(workers: readonly Worker[]): Promise<void> {
  const running = workers.map((worker) =>
    worker.run().catch((error: unknown) => {
      for (const other of workers) if (other.getState() === 'RUNNING') other.shutdown();
      throw error;
    }),
  );
  const failed = (await Promise.allSettled(running)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** The SDK's own messages, among ours. What it says of failed activities is said by the activities already. */
function createSdkLogger(logger: Logger): DefaultLogger {
  const sdk = logger.child({ component: 'temporal' });
  return new DefaultLogger('WARN', ({ level, message, meta }: LogEntry) => {
    const { error, ...fields } = meta ?? {};
    if (message === 'Activity failed') return;
    sdk[level === 'ERROR' ? 'error' : 'warn']({ ...fields, ...(error === undefined ? {} : { err: error }) }, message);
  });
}
