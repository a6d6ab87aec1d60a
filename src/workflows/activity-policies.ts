import type { ActivityOptions } from '@temporalio/common';
import {
  PROBE_TOOL_SECONDS,
  TRANSFER_MARGIN_SECONDS,
  wholeFileBudget,
} from '../domain/tool-time.ts';
import type { Priority } from '../domain/video.ts';
import { PRIORITY_KEYS, TASK_QUEUES } from './messages.ts';

/**
 * How long each kind of activity may take and how often it is tried, with the reason beside each value.
 *
 * Common to all: a cancelled activity is awaited, so that nothing is undone under a live encoder (the SDK's default goes on at
 * once). Attempts are unlimited, because a deploy, a killed worker and a server outage each use one up: who gives up is the
 * activity, by counters of its own. No schedule-to-close, because waiting in a queue is not failing.
 */
export interface PolicyInput {
  /** Budget of one piece of work: tool time only. */
  readonly timeoutSeconds: number;
  readonly ownerId: number;
  readonly priority: Priority;
  /** A version is published already, so nobody waits: one lower than the same step of a first run. */
  readonly isReprocess: boolean;
}

export type ActivityPolicy = ActivityOptions & { readonly taskQueue: string };

/** Missed when ten heartbeats in a row are: they are sent every 2 s. */
const HEARTBEAT = '20 seconds';

const awaited = { cancellationType: 'WAIT_CANCELLATION_COMPLETED' } as const;
const databaseRetry = {
  initialInterval: '1 second',
  backoffCoefficient: 2,
  maximumInterval: '30 seconds',
} as const;
const cleanUpRetry = {
  initialInterval: '5 seconds',
  backoffCoefficient: 2,
  maximumInterval: '5 minutes',
} as const;
const toolRetry = {
  initialInterval: '5 seconds',
  backoffCoefficient: 2,
  maximumInterval: '60 seconds',
} as const;

/** Database and state: short, so a lost worker is noticed soon; a ten-minute outage of the database must fail nothing. */
export const databasePolicy: ActivityPolicy = {
  ...awaited,
  taskQueue: TASK_QUEUES.orchestration,
  startToCloseTimeout: '10 seconds',
  retry: databaseRetry,
};

/** Clean-up: what it leaves behind is found again by reconcile, so it may give up. */
export const cleanUpPolicy: ActivityPolicy = {
  ...awaited,
  taskQueue: TASK_QUEUES.orchestration,
  startToCloseTimeout: '60 seconds',
  heartbeatTimeout: HEARTBEAT,
  retry: { ...cleanUpRetry, maximumAttempts: 10 },
};

/** A page of reconcile: comes again in five minutes, so it soon makes room for the steps behind it. */
export const reconcilePolicy: ActivityPolicy = {
  ...cleanUpPolicy,
  retry: { ...databaseRetry, maximumAttempts: 5 },
};

/** Removal of a deleted video: like clean-up, but it never gives up, since its row goes last. */
export const removalPolicy: ActivityPolicy = { ...cleanUpPolicy, retry: cleanUpRetry };

/** Reads a stored file back whole, or several: no tool, but as long as a transfer may take. What it leaves, retention finds again. */
export const readBackPolicy: ActivityPolicy = {
  ...cleanUpPolicy,
  startToCloseTimeout: seconds(TRANSFER_MARGIN_SECONDS),
};

/**
 * A slice of moving objects between stores. It ends after some seconds, but not within an object, and a large one takes hours where
 * it is slowed down; who hangs is found by the missing heartbeat. A store that is away is waited for without end.
 */
export const movePolicy: ActivityPolicy = {
  ...awaited,
  taskQueue: TASK_QUEUES.orchestration,
  startToCloseTimeout: '7 days',
  heartbeatTimeout: HEARTBEAT,
  retry: toolRetry,
};

/** Fetch and probe, on a queue of its own. */
export function intakePolicy(input: PolicyInput): ActivityPolicy {
  return {
    ...awaited,
    taskQueue: TASK_QUEUES.intake,
    startToCloseTimeout: seconds(PROBE_TOOL_SECONDS + TRANSFER_MARGIN_SECONDS),
    heartbeatTimeout: HEARTBEAT,
    retry: toolRetry,
    priority: priorityOf(input, PRIORITY_KEYS.chunk),
  };
}

/** A chunk: one budget. Chunks go last on the queue, so that videos near their end are finished first. */
export function piecePolicy(input: PolicyInput): ActivityPolicy {
  return processing(input, input.timeoutSeconds, PRIORITY_KEYS.chunk);
}

/** A video that cannot be divided: a chunk as long as the whole. */
export function undividedPolicy(input: PolicyInput, durationSeconds: number): ActivityPolicy {
  const budget = wholeFileBudget(input.timeoutSeconds, durationSeconds);
  return processing(input, budget, PRIORITY_KEYS.chunk);
}

export function picturesPolicy(input: PolicyInput): ActivityPolicy {
  return processing(input, input.timeoutSeconds, PRIORITY_KEYS.finishing);
}

/** Copy and audio read the whole file. */
export function wholeFilePolicy(input: PolicyInput, durationSeconds: number): ActivityPolicy {
  const budget = wholeFileBudget(input.timeoutSeconds, durationSeconds);
  return processing(input, budget, PRIORITY_KEYS.wholeFile);
}

/** Joining and checking a rendition. */
export function finishingPolicy(input: PolicyInput, durationSeconds: number): ActivityPolicy {
  const budget = wholeFileBudget(input.timeoutSeconds, durationSeconds);
  return processing(input, budget, PRIORITY_KEYS.finishing);
}

function processing(
  input: PolicyInput,
  budgetSeconds: number,
  priorityKey: number,
): ActivityPolicy {
  return {
    ...awaited,
    taskQueue: TASK_QUEUES.processing,
    startToCloseTimeout: seconds(budgetSeconds + TRANSFER_MARGIN_SECONDS),
    heartbeatTimeout: HEARTBEAT,
    retry: toolRetry,
    priority: priorityOf(input, priorityKey),
  };
}

function priorityOf(input: PolicyInput, key: number): NonNullable<ActivityOptions['priority']> {
  return {
    priorityKey: input.priority === 'bulk' ? PRIORITY_KEYS.bulk : key + (input.isReprocess ? 1 : 0),
    fairnessKey: `owner-${input.ownerId}`,
  };
}

function seconds(value: number): number {
  return value * 1000;
}
