import { listPendingWishes, type Wish } from '../db/picture-wishes.ts';
import { findVideosWithWishes } from '../db/reconcile.ts';
import { findVideo } from '../db/videos.ts';
import type { ReconcilePageResult } from '../domain/reconcile-report.ts';
import type { PictureTasks, ReconcilePage, VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { eachLimited } from './each-limited.ts';
import { giveUp } from './picture-work.ts';
import { toResult, toRowPage } from './reconcile-page.ts';

/** Younger wishes are being started by whoever made them. */
const STARTING_SECONDS = 30;

/** The pictures of a video that are asked for and not there; none where the video is gone. */
export async function listPictures(
  deps: ActivityDeps,
  { videoId }: VideoRef,
): Promise<PictureTasks> {
  return deps.database.run(async (em) => {
    const video = await findVideo(em, videoId);
    const wishes = video === undefined ? [] : await listPendingWishes(em, videoId);
    return {
      ownerId: video?.ownerId ?? 0,
      priority: video?.priority ?? 'normal',
      timeoutSeconds: deps.settings.timeoutSeconds,
      tasks: wishes.map((wish) => ({ wishId: wish.id, text: describe(wish) })),
    };
  });
}

function describe({ kind, atSeconds }: Wish): string {
  return kind === 'own-poster' ? 'poster from an upload' : `${kind} at ${atSeconds} s`;
}

/** Gives up what is still asked for: an operator has stopped the workflow. */
export async function dropPictures(
  deps: ActivityDeps,
  { videoId }: VideoRef,
): Promise<{ dropped: number }> {
  const wishes = await deps.database.run((em) => listPendingWishes(em, videoId));
  for (const wish of wishes) {
    await giveUp(deps, wish.id, { code: 'cancelled', detail: 'Making the picture was cancelled.' });
  }
  return { dropped: wishes.length };
}

/** Tells the workflows of videos whose pictures nobody makes: Temporal was away when they were asked for. */
export async function startPendingPictures(
  deps: ActivityDeps,
  page: ReconcilePage,
): Promise<ReconcilePageResult> {
  const waiting = await deps.database.run((em) =>
    findVideosWithWishes(em, { ...toRowPage(page), olderThanSeconds: STARTING_SECONDS }),
  );
  let started = 0;
  await eachLimited(waiting, 4, async (video) => {
    if (await deps.workflows.startPictures(video)) started += 1;
  });
  return toResult(
    page,
    waiting.map(({ id }) => id),
    { picturesStarted: started },
  );
}
