import type { EntityManager } from './orm.ts';
import { listShownWishes, type Wish } from './picture-wishes.ts';
import { listOwnPosters, listVideosWithStoryboard } from './pictures.ts';
import { listPublishedMedia, type PublishedMedia } from './published.ts';
import { findCurrentRuns, type RunRecord } from './run-views.ts';
import type { VideoRecord } from './videos.ts';

/** A video with all that is shown of it. */
export interface VideoFacts extends PublishedMedia {
  readonly video: VideoRecord;
  /** The active one, else the newest. */
  readonly run: RunRecord | null;
  readonly hasStoryboard: boolean;
  readonly hasOwnPoster: boolean;
  /** Thumbnails and own posters that are still to be made, or cannot be. */
  readonly wishes: readonly Wish[];
}

/** Gathers outputs and runs of these videos, in a few queries whatever their number. */
export async function gatherVideoFacts(
  em: EntityManager,
  videos: readonly VideoRecord[],
): Promise<readonly VideoFacts[]> {
  if (videos.length === 0) return [];
  const media = await listPublishedMedia(em, videos);
  const ids = videos.map((video) => video.id);
  const runs = await findCurrentRuns(em, ids);
  const withStoryboard = await listVideosWithStoryboard(em, videos);
  const withPoster = new Set((await listOwnPosters(em, ids)).map(({ videoId }) => videoId));
  const wishes = await listShownWishes(em, ids);
  return videos.map((video) => ({
    video,
    streams: media.get(video.id)?.streams ?? [],
    thumbnails: media.get(video.id)?.thumbnails ?? [],
    run: runs.find((run) => run.videoId === video.id) ?? null,
    hasStoryboard: withStoryboard.has(video.id),
    hasOwnPoster: withPoster.has(video.id),
    wishes: wishes.filter(({ videoId }) => videoId === video.id),
  }));
}
