import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker';
import { PROJECT_ROOT } from '../../src/config/env.ts';
import { openTemporalClient } from '../../src/temporal/client.ts';
import { ensureServerSide } from '../../src/temporal/ensure-server-side.ts';
import { createWorker } from '../../src/workers/create-worker.ts';
import { prepareWorkflowBundle } from '../../src/workers/workflow-bundle.ts';
import { TASK_QUEUES, WORKFLOW_TYPES } from '../../src/workflows/messages.ts';
import { createNamespace } from '../support/namespace.ts';
import { createNoOpActivities } from '../support/no-op-activities.ts';
import { testTemporalAddress } from '../support/services.ts';
import { waitUntil } from '../support/wait-until.ts';

/** What the server makes of our workflows, queues and priorities; the activities do nothing. */
describe('runs whose activities do nothing', () => {
  let connection: NativeConnection;
  let bundlePath: string;

  beforeAll(async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
    connection = await NativeConnection.connect({ address: testTemporalAddress() });
    bundlePath = await prepareWorkflowBundle(path.join(PROJECT_ROOT, '.cache'));
  });
  afterAll(() => connection.close());

  it('rule 18: at most four pieces of a video are outstanding', async () => {
    const gate = openGate();
    const begun: string[] = [];
    await withWorkers(
      {
        chunks: 12,
        onWork(name) {
          if (!/^(chunk|audio)/.test(name)) return undefined;
          begun.push(name);
          return gate.passed;
        },
      },
      { cap: 20 },
      async (client) => {
        const run = await start(client, 1);
        await waitUntil(
          async () => begun.length,
          (count) => count >= 4,
        );
        const { raw } = await run.describe();
        expect(raw.pendingActivities).toHaveLength(4);
        gate.open();
        await run.result();
        expect(begun).toHaveLength(13);
      },
    );
  });

  it('rule 19: owners take turns, finishing goes before chunks, and probes wait for neither', async () => {
    const gate = openGate();
    const order: { name: string; videoId: number; atMs: number }[] = [];
    const others = [1, 2, 3, 4, 5, 6];
    const guest = 7;
    const histories = new Map<number, History>();
    await withWorkers(
      {
        chunks: 4,
        ownerOf: (videoId) => (videoId === guest ? 2 : 1),
        onWork(name, videoId) {
          order.push({ name, videoId, atMs: Date.now() });
          return videoId === 1 && name === 'chunk/0' ? gate.passed : undefined;
        },
      },
      { cap: 1 },
      async (client) => {
        const runs = new Map([[1, await start(client, 1)]]);
        await waitUntil(
          () => order,
          (seen) => seen.some(({ name }) => name === 'chunk/0'),
        );
        for (const id of [...others.slice(1), guest]) runs.set(id, await start(client, id));
        // The one slot is taken, and still every source is looked at.
        await waitUntil(
          () => order.filter(({ name }) => name === 'probe').length,
          (probes) => probes === runs.size,
        );
        gate.open();
        for (const [id, run] of runs) {
          await run.result();
          histories.set(id, await run.fetchHistory());
        }
      },
    );
    /** Chunks of others that began while this video's first such work was waiting for its turn. */
    const overtaking = (videoId: number, type: string, isIt: (name: string) => boolean) => {
      const askedAt = scheduledAt(histories.get(videoId), type);
      const begunAt = order.findLast((each) => each.videoId === videoId && isIt(each.name))?.atMs;
      return order.filter(
        ({ name, videoId: other, atMs }) =>
          other !== videoId &&
          name.startsWith('chunk') &&
          atMs > askedAt &&
          atMs < (begunAt ?? Number.POSITIVE_INFINITY),
      ).length;
    };
    // In the order of arrival it would be fifteen: three of each that came before.
    expect(overtaking(guest, 'compressChunk', (name) => name.startsWith('chunk'))).toBeLessThan(11);
    // One is at work, and some may be on their way; in the order of arrival it would be two dozen.
    expect(overtaking(1, 'buildRendition', (name) => name === 'rendition/1080p')).toBeLessThan(8);
  });

  async function withWorkers(
    options: Parameters<typeof createNoOpActivities>[0],
    { cap }: { cap: number },
    work: (client: Client) => Promise<void>,
  ): Promise<void> {
    const namespace = await createNamespace();
    const client = openTemporalClient({ address: testTemporalAddress(), namespace });
    await ensureServerSide(client, 3600);
    const activities = createNoOpActivities(options);
    const workers: Worker[] = [];
    for (const queue of ['orchestration', 'intake', 'processing'] as const)
      workers.push(
        await createWorker(queue, {
          connection,
          namespace,
          activities,
          bundlePath,
          maxVideoProcessingTasks: cap,
          drainSeconds: 0,
          endMs: 60_000,
        }),
      );
    const running = workers.map((worker) => worker.run());
    try {
      await work(client);
    } finally {
      for (const worker of workers) worker.shutdown();
      await Promise.all(running);
      await client.connection.close();
    }
  }

  function start(client: Client, videoId: number): Promise<WorkflowHandle> {
    return client.workflow.start(WORKFLOW_TYPES.processVideo, {
      taskQueue: TASK_QUEUES.orchestration,
      workflowId: `process-video-${videoId}`,
      args: [{ videoId }],
    });
  }
});

type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

/** When the first activity of a type was asked for, by the server's clock, which is ours. */
function scheduledAt(history: History | undefined, type: string): number {
  const event = history?.events?.find(
    (each) => each.activityTaskScheduledEventAttributes?.activityType?.name === type,
  );
  if (event?.eventTime === undefined) throw new Error(`no ${type} was asked for`);
  return Number(event.eventTime?.seconds) * 1000 + (event.eventTime?.nanos ?? 0) / 1e6;
}

function openGate(): { readonly passed: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}
