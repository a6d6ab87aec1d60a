import { Context } from '@temporalio/activity';
import { endRunOfTombstone, findTombstone, removeTombstone } from '../db/reconcile.ts';
import { AppError } from '../domain/errors.ts';
import { originalKey, ownedPrefixes } from '../domain/object-keys.ts';
import type { CancelForDeletion, DeletionReceipt, Orphans, VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { deleteIfUnowned } from './pieces.ts';

/** Objects between two heartbeats. */
const BATCH = 100;

/**
 * Asks the run of a deleted video to stop; one that does not is ended from outside.
 * @returns whether it is still at work; ask again until it is not
 */
export async function cancelActiveRun(
  deps: ActivityDeps,
  { videoId, insist }: CancelForDeletion,
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
    if (insist) await deps.workflows.terminateRun(run.workflowId, 'The video was deleted.');
    else await deps.workflows.cancelRun(run.workflowId);
  } catch (error) {
    // It ended in this very moment.
    if (!(error instanceof AppError) || error.code !== 'no-active-run') throw error;
  }
  return { stillActive: true };
}

/**
 * Removes the objects of a deleted video, its original among them, then its row. Idempotent; the receipt counts what attempts before
 * this one have removed, too.
 */
export async function removeVideo(
  deps: ActivityDeps,
  { videoId }: VideoRef,
): Promise<DeletionReceipt> {
  const context = Context.current();
  const before = context.info.heartbeatDetails as Removal | undefined;
  let objectsDeleted = before?.objectsDeleted ?? 0;
  const tombstone = await deps.database.run((em) => findTombstone(em, videoId));
  if (tombstone === undefined)
    return { videoId, objectsDeleted, rowDeleted: before?.isRowNext ?? false };

  const tell = (isRowNext: boolean): void =>
    context.heartbeat({ objectsDeleted, isRowNext } satisfies Removal);
  for (const prefix of ownedPrefixes(videoId)) {
    for await (const keys of inBatches(deps.store.list(prefix))) {
      await deps.store.delete(keys);
      objectsDeleted += keys.length;
      tell(false);
    }
  }
  const original = originalKey(tombstone.storedName);
  if ((await deps.store.stat(original)) !== undefined) {
    await deps.store.delete([original]);
    objectsDeleted += 1;
  }
  tell(true);
  const rowDeleted = await deps.database.run((em) => removeTombstone(em, videoId));
  deps.logger.info({ videoId, objects: objectsDeleted }, 'video removed');
  return { videoId, objectsDeleted, rowDeleted };
}

/** How far an attempt has come. */
interface Removal {
  readonly objectsDeleted: number;
  /** All objects are gone. */
  readonly isRowNext: boolean;
}

async function* inBatches(
  objects: AsyncIterable<{ readonly key: string }>,
): AsyncGenerator<readonly string[]> {
  let batch: string[] = [];
  for await (const { key } of objects) {
    batch.push(key);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
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
