import { Context } from '@temporalio/activity';
import { copySteps } from '../db/progress.ts';
import {
  adoptRun,
  findActiveRun,
  findLastRunOf,
  insertRun,
  isSameRun,
  lockVideo,
  type Run,
  type RunVideo,
  writeAsActiveRun,
} from '../db/runs.ts';
import type { EntityManager } from '../db/orm.ts';
import { AppError } from '../domain/errors.ts';
import type { RunIdentity, VideoId } from '../domain/ids.ts';
import type { ActivityDeps } from './deps.ts';

type FenceDeps = Pick<ActivityDeps, 'database' | 'runDescriptions' | 'logger'>;

/** Losing a race for the takeover once is possible; more often means that somebody else goes on. */
const MOST_TRIES = 3;

/** The execution that this activity belongs to. */
export function currentRun(): RunIdentity {
  const { workflowExecution } = Context.current().info;
  if (workflowExecution === undefined)
    throw new Error('this activity runs only as part of a workflow');
  return { workflowId: workflowExecution.workflowId, runId: workflowExecution.runId };
}

/**
 * Writes as the active run of a video, in one transaction.
 *
 * A reset gives a new run id and skips the recorded claim, while attempts of the old run may still be alive. So an execution
 * that is not the active one asks the server: the latest of its workflow id takes the run over, everybody else is out.
 * @throws `video-not-found` (gone or deleted), `run-superseded`
 */
export async function asActiveRun<T>(
  deps: FenceDeps,
  videoId: VideoId,
  write: (tx: EntityManager, run: Run, video: RunVideo) => Promise<T>,
): Promise<T> {
  const identity = currentRun();
  for (let tries = 1; tries <= MOST_TRIES; tries += 1) {
    const fenced = await deps.database.transact((tx) =>
      writeAsActiveRun(tx, videoId, identity, (run, video) => write(tx, run, video)),
    );
    if (fenced.outcome === 'written') return fenced.value;
    if (fenced.outcome === 'video-gone') throw new AppError('video-not-found', { videoId });
    await takeOver(deps, videoId, identity, fenced.active);
  }
  throw new AppError('run-superseded', { videoId });
}

/** @throws `run-superseded` */
async function takeOver(
  deps: FenceDeps,
  videoId: VideoId,
  identity: RunIdentity,
  seen: Run | undefined,
): Promise<void> {
  const superseded = new AppError('run-superseded', {
    videoId,
    activeRun: seen?.identity.workflowId ?? null,
  });
  if (seen !== undefined && seen.identity.workflowId !== identity.workflowId) throw superseded;
  const latest = await deps.runDescriptions.latestRun(identity.workflowId);
  if (latest?.state !== 'open' || latest.runId !== identity.runId) throw superseded;

  await deps.database.transact(async (tx) => {
    const video = await lockVideo(tx, videoId);
    if (video === undefined) throw new AppError('video-not-found', { videoId });
    const active = await findActiveRun(tx, videoId);
    if (active !== undefined) {
      if (active.identity.workflowId !== identity.workflowId) throw superseded;
      await adoptRun(tx, active, identity);
      return;
    }
    const last = await findLastRunOf(tx, videoId, identity.workflowId);
    // Our own row was ended by us: whoever still writes is an attempt that outlived its run.
    if (last === undefined || isSameRun(last.identity, identity)) throw superseded;
    const kind = video.version === null ? last.kind : 'reprocess';
    const run = await insertRun(tx, video, { ...last, kind, identity });
    await copySteps(tx, last.id, run.id);
  });
  deps.logger.info({ videoId, ...identity }, 'run taken over after a reset');
}
