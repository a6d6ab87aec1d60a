import { rmSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dice } from './dice.ts';
import { kill, type Part, type World } from './world.ts';
import { TASK_QUEUES, WORKFLOW_TYPES } from '../src/workflows/messages.ts';

/** Something that befalls the product. */
export interface Fault {
  readonly name: string;
  readonly weight: number;
  /** At most this often in one run: what nobody would survive without help is not done again and again. */
  readonly most?: number;
  readonly needsS3?: boolean;
  /** @returns what was hit, or undefined where there was nothing to hit */
  readonly inflict: (world: World, tools: FaultTools) => Promise<string | undefined>;
}

export interface FaultTools {
  readonly dice: Dice;
  /** Put off until later, and done at the latest before the judge comes. */
  later(afterMs: number, action: () => Promise<void> | void): void;
  /** Videos that were meddled with, by what may become of them. */
  readonly marked: Marked;
}

export interface Marked {
  readonly cancelled: Set<number>;
  readonly terminated: Set<number>;
}

const WORKER_FREEZE_MS = 40_000;

export const FAULTS: readonly [Fault, ...Fault[]] = [
  { name: 'kill api', weight: 3, inflict: killPart('api') },
  { name: 'kill worker', weight: 4, inflict: killPart('worker') },
  { name: 'kill temporal', weight: 2, inflict: killPart('temporal') },
  { name: 'wipe temporal', weight: 0.5, most: 3, inflict: wipeTemporal },
  { name: 'kill postgres', weight: 2, inflict: killPart('postgres') },
  { name: 'kill s3', weight: 3, needsS3: true, inflict: killS3 },
  { name: 'kill ffmpeg', weight: 2, inflict: hitTool('SIGKILL') },
  { name: 'freeze ffmpeg', weight: 0.5, most: 3, inflict: hitTool('SIGSTOP') },
  { name: 'freeze worker', weight: 0.5, most: 3, inflict: freezeWorker },
  { name: 'cancel', weight: 1, inflict: cancel },
  { name: 'terminate', weight: 1, inflict: terminate },
  { name: 'reset', weight: 2, inflict: resetAnywhere },
  { name: 'reset late', weight: 1, inflict: resetLate },
  { name: 'start again', weight: 1, inflict: startAgain },
];

function killPart(part: Part): Fault['inflict'] {
  return async (world) => {
    const pid = world.pidOf(part);
    return pid !== undefined && kill(pid, 'SIGKILL') ? part : undefined;
  };
}

/** Frozen first, so that it cannot write while its files go. */
async function wipeTemporal(world: World): Promise<string | undefined> {
  const pid = world.pidOf('temporal');
  if (pid === undefined || !kill(pid, 'SIGSTOP')) return undefined;
  const folder = path.join(world.stack.dataDir, 'temporal');
  for (const name of readdirSync(folder))
    if (name.includes('temporal.db')) rmSync(path.join(folder, name));
  kill(pid, 'SIGKILL');
  return 'temporal, its database gone';
}

async function killS3(world: World, { dice, later }: FaultTools): Promise<string | undefined> {
  const { s3 } = world;
  if (s3 === undefined || !s3.isRunning()) return undefined;
  await s3.kill();
  later(dice.between(500, 6_000), () => s3.start());
  return 's3';
}

function hitTool(signal: 'SIGKILL' | 'SIGSTOP'): Fault['inflict'] {
  return async (world, { dice }) => {
    const pid = dice.pick(await world.tools());
    return pid !== undefined && kill(pid, signal) ? `ffmpeg ${pid}` : undefined;
  };
}

async function freezeWorker(world: World, { later }: FaultTools): Promise<string | undefined> {
  const pid = world.pidOf('worker');
  if (pid === undefined || !kill(pid, 'SIGSTOP')) return undefined;
  later(WORKER_FREEZE_MS, () => void kill(pid, 'SIGCONT'));
  return `worker, for ${WORKER_FREEZE_MS / 1000} s`;
}

interface OpenRun {
  readonly video_id: number;
  readonly workflow_id: string;
}

async function pickRun(world: World, dice: Dice): Promise<OpenRun | undefined> {
  const runs = await world.sql<OpenRun>(
    `select video_id, workflow_id from video_runs where state = 'active' order by id`,
  );
  return dice.pick(runs);
}

