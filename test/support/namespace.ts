import { randomBytes } from 'node:crypto';
import { Connection } from '@temporalio/client';
import { openTemporalClient, type TemporalOptions } from '../../src/temporal/client.ts';
import { processWorkflowId, type VideoId } from '../../src/domain/ids.ts';
import { testTemporalAddress } from './services.ts';

/** A namespace that nobody else uses, so that the product's fixed queue names do not meet. Known everywhere once this returns. */
export async function createNamespace(): Promise<string> {
  const namespace = `test-${randomBytes(6).toString('hex')}`;
  const connection = await Connection.connect({ address: testTemporalAddress() });
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
    });
    await untilKnown(connection, namespace);
    return namespace;
  } finally {
    await connection.close();
  }
}

/** The server's parts learn of a namespace one after the other; the last one answers this call. */
async function untilKnown(connection: Connection, namespace: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    try {
      await connection.workflowService.describeTaskQueue({
        namespace,
        taskQueue: { name: 'any' },
        taskQueueType: 1,
      });
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** Waits until the run of a video is over: its row is settled a moment before, and only then another one may begin. */
export async function untilRunClosed(server: TemporalOptions, videoId: number): Promise<void> {
  const client = openTemporalClient(server);
  try {
    await client.workflow.getHandle(processWorkflowId(videoId as VideoId)).result();
  } finally {
    await client.connection.close();
  }
}
