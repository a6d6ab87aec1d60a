import { setTimeout as delay } from 'node:timers/promises';
import {
  type Client,
  ScheduleAlreadyRunning,
  type ScheduleOptions,
  ScheduleOverlapPolicy,
} from '@temporalio/client';
import {
  RECONCILE_SCHEDULE_ID,
  RETENTION_SCHEDULE_ID,
  SEARCH_ATTRIBUTES,
  TASK_QUEUES,
  WORKFLOW_TYPES,
} from '../workflows/messages.ts';
import { isUnreachable } from './faults.ts';

const DEADLINE_MS = 10_000;
/** Closed runs are kept this long; the server's own default of a day hides last week's failures. */
const RETENTION_SECONDS = 30 * 24 * 3600;
/** After midnight, UTC: an hour at which few people watch in most places. */
const RETENTION_AT = '3 hours';
/** gRPC's code. */
const ALREADY_EXISTS = 6;
/** Of the server's API (temporal/api/enums/v1/common.proto). */
const INDEXED_VALUE_TYPES = { KEYWORD: 2, INT: 3 } as const;

/**
 * Makes what the product needs on the Temporal server: search attributes, the namespace's retention, the Schedules.
 *
 * Idempotent. Every worker calls it once a minute, because a server that lost its database lost these too.
 * @param reconcileEverySeconds how often that Schedule runs; an existing Schedule is left as it is
 */
export async function ensureServerSide(
  client: Client,
  reconcileEverySeconds: number,
): Promise<void> {
  await ensureSearchAttributes(client);
  await ensureRetention(client);
  await ensureSchedule(client, RETENTION_SCHEDULE_ID, {
    workflowType: WORKFLOW_TYPES.applyRetention,
    spec: { intervals: [{ every: '1 day', offset: RETENTION_AT }] },
    // A machine that is off at that hour makes up for it.
    catchupWindow: '1 day',
    longestRun: '1 day',
  });
  await ensureSchedule(client, RECONCILE_SCHEDULE_ID, {
    workflowType: WORKFLOW_TYPES.reconcileVideos,
    spec: { intervals: [{ every: reconcileEverySeconds * 1000 }] },
    catchupWindow: '1 minute',
    longestRun: '1 hour',
  });
}

async function ensureRetention(client: Client): Promise<void> {
  const { namespace } = client.options;
  const { config } = await client.workflowService.describeNamespace({ namespace });
  if (Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) >= RETENTION_SECONDS) return;
  await client.workflowService.updateNamespace({
    namespace,
    config: { workflowExecutionRetentionTtl: { seconds: RETENTION_SECONDS as never } },
  });
}

async function ensureSearchAttributes(client: Client): Promise<void> {
  const { namespace } = client.options;
  const present = await client.connection.operatorService.listSearchAttributes({ namespace });
  const missing = Object.values(SEARCH_ATTRIBUTES).filter(
    ({ name }) => present.customAttributes?.[name] === undefined,
  );
  if (missing.length === 0) return;
  try {
    await client.connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(
        missing.map(({ name, type }) => [name, INDEXED_VALUE_TYPES[type]]),
      ),
    });
  } catch (error) {
    // Two workers may come at the same moment.
    if ((error as { code?: unknown }).code !== ALREADY_EXISTS) throw error;
  }
}

interface ScheduledWork {
  readonly workflowType: string;
  readonly spec: ScheduleOptions['spec'];
  readonly catchupWindow: '1 minute' | '1 day';
  /** Runs do not overlap: without a bound, one that its workers cannot go on with would be the last one. */
  readonly longestRun: '1 hour' | '1 day';
}

async function ensureSchedule(
  client: Client,
  scheduleId: string,
  { workflowType, spec, catchupWindow, longestRun }: ScheduledWork,
): Promise<void> {
  try {
    await client.schedule.create({
      scheduleId,
      spec,
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow },
      action: {
        type: 'startWorkflow',
        workflowType,
        workflowId: scheduleId,
        taskQueue: TASK_QUEUES.orchestration,
        workflowRunTimeout: longestRun,
        args: [],
      },
    });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
  }
}

export interface KeepOptions {
  readonly reconcileEverySeconds: number;
  readonly signal: AbortSignal;
  readonly onFault: (error: unknown, isAway: boolean) => void;
}

const CHECK_EVERY_MS = 60_000;
/** A server that was away is looked for more often: uploads wait for it. */
const RETRY_EVERY_MS = 3_000;

/**
 * Keeps the server side as it should be until the signal fires. At first, and whenever the server was away, reconcile runs at
 * once, so that what came in meanwhile does not wait for the Schedule.
 */
export async function keepServerSide(client: Client, options: KeepOptions): Promise<void> {
  let isCurrent = false;
  while (!options.signal.aborted) {
    try {
      await client.connection.withDeadline(Date.now() + DEADLINE_MS, async () => {
        await ensureServerSide(client, options.reconcileEverySeconds);
        if (!isCurrent)
          await client.schedule
            .getHandle(RECONCILE_SCHEDULE_ID)
            .trigger(ScheduleOverlapPolicy.SKIP);
      });
      isCurrent = true;
    } catch (error) {
      isCurrent = false;
      options.onFault(error, isUnreachable(error));
    }
    await delay(isCurrent ? CHECK_EVERY_MS : RETRY_EVERY_MS, undefined, {
      signal: options.signal,
    }).catch(() => undefined);
  }
}
