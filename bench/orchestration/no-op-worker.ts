import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { composeWorker } from '../../src/composition.ts';
import { loadConfig } from '../../src/config/env.ts';
import { createWorker } from '../../src/workers/create-worker.ts';
import { prepareWorkflowBundle } from '../../src/workers/workflow-bundle.ts';
import { createNoOpActivities } from '../../test/support/no-op-activities.ts';

/**
 * A worker as the product runs it, with all its libraries, connections and caches, whose activities do nothing. A program of its
 * own, so that its memory can be told: `no-op-worker.ts CHUNKS CHUNK_MS CAP`, settings from the environment. SIGTERM ends it.
 */
const [chunks = 2, chunkMs = 0, cap = 2] = process.argv.slice(2).map(Number);

Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: ['SIGTERM'] });
const parts = await composeWorker(loadConfig());
const connection = await NativeConnection.connect({ address: parts.config.temporalAddress });
try {
  const activities = createNoOpActivities({ chunks, chunkMs });
  const bundlePath = await prepareWorkflowBundle(parts.cacheDir);
  const workers = await Promise.all(
    (['orchestration', 'intake', 'processing'] as const).map((queue) =>
      createWorker(queue, {
        connection,
        namespace: parts.config.temporalNamespace,
        activities,
        bundlePath,
        maxVideoProcessingTasks: cap,
        drainSeconds: 0,
      }),
    ),
  );
  const running = Promise.all(workers.map((worker) => worker.run()));
  process.stdout.write('ready\n');
  await running;
} finally {
  await connection.close();
  await parts.close();
}
