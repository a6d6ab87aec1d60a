import type { Client } from '@temporalio/client';
import type { RetentionReport } from '../domain/retention.ts';
import { RETENTION_SCHEDULE_ID, TASK_QUEUES, WORKFLOW_TYPES } from '../workflows/messages.ts';
import { toTemporalFault } from './faults.ts';

const START_MS = 5_000;

/**
 * Starts a round of retention beside the Schedule's, or joins the one that somebody has started.
 * @returns its result, when it has one; for how long to wait is the caller's to say
 * @throws `temporal-unavailable`
 */
export async function startRetention(
  client: Client,
): Promise<{ readonly workflowId: string; result(): Promise<RetentionReport> }> {
  try {
    const handle = await client.connection.withDeadline(Date.now() + START_MS, () =>
      client.workflow.start<() => Promise<RetentionReport>>(WORKFLOW_TYPES.applyRetention, {
        taskQueue: TASK_QUEUES.orchestration,
        workflowId: `${RETENTION_SCHEDULE_ID}-now`,
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        workflowIdConflictPolicy: 'USE_EXISTING',
        args: [],
      }),
    );
    return { workflowId: handle.workflowId, result: () => handle.result() };
  } catch (error) {
    throw toTemporalFault(error);
  }
}