async function cancel(world: World, { dice, marked }: FaultTools): Promise<string | undefined> {
  const run = await pickRun(world, dice);
  if (run === undefined) return undefined;
  marked.cancelled.add(run.video_id);
  const { status } = await world.ask(`/videos/${run.video_id}/cancel`, { method: 'POST' });
  return `video ${run.video_id} (${status})`;
}

async function terminate(world: World, { dice, marked }: FaultTools): Promise<string | undefined> {
  const run = await pickRun(world, dice);
  if (run === undefined) return undefined;
  marked.terminated.add(run.video_id);
  await world.temporal.workflow.getHandle(run.workflow_id).terminate('chaos');
  return `video ${run.video_id}`;
}

interface Execution extends OpenRun {
  readonly run_id: string;
}

/** To any point of any run, open or closed. */
async function resetAnywhere(world: World, { dice }: FaultTools): Promise<string | undefined> {
  const runs = await world.sql<Execution>(
    `select video_id, workflow_id, run_id from video_runs
      where state in ('active', 'completed') order by id desc limit 8`,
  );
  return reset(world, dice.pick(runs), (points) => dice.pick(points));
}

/** To where a run is right now, its claim behind it: what it has begun is begun again by another execution. */
async function resetLate(world: World, { dice }: FaultTools): Promise<string | undefined> {
  const runs = await world.sql<Execution>(
    `select video_id, workflow_id, run_id from video_runs where state = 'active' order by id`,
  );
  const run = dice.pick(runs);
  const hit = await reset(world, run, (points) => (points.length > 1 ? points.at(-1) : undefined));
  // One that had just closed was not at work any more.
  return run !== undefined && (await statusOf(world, run)) === 'TERMINATED' ? hit : undefined;
}

async function reset(
  world: World,
  run: Execution | undefined,
  choose: <T>(points: readonly T[]) => T | undefined,
): Promise<string | undefined> {
  if (run === undefined) return undefined;
  const { workflow_id: workflowId, run_id: runId } = run;
  const { events } = await world.temporal.workflow.getHandle(workflowId, runId).fetchHistory();
  const points = (events ?? []).filter((event) => event.workflowTaskCompletedEventAttributes);
  const point = choose(points)?.eventId;
  if (point === undefined || point === null) return undefined;
  await world.temporal.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId, runId },
    workflowTaskFinishEventId: point,
    requestId: `${runId}-${String(point)}`,
    reason: 'chaos',
  });
  return `video ${run.video_id}, to event ${String(point)}`;
}

async function statusOf(world: World, run: Execution): Promise<string> {
  const handle = world.temporal.workflow.getHandle(run.workflow_id, run.run_id);
  return (await handle.describe()).status.name;
}

/** As by `temporal workflow start` in a shell: with the usual id, or one that is made up. */
async function startAgain(world: World, { dice }: FaultTools): Promise<string | undefined> {
  const run = await pickRun(world, dice);
  if (run === undefined) return undefined;
  const workflowId = dice.between(0, 1) < 0.5 ? run.workflow_id : `by-hand-${run.video_id}`;
  try {
    await world.temporal.workflow.start(WORKFLOW_TYPES.processVideo, {
      taskQueue: TASK_QUEUES.orchestration,
      workflowId,
      args: [{ videoId: run.video_id }],
    });
    return `video ${run.video_id} as ${workflowId}`;
  } catch (error) {
    return `video ${run.video_id}: ${(error as Error).name}`;
  }
}

/** @returns how often each fault was inflicted */
export async function inflictFaults(
  world: World,
  {
    faults,
    kills,
    tools,
    say,
    isTooLate,
  }: {
    faults: readonly Fault[];
    kills: number;
    tools: FaultTools;
    say: (line: string) => void;
    isTooLate: () => boolean;
  },
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (let done = 0; done < kills && !isTooLate();) {
    await sleep(tools.dice.between(...PAUSE_MS));
    const left = faults.filter(({ name, most }) => (counts.get(name) ?? 0) < (most ?? kills));
    const [first, ...rest] = left;
    if (first === undefined) break;
    const fault = tools.dice.weighted([first, ...rest]);
    // What cannot be reached right now is not hit.
    const hit = await fault.inflict(world, tools).catch(() => undefined);
    if (hit === undefined) continue;
    done += 1;
    counts.set(fault.name, (counts.get(fault.name) ?? 0) + 1);
    say(`${String(done).padStart(4)}  ${fault.name.padEnd(14)} ${hit}`);
  }
  return counts;
}

const PAUSE_MS = [700, 4_500] as const;
