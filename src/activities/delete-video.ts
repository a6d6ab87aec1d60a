import { Context } from '@temporalio/activity';
import { endRunOfTombstone, findTombstone, removeTombstone } from '../db/reconcile.ts';
import { AppError } from '../domain/errors.ts';
import { originalKey, ownedPrefixes } from '../domain/object-keys.ts';
import type { DeletionReceipt, Orphans, VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { deleteIfUnowned } from './pieces.ts';

/** Objects between two heartbeats. */
const BATCH = 100;

/** Asks the run of a deleted video to stop. @returns whether it is still at work; ask again until it is not */
export async function cancelActiveRun(
  deps: ActivityDeps,
  { videoId }: VideoRef,
): Promise<{ stillActive: boolean }> {
  const tombstone = await deps.database.run((em) => findTombstone(em, videoId));
  const run = tombstone?.activeRun;
  if (run === undefined) return { stillActive: false };
  const latest = await deps.runDescriptions.latestRun(run.workflowId);
  if (latest?.state !== 'open') {
    await deps.database.run((em) => endRunOfTombstone(em, run));
    return { stillActive: false };
  }
  try {
    await deps.workflows.cancelRun(run.workflowId);
  } catch (error) {
    // It ended in this very moment.
    if (!(error instanceof AppError) || error.code !== 'no-active-run') throw error;
  }
  return { stillActive: true };
}

/** Removes the objects of a deleted video, its original among them, then its row. Idempotent. */
export async function removeVideo(
  deps: ActivityDeps,
  { videoId }: VideoRef,
): Promise<DeletionReceipt> {
  const tombstone = await deps.database.run((em) => findTombstone(em, videoId));
  if (tombstone === undefined) return { videoId, objectsDeleted: 0, rowDeleted: false };
  const keys: string[] = [];
  for (const prefix of ownedPrefixes(videoId)) {
    for await (const { key } of deps.store.list(prefix)) keys.push(key);
    Context.current().heartbeat();
  }
  await deleteInBatches(deps, [...keys, originalKey(tombstone.storedName)]);
  const rowDeleted = await deps.database.run((em) => removeTombstone(em, videoId));
  deps.logger.info({ videoId, objects: keys.length + 1 }, 'video removed');
  return { videoId, objectsDeleted: keys.length + 1, rowDeleted };
}

/** Deletes objects that no row names at this moment. */
export async function deleteObjects(
  deps: ActivityDeps,
  { keys }: Orphans,
): Promise<{ deleted: number }> {
  let deleted = 0;
  for (let from = 0; from < keys.length; from += BATCH) {
    deleted += await deleteIfUnowned(deps, keys.slice(from, from + BATCH));
    Context.current().heartbeat();
  }
  return { deleted };
}

async function deleteInBatches(deps: ActivityDeps, keys: readonly string[]): Promise<void> {
  for (let from = 0; from < keys.length; from += BATCH) {
    await deps.store.delete(keys.slice(from, from + BATCH));
    Context.current().heartbeat();
  }
}
