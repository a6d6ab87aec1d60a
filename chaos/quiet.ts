import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { TASK_QUEUES, WORKFLOW_TYPES } from '../src/workflows/messages.ts';
import { ABANDONED_UPLOAD_SECONDS, kill, RECONCILE_GRACE_SECONDS, type World } from './world.ts';

/** What is not at its end by then is stuck. */
const MOST_QUIET_MS = 600_000;
/** And so is what has not moved for this long with every part up: a frozen encoder is ended after a minute. */
const MOST_STILL_MS = 100_000;
/** A video that waits without a run gets one as soon as reconcile sees that it is old enough. */
const MOST_STARTING_MS = 5_000 * RECONCILE_GRACE_SECONDS;
const LOOK_EVERY_MS = 2_000;

/**
 * Waits until nothing moves any more: every part up, no video that waits or works, no open run; then one reconcile, after
 * everything that is left over is old enough to be taken for that.
 *
 * API and worker are killed once more first: what they look after at their start is then looked after.
 * @returns false when something is stuck
 */
export async function untilQuiet(world: World): Promise<boolean> {
  const giveUpAt = performance.now() + MOST_QUIET_MS;
  await outliveUploads(world);
  for (const part of ['api', 'worker'] as const) {
    const pid = world.pidOf(part);
    if (pid !== undefined) kill(pid, 'SIGKILL');
  }
  let seen = '';
  let movedAt = performance.now();
  for (;;) {
    await reconcile(world);
    const [isReady, { work, isRunning }] = [await isUp(world), await describeWork(world)];
    if (isReady && work === '') break;
    if (!isReady || work !== seen) movedAt = performance.now();
    seen = work;
    const now = performance.now();
    const patienceMs = isRunning ? MOST_STILL_MS : MOST_STARTING_MS;
    if (now > giveUpAt || now - movedAt > patienceMs) return false;
    await sleep(LOOK_EVERY_MS);
  }
  await sleep((RECONCILE_GRACE_SECONDS + 1) * 1000);
  await reconcile(world);
  return true;
}

/** Uploads to a bucket whose API was killed are taken for dead late, by an API that starts after that. */
async function outliveUploads(world: World): Promise<void> {
  if (((await world.s3?.countUploads()) ?? 0) > 0)
    await sleep((ABANDONED_UPLOAD_SECONDS + 1) * 1000);
}

/** At once, and not when the Schedule says so. */
async function reconcile(world: World): Promise<void> {
  try {
    await world.temporal.connection.withDeadline(Date.now() + 60_000, () =>
      world.temporal.workflow.execute(WORKFLOW_TYPES.reconcileVideos, {
        taskQueue: TASK_QUEUES.orchestration,
        workflowId: `reconcile-${randomUUID()}`,
        workflowExecutionTimeout: '60 seconds',
      }),
    );
  } catch {
    // A part is still on its way up; it is asked again.
  }
}

async function isUp(world: World): Promise<boolean> {
  if (world.parts.some((part) => world.pidOf(part) === undefined)) return false;
  const response = await world.ask('/readyz').catch(() => undefined);
  return response?.ok === true;
}

interface Work {
  /** Changes when anything moves; empty when nothing is open. */
  readonly work: string;
  readonly isRunning: boolean;
}

async function describeWork(world: World): Promise<Work> {
  try {
    const rows = await world.sql<{ work: string; run: number | null }>(
      `select concat_ws(' ', videos.id, videos.status, deleted_at, video_runs.id, stage, progress_percent, waiting_for) as work,
              video_runs.id as run
         from videos left join video_runs on video_id = videos.id and state = 'active'
        where status in ('pending', 'processing') or deleted_at is not null or video_runs.id is not null
        order by 1`,
    );
    const { count } = await world.temporal.workflow.count(
      `ExecutionStatus = 'Running' and WorkflowType = '${WORKFLOW_TYPES.processVideo}'`,
    );
    const executions = count > 0 ? [`${count} executions`] : [];
    return {
      work: [...rows.map(({ work }) => work), ...executions].join('; '),
      isRunning: count > 0 || rows.some(({ run }) => run !== null),
    };
  } catch {
    return { work: `unknown at ${performance.now()}`, isRunning: true };
  }
}
