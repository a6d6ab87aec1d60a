import {
  DefaultLogger,
  type LogEntry,
  NativeConnection,
  Runtime,
  type Worker,
} from '@temporalio/worker';
import { createActivities } from '../activities/index.ts';
import { composeWorker, type WorkerParts } from '../composition.ts';
import { ConfigError, loadConfig } from '../config/env.ts';
import { SandboxProblem } from '../media/open-sandbox.ts';
import { sweepStaleScratch } from '../media/scratch.ts';
import type { Logger } from '../observability/logger.ts';
import { keepServerSide } from '../temporal/ensure-server-side.ts';
import { createWorker, type Queue } from './create-worker.ts';
import { prepareWorkflowBundle } from './workflow-bundle.ts';

const RECONCILE_EVERY_SECONDS = 300;
const SWEEP_EVERY_MS = 300_000;
const CONNECT_TIMEOUT_MS = 60_000;

/**
 * Serves the named queues until SIGTERM or SIGINT, one Temporal Worker each over one connection. The main of every worker
 * process.
 *
 * @returns when all have stopped; a Worker that fails takes the process down with exit code 1, and so does a wrong setting, in
 *   one sentence
 */
export async function runWorkers(queues: readonly Queue[]): Promise<void> {
  try {
    const config = loadConfig();
    // Before anything that takes time: tools of a worker that was killed may still be at work.
    const swept = await sweepStaleScratch(config.workDir);
    await serve(queues, await composeWorker(config), swept);
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof SandboxProblem)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

async function serve(
  queues: readonly Queue[],
  parts: WorkerParts,
  swept: readonly string[],
): Promise<void> {
  const { config, logger } = parts;
  Runtime.install({ logger: createSdkLogger(logger), workerHeartbeatInterval: '30 seconds' });
  const stopping = new AbortController();
  try {
    tellSwept(logger, swept);
    const connection = await connect(config.temporalAddress);
    try {
      const activities = createActivities(parts.activityDeps);
      const bundlePath = queues.includes('orchestration')
        ? await prepareWorkflowBundle(parts.cacheDir)
        : '';
      const workers = await Promise.all(
        queues.map((queue) =>
          createWorker(queue, {
            connection,
            namespace: config.temporalNamespace,
            activities,
            bundlePath,
            maxVideoProcessingTasks: config.maxVideoProcessingTasks,
            drainSeconds: config.workerDrainSeconds,
          }),
        ),
      );
      const keeping = keepServerSide(parts.client, {
        reconcileEverySeconds: RECONCILE_EVERY_SECONDS,
        signal: stopping.signal,
        onFault: (error, isAway) =>
          logger.warn(
            isAway ? {} : { err: error },
            isAway
              ? 'the Temporal server does not answer'
              : 'the Temporal server could not be set up',
          ),
      });
      const sweeping = setInterval(() => void sweepScratch(parts), SWEEP_EVERY_MS);
      logger.info(
        { queues, maxVideoProcessingTasks: config.maxVideoProcessingTasks },
        'worker started',
      );
      await runAll(workers).finally(() => clearInterval(sweeping));
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

/** Another worker that shares the folder may have been killed, and may not come back. */
async function sweepScratch({ config, logger }: WorkerParts): Promise<void> {
  try {
    tellSwept(logger, await sweepStaleScratch(config.workDir));
  } catch (error) {
    logger.warn({ err: error }, 'the work folder could not be cleared up');
  }
}

function tellSwept(logger: Logger, folders: readonly string[]): void {
  if (folders.length > 0)
    logger.info({ folders: folders.length }, 'cleared up after a worker that was killed');
}

/** The server may come up at the same time; a minute is enough for it, and whoever keeps this process tries again. */
async function connect(address: string): Promise<NativeConnection> {
  const deadline = performance.now() + CONNECT_TIMEOUT_MS;
  for (;;) {
    try {
      return await NativeConnection.connect({ address });
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
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

/** What our activities say themselves, and what queues without workflows are. */
const EXPECTED_MESSAGES = ['Activity failed', 'No workflows registered'];

/** The SDK's own messages, among ours. */
function createSdkLogger(logger: Logger): DefaultLogger {
  const sdk = logger.child({ component: 'temporal' });
  return new DefaultLogger('WARN', ({ level, message, meta }: LogEntry) => {
    const { error, ...fields } = meta ?? {};
    if (EXPECTED_MESSAGES.some((expected) => message.startsWith(expected))) return;
    sdk[level === 'ERROR' ? 'error' : 'warn'](
      { ...fields, ...(error === undefined ? {} : { err: error }) },
      message,
    );
  });
}
