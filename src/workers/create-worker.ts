import { type NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import type { Activities } from '../activities/index.ts';
import { STOP_MS } from '../host/stop-times.ts';
import { TASK_QUEUES } from '../workflows/messages.ts';

/** Which queues a process may serve. */
export type Queue = keyof typeof TASK_QUEUES;

export interface WorkerSettings {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly activities: Activities;
  /** Absolute path of the workflow bundle; only the orchestration queue needs it. */
  readonly bundlePath: string;
  /** The cap on heavy work of this process: N processes have N times as much. */
  readonly maxVideoProcessingTasks: number;
  /** How long running activities may go on after a request to stop. */
  readonly drainSeconds: number;
  /** How long they may then take to end; default `STOP_MS.activities`. */
  readonly endMs?: number;
}

/** Database activities are short and many. */
const ORCHESTRATION_SLOTS = 20;
const INTAKE_SLOTS = 2;
/** The count of cached workflows is not bounded by memory, so bound it here. */
const CACHED_WORKFLOWS = 200;

/** Makes the Temporal Worker of one queue. The caller runs it. */
export async function createWorker(queue: Queue, settings: WorkerSettings): Promise<Worker> {
  const common: WorkerOptions = {
    connection: settings.connection,
    namespace: settings.namespace,
    taskQueue: TASK_QUEUES[queue],
    identity: `${queue}@${process.pid}`,
    // A cancellation is learned from the answer to a heartbeat, so this is its latency.
    maxHeartbeatThrottleInterval: '2 seconds',
    defaultHeartbeatThrottleInterval: '2 seconds',
    shutdownGraceTime: settings.drainSeconds * 1000,
    shutdownForceTime: settings.drainSeconds * 1000 + (settings.endMs ?? STOP_MS.activities),
  };
  switch (queue) {
    case 'orchestration':
      return Worker.create({
        ...common,
        workflowBundle: { codePath: settings.bundlePath },
        activities: settings.activities.orchestration,
        maxConcurrentActivityTaskExecutions: ORCHESTRATION_SLOTS,
        maxCachedWorkflows: CACHED_WORKFLOWS,
      });
    case 'intake':
      return Worker.create({
        ...common,
        activities: settings.activities.intake,
        maxConcurrentActivityTaskExecutions: INTAKE_SLOTS,
      });
    case 'processing':
      return Worker.create({
        ...common,
        activities: settings.activities.processing,
        maxConcurrentActivityTaskExecutions: settings.maxVideoProcessingTasks,
      });
  }
}
