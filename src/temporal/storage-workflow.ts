import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { AppError } from '../domain/errors.ts';
import type { RunIdentity } from '../domain/ids.ts';
import { MIGRATION_WORKFLOW_ID, type MigrationInput } from '../domain/storage-migration.ts';
import { PAUSE_SIGNAL, RESUME_SIGNAL, TASK_QUEUES, WORKFLOW_TYPES } from '../workflows/messages.ts';
import { toTemporalFault } from './faults.ts';

/** Starts and steers the workflow that moves objects between stores. */
export interface StorageWorkflow {
  /** @throws `migration-running`, `temporal-unavailable` */
  start(input: MigrationInput): Promise<RunIdentity>;
  /** @throws `no-open-migration`, `temporal-unavailable` */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Asks it to stop; it ends by itself. */
  cancel(): Promise<void>;
}

const DEADLINE_MS = 3_000;

export function createStorageWorkflow(client: Client): StorageWorkflow {
  const ask = async <T>(call: () => Promise<T>): Promise<T> => {
    try {
      return await client.connection.withDeadline(Date.now() + DEADLINE_MS, call);
    } catch (error) {
      if (error instanceof WorkflowNotFoundError)
        throw new AppError('no-open-migration', {}, { cause: error });
      if (error instanceof WorkflowExecutionAlreadyStartedError)
        throw new AppError('migration-running', {}, { cause: error });
      throw toTemporalFault(error);
    }
  };
  const handle = () => client.workflow.getHandle(MIGRATION_WORKFLOW_ID);

  return {
    async start(input) {
      const { workflowId, firstExecutionRunId: runId } = await ask(() =>
        client.workflow.start(WORKFLOW_TYPES.migrateStorage, {
          taskQueue: TASK_QUEUES.orchestration,
          workflowId: MIGRATION_WORKFLOW_ID,
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
          workflowIdConflictPolicy: 'FAIL',
          staticSummary: `Move objects from ${input.from} to ${input.to}`,
          args: [input],
        }),
      );
      return { workflowId, runId };
    },
    pause: () => ask(() => handle().signal(PAUSE_SIGNAL)),
    resume: () => ask(() => handle().signal(RESUME_SIGNAL)),
    cancel: async () => void (await ask(() => handle().cancel())),
  };
}
