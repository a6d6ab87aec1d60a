import { Context } from '@temporalio/activity';
import {
  type DueOriginal,
  findDueOriginal,
  giveUpOriginal,
  listDueOriginals,
  listGivenUpOriginals,
  markExpiredVideos,
  noteOriginalRemoved,
} from '../db/retention.ts';
import { AppError } from '../domain/errors.ts';
import type { VideoId } from '../domain/ids.ts';
import { retentionCutoffs } from '../domain/retention.ts';
import type { OriginalOutcome, ReplacedPage, VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { deleteIfUnowned } from './pieces.ts';

/** Rows that are looked at in one go. */
const BATCH = 100;
/** A page of originals ends here, so that what was done is known to the workflow. */
const PAGE_MS = 10 * 60_000;
const HEARTBEAT_EVERY_MS = 2_000;

/**
 * Removes a video's original where it is not to be kept. Idempotent.
 *
 * The processed version is read back first, whole: it becomes the only copy. Then the row gives the original up, if nothing has
 * changed meanwhile, and then its object goes; where the processed version is that very object, it stays as that.
 * @throws `storage-object-missing` when the processed version is not what was checked; the original stays
 */
export function replaceOriginal(
  deps: ActivityDeps,
  { videoId }: VideoRef,
): Promise<OriginalOutcome> {
  return heartbeating(() => replaceOne(deps, videoId));
}

/** Replaces some of the originals that are due, by id. What cannot be replaced now is logged and left for the next time. */
export function replaceOriginals(
  deps: ActivityDeps,
  { afterId }: { readonly afterId: number },
): Promise<ReplacedPage> {
  return heartbeating(async () => {
    const { originalsBefore } = retentionCutoffs(deps.settings, new Date());
    const page = { afterId, limit: BATCH };
    const ids = await deps.database.run((em) => listDueOriginals(em, originalsBefore, page));
    const endAt = performance.now() + PAGE_MS;
    let replaced = 0;
    let failed = 0;
    for (const videoId of ids) {
      Context.current().cancellationSignal.throwIfAborted();
      const outcome = await replaceOne(deps, videoId).catch((error: unknown) => leave(deps, error));
      if (outcome === 'failed') failed += 1;
      else if (outcome.replaced) replaced += 1;
      if (performance.now() > endAt) return { replaced, failed, nextId: videoId };
    }
    return { replaced, failed, nextId: ids.length === BATCH ? (ids.at(-1) ?? null) : null };
  });
}

/** A store or an object that is in trouble must not keep the others from their turn. */
function leave(deps: ActivityDeps, error: unknown): 'failed' {
  const code = error instanceof AppError ? error.code : undefined;
  if (code !== 'storage-object-missing' && code !== 'storage-unavailable') throw error;
  deps.logger.error({ errorCode: code, err: error }, 'an original could not be replaced');
  return 'failed';
}

async function replaceOne(deps: ActivityDeps, videoId: VideoId): Promise<OriginalOutcome> {
  const { originalsBefore } = retentionCutoffs(deps.settings, new Date());
  const due = await deps.database.run((em) => findDueOriginal(em, videoId, originalsBefore));
  if (due === undefined) return { replaced: false };
  await readBack(deps, due);
  const isGivenUp = await deps.database.transact((tx) => giveUpOriginal(tx, due, originalsBefore));
  if (!isGivenUp) return { replaced: false };
  const { reason, originalSizeBytes } = due;
  const isRemoved = await removeObject(deps, videoId, due.originalKey);
  deps.logger.info(
    { videoId, reason, freedBytes: isRemoved ? originalSizeBytes : 0 },
    'original replaced by the processed version',
  );
  return { replaced: true };
}

async function readBack(deps: ActivityDeps, due: DueOriginal): Promise<void> {
  const { objectKey, sizeBytes, sha256 } = due.processed;
  if (objectKey === due.originalKey) return;
  const found = await deps.store.checksum(objectKey, Context.current().cancellationSignal);
  if (found.sizeBytes === sizeBytes && found.sha256 === sha256) return;
  throw new AppError('storage-object-missing', {
    detail: 'The processed version is not what was stored; the original stays.',
    videoId: due.videoId,
    objectKey,
    sizeBytes,
    foundBytes: found.sizeBytes,
  });
}

/** Removes the objects of originals that were given up: a crash came in between, or a version that was made of one has gone since. */
export async function removeGivenUpOriginals(deps: ActivityDeps): Promise<{ removed: number }> {
  let removed = 0;
  for (let afterId = 0; ;) {
    const page = { afterId, limit: BATCH };
    const originals = await deps.database.run((em) => listGivenUpOriginals(em, page));
    for (const { videoId, objectKey } of originals) {
      Context.current().heartbeat();
      if (await removeObject(deps, videoId, objectKey)) removed += 1;
    }
    const last = originals.at(-1);
    if (last === undefined) return { removed };
    afterId = last.videoId;
  }
}

/** @returns false where something else is made of the object */
async function removeObject(
  deps: ActivityDeps,
  videoId: VideoId,
  objectKey: string,
): Promise<boolean> {
  if ((await deleteIfUnowned(deps, [objectKey])) === 0) return false;
  await deps.database.run((em) => noteOriginalRemoved(em, videoId));
  return true;
}

/** Deletes some of the videos that are too old: hidden at once, removed as when somebody deletes them. */
export async function deleteExpiredVideos(
  deps: ActivityDeps,
): Promise<{ deleted: number; isLast: boolean }> {
  const { videosBefore } = retentionCutoffs(deps.settings, new Date());
  if (videosBefore === null) return { deleted: 0, isLast: true };
  const videos = await deps.database.run((em) => markExpiredVideos(em, videosBefore, BATCH));
  for (const { videoId, uploadedAt } of videos) {
    Context.current().heartbeat();
    const removalStarted = await deps.workflows.startDelete(videoId);
    const reason = 'delete-videos-after-days';
    deps.logger.info({ videoId, reason, uploadedAt, removalStarted }, 'video deleted');
  }
  return { deleted: videos.length, isLast: videos.length < BATCH };
}

async function heartbeating<T>(work: () => Promise<T>): Promise<T> {
  const context = Context.current();
  const heart = setInterval(() => context.heartbeat(), HEARTBEAT_EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(heart);
  }
}
