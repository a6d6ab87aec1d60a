import { findVideosWithRetired, removeRetired } from '../db/outputs.ts';
import {
  findVideosWithExpired,
  forgetUnnamedOutputs,
  removeExpiredPieces as takeOutExpired,
} from '../db/pieces.ts';
import { findActiveRun, lockVideo } from '../db/runs.ts';
import type { EntityManager } from '../db/orm.ts';
import type { VideoId } from '../domain/ids.ts';
import { retentionCutoffs } from '../domain/retention.ts';
import type { ReconcilePageResult } from '../domain/reconcile-report.ts';
import type { ReconcilePage } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { eachLimited } from './each-limited.ts';
import { deleteIfUnowned } from './pieces.ts';
import { toResult, toRowPage } from './reconcile-page.ts';

/** Removes versions that have been replaced for longer than their grace. */
export async function removeRetiredVersions(
  deps: ActivityDeps,
  page: ReconcilePage,
): Promise<ReconcilePageResult> {
  const before = new Date(Date.now() - deps.settings.oldVersionGraceSeconds * 1000);
  const videoIds = await deps.database.run((em) =>
    findVideosWithRetired(em, { ...toRowPage(page), before }),
  );
  return takeOut(deps, page, videoIds, async (tx, videoId) => {
    const keys = await removeRetired(tx, videoId, before);
    await forgetUnnamedOutputs(tx, videoId, keys);
    return keys;
  });
}

/** Removes finished pieces of failed runs that nobody went on with in time. */
export async function removeExpiredPieces(
  deps: ActivityDeps,
  page: ReconcilePage,
): Promise<ReconcilePageResult> {
  const { piecesBefore: before } = retentionCutoffs(deps.settings, new Date());
  const videoIds = await deps.database.run((em) =>
    findVideosWithExpired(em, { ...toRowPage(page), before }),
  );
  return takeOut(deps, page, videoIds, async (tx, videoId) => {
    const keys = await takeOutExpired(tx, videoId, before);
    deps.logger.info(
      { videoId, pieces: keys.length, reason: 'work-retention-days' },
      'pieces of a failed run removed',
    );
    return keys;
  });
}

/** Rows first, then their objects: what a crash leaves between the two is found as an object without an owner. */
async function takeOut(
  deps: ActivityDeps,
  page: ReconcilePage,
  videoIds: readonly VideoId[],
  remove: (tx: EntityManager, videoId: VideoId) => Promise<readonly string[]>,
): Promise<ReconcilePageResult> {
  let objectsDeleted = 0;
  await eachLimited(videoIds, 1, async (videoId) => {
    const keys = await deps.database.transact(async (tx) => {
      if ((await lockVideo(tx, videoId)) === undefined) return [];
      // A run may be about to use them again; it is not for long.
      return (await findActiveRun(tx, videoId)) === undefined ? remove(tx, videoId) : [];
    });
    objectsDeleted += await deleteIfUnowned(deps, keys);
  });
  return toResult(page, videoIds, { objectsDeleted });
}
