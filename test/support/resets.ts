import type { RunIdentity, VideoId } from '../../src/domain/ids.ts';
import type { Pipeline } from './pipeline.ts';

/** The latest run under a video's own workflow id. */
export async function identifyRun({ client }: Pipeline, id: VideoId): Promise<RunIdentity> {
  const { workflowId, runId } = await client.workflow.getHandle(`process-video-${id}`).describe();
  return { workflowId, runId };
}

/** The events that a run can be reset to: ends of its workflow tasks so far. */
export async function listResetPoints(
  { client }: Pipeline,
  { workflowId, runId }: RunIdentity,
): Promise<readonly number[]> {
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  return (events ?? [])
    .filter((event) => event.workflowTaskCompletedEventAttributes)
    .map((event) => Number(event.eventId));
}

/** Resets a run as the Web UI does. @returns the run that goes on */
export async function resetRun(
  { client }: Pipeline,
  { workflowId, runId }: RunIdentity,
  toEvent: number,
): Promise<RunIdentity> {
  const answer = await client.workflowService.resetWorkflowExecution({
    namespace: client.options.namespace,
    workflowExecution: { workflowId, runId },
    reason: 'test',
    workflowTaskFinishEventId: toEvent as never,
    requestId: `${workflowId}-${toEvent}-${Math.random()}`,
  });
  return { workflowId, runId: answer.runId ?? '' };
}

/** How a run ended: why it failed, or undefined where it went well. */
export async function awaitRun(
  { client }: Pipeline,
  { workflowId, runId }: RunIdentity,
): Promise<string | undefined> {
  try {
    await client.workflow.getHandle(workflowId, runId).result();
    return undefined;
  } catch (error) {
    return error instanceof Error ? `${error.message}: ${String(error.cause)}` : String(error);
  }
}

/** What is wrong with a video that should be completed and published once, or nothing. */
export async function findFlaws(pipeline: Pipeline, id: VideoId): Promise<string[]> {
  const flaws: string[] = [];
  const video = await pipeline.video(id);
  if (video['status'] !== 'completed') flaws.push(`it is ${String(video['status'])}`);
  if (video['failure'] !== null) flaws.push(`failure ${JSON.stringify(video['failure'])}`);
  const streams = await pipeline.db.sql(
    'select output, object_key, size_bytes from video_streams where video_id = $1 and version = $2',
    [id, video['version']],
  );
  const [run] = await pipeline.db.sql(
    'select plan from video_runs where video_id = $1 and version = $2',
    [id, video['version']],
  );
  const plan = run?.['plan'] as { renditions: readonly unknown[] } | undefined;
  if (plan === undefined || streams.length !== plan.renditions.length + 2)
    flaws.push(`${streams.length} streams`);
  for (const stream of streams) {
    const facts = await pipeline.deps.store.stat(String(stream['object_key']));
    if (facts?.sizeBytes !== Number(stream['size_bytes']))
      flaws.push(`${String(stream['output'])} is not what its row says`);
  }
  const active = await pipeline.db.sql(
    `select 1 from video_runs where video_id = $1 and state = 'active'`,
    [id],
  );
  if (active.length > 0) flaws.push('a run is still active');
  const left = await pipeline.keys(`work/${id}/`);
  if (left.length > 0) flaws.push(`left behind: ${left.join(' ')}`);
  return flaws;
}
