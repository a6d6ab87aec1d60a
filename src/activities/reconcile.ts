import { Context } from '@temporalio/activity';
import { findVideosWithRetired, removeRetired, removeVersion } from '../db/outputs.ts';
import {
  forgetUnnamedOutputs,
  removeUnpublishedPieces,
  withoutOwner,
  removeExpiredPieces as forgetExpiredPieces,
} from '../db/pieces.ts';
import {
  countLostRuns,
  findActiveRuns,
  findDeletedVideos,
  findWaitingVideos,
  type OldRun,
} from '../db/reconcile.ts';
import { endRun, findActiveRun, isSameRun, lockVideo } from '../db/runs.ts';
import { ERRORS } from '../domain/errors.ts';
import type { Failure } from '../domain/failure.ts';
import { MADE_PREFIXES } from '../domain/object-keys.ts';
import { retentionCutoffs } from '../domain/retention.ts';
import type { Orphans } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { deleteIfUnowned } from './pieces.ts';

/** Rows, or keys, that are looked at in one go. */
const BATCH = 500;
/** Younger rows are being started by whoever made them. */
const STARTING_SECONDS = 5;
const CLAIMING_SECONDS = 30;
/** A run that keeps disappearing is given up. */
const MOST_LOST_RUNS = 3;

/** Starts the runs of videos that wait for one: Temporal was away when they were uploaded, or lost them. */
export async function startPendingVideos(deps: ActivityDeps): Promise<{ started: number[] }> {
  const waiting = await deps.database.run((em) => findWaitingVideos(em, STARTING_SECONDS, BATCH));
  const started: number[] = [];
  for (const video of waiting) {
    Context.current().heartbeat();
    const wasStarted = await deps.workflows.startUpload(
      video,
      video.lostRuns > 0 ? 'recover' : 'upload',
    );
    if (wasStarted) started.push(video.id);
  }
  if (started.length > 0) deps.logger.info({ videoIds: started }, 'runs of waiting videos started');
  return { started };
}

/** Settles active runs whose workflow has ended without saying so: terminated, timed out, or forgotten by the server. */
export async function settleEndedRuns(deps: ActivityDeps): Promise<{ settled: string[] }> {
  const settled: string[] = [];
  for (let afterId = 0; ;) {
    const cursor = { afterId, olderThanSeconds: CLAIMING_SECONDS, limit: BATCH };
    const runs = await deps.database.run((em) => findActiveRuns(em, cursor));
    for (const run of runs) {
      Context.current().heartbeat();
      const latest = await deps.runDescriptions.latestRun(run.workflowId);
      if (latest?.state === 'open') continue;
      const wasSettled = await settleEnded(deps, run, latest?.status);
      if (wasSettled) settled.push(run.workflowId);
    }
    const last = runs.at(-1);
    if (last === undefined) return { settled };
    afterId = last.id;
  }
}

/** @param status how Temporal says the workflow ended; undefined when it knows it no more */
async function settleEnded(
  deps: ActivityDeps,
  ended: OldRun,
  status: string | undefined,
): Promise<boolean> {
  const orphans = await deps.database.transact(async (tx) => {
    const video = await lockVideo(tx, ended.videoId);
    const run = video === undefined ? undefined : await findActiveRun(tx, ended.videoId);
    if (run === undefined || !isSameRun(run.identity, ended)) return undefined;
    if (status === 'CANCELLED') {
      await endRun(tx, run, 'cancelled', null);
      const keys = [
        ...(await removeVersion(tx, run.videoId, run.version)),
        ...(await removeUnpublishedPieces(tx, run.videoId)),
      ];
      return withoutOwner(tx, keys);
    }
    const lostBefore = await countLostRuns(tx, run.videoId);
    const isLost = status === undefined && lostBefore < MOST_LOST_RUNS;
    await endRun(tx, run, isLost ? 'lost' : 'failed', isLost ? null : runLost(status));
    return withoutOwner(tx, await removeVersion(tx, run.videoId, run.version));
  });
  if (orphans === undefined) return false;
  await deps.store.delete(orphans);
  deps.logger.warn({ ...ended, status: status ?? 'unknown' }, 'run that had ended was settled');
  return true;
}

function runLost(status: string | undefined): Failure {
  return {
    code: 'run-lost',
    title: ERRORS['run-lost'].title,
    detail:
      status === undefined
        ? 'The workflow server lost this run several times.'
        : `The run was ended from outside (${status.toLowerCase()}).`,
    step: 'workflow',
    attempt: 1,
    at: new Date().toISOString(),
  };
}

/** Starts the removal of videos whose deletion could not be started at once. */
export async function startPendingDeletions(deps: ActivityDeps): Promise<{ started: number[] }> {
  const deleted = await deps.database.run((em) => findDeletedVideos(em, BATCH));
  const started: number[] = [];
  for (const videoId of deleted) {
    Context.current().heartbeat();
    if (await deps.workflows.startDelete(videoId)) started.push(videoId);
  }
  return { started };
}

/** Takes out finished pieces of failed runs that nobody went on with in time. */
export async function removeExpiredPieces(deps: ActivityDeps): Promise<Orphans> {
  const { piecesBefore } = retentionCutoffs(deps.settings, new Date());
  return deps.database.transact(async (tx) => {
    const expired = await forgetExpiredPieces(tx, piecesBefore, BATCH);
    for (const [videoId, pieces] of Map.groupBy(expired, (piece) => piece.videoId)) {
      deps.logger.info(
        { videoId, pieces: pieces.length, reason: 'work-retention-days' },
        'pieces of a failed run removed',
      );
    }
    return {
      keys: await withoutOwner(
        tx,
        expired.map(({ objectKey }) => objectKey),
      ),
    };
  });
}

/** Takes out the rows of versions that have been replaced for longer than their grace. */
export async function removeRetiredVersions(deps: ActivityDeps): Promise<Orphans> {
  const before = new Date(Date.now() - deps.settings.oldVersionGraceSeconds * 1000);
  const videoIds = await deps.database.run((em) => findVideosWithRetired(em, before, BATCH));
  const keys: string[] = [];
  for (const videoId of videoIds) {
    Context.current().heartbeat();
    keys.push(
      ...(await deps.database.transact(async (tx) => {
        const removed = await removeRetired(tx, videoId, before);
        await forgetUnnamedOutputs(tx, videoId, removed);
        return withoutOwner(tx, removed);
      })),
    );
  }
  return { keys };
}

/**
 * Removes stored files that no row names: what a crash left between storing and entering. Never an original, and nothing young
 * enough to be entered yet; whether a row names it is asked in the moment of deletion.
 */
export async function removeUnownedObjects(deps: ActivityDeps): Promise<{ deleted: number }> {
  const before = Date.now() - deps.settings.reconcileGraceSeconds * 1000;
  let deleted = 0;
  let batch: string[] = [];
  const flush = async (): Promise<void> => {
    Context.current().heartbeat();
    deleted += await deleteIfUnowned(deps, batch);
    batch = [];
  };
  for (const prefix of MADE_PREFIXES) {
    for await (const { key, modifiedAt } of deps.store.list(prefix)) {
      if (modifiedAt.getTime() < before) batch.push(key);
      if (batch.length >= BATCH) await flush();
    }
  }
  await flush();
  if (deleted > 0) deps.logger.info({ objects: deleted }, 'stored files without an owner removed');
  return { deleted };
}
