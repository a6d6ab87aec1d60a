import { type Client, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { RunIdentity } from '../domain/ids.ts';

/** How the server knows a run. `closed` carries Temporal's own word for the ending. */
export interface RunDescription {
  readonly runId: string;
  readonly state: 'open' | 'closed';
  readonly status: string;
  /** The server has given up hope: the code of the workers fails on this run again and again. */
  readonly isWedged: boolean;
}

/** How a run itself told its failure. */
export interface RunFailure {
  readonly type: string | undefined;
  readonly message: string;
}

/** What activities and reconcile ask the server about runs. Truth is `describe`; lists lag behind. */
export interface RunDescriptions {
  /** The latest run of a workflow id; undefined when the server knows none. */
  latestRun(workflowId: string): Promise<RunDescription | undefined>;
  /** Why a closed run failed; undefined where it did not. */
  failureOf(run: RunIdentity): Promise<RunFailure | undefined>;
  /** Whether an execution was made by a reset: then it carries on the chain of another one. */
  isReset(run: RunIdentity): Promise<boolean>;
  /** The start-to-close timeout that is in force now for a running activity: an operator may have raised it. */
  startToCloseMs(run: RunIdentity, activityId: string): Promise<number | undefined>;
}

const DEADLINE_MS = 5_000;
/** Set by the server after some failures of workflow tasks in a row. */
const PROBLEMS_ATTRIBUTE = 'TemporalReportedProblems';

export function createRunDescriptions(client: Client): RunDescriptions {
  const describe = (execution: RunIdentity) =>
    client.connection.withDeadline(Date.now() + DEADLINE_MS, () =>
      client.workflowService.describeWorkflowExecution({
        namespace: client.options.namespace,
        execution,
      }),
    );

  return {
    async latestRun(workflowId) {
      try {
        const { runId, status, raw } = await client.connection.withDeadline(
          Date.now() + DEADLINE_MS,
          () => client.workflow.getHandle(workflowId).describe(),
        );
        const attributes = raw.workflowExecutionInfo?.searchAttributes?.indexedFields ?? {};
        return {
          runId,
          status: status.name,
          state: status.name === 'RUNNING' ? 'open' : 'closed',
          isWedged: PROBLEMS_ATTRIBUTE in attributes,
        };
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return undefined;
        throw error;
      }
    },

    async failureOf({ workflowId, runId }) {
      try {
        const handle = client.workflow.getHandle(workflowId, runId, { followRuns: false });
        await client.connection.withDeadline(Date.now() + DEADLINE_MS, () => handle.result());
        return undefined;
      } catch (error) {
        if (!(error instanceof WorkflowFailedError)) throw error;
        const { cause } = error;
        if (!(cause instanceof ApplicationFailure)) return undefined;
        return { type: cause.type ?? undefined, message: cause.message };
      }
    },

    async isReset(run) {
      const { workflowExecutionInfo } = await describe(run);
      return workflowExecutionInfo?.firstRunId !== run.runId;
    },

    async startToCloseMs(run, activityId) {
      const description = await describe(run);
      const pending = description.pendingActivities?.find(
        (activity) => activity.activityId === activityId,
      );
      return toMs(pending?.activityOptions?.startToCloseTimeout);
    },
  };
}

function toMs(
  duration: { seconds?: unknown; nanos?: number | null } | null | undefined,
): number | undefined {
  if (duration === null || duration === undefined) return undefined;
  return Number(duration.seconds ?? 0) * 1000 + Math.round((duration.nanos ?? 0) / 1e6);
}
