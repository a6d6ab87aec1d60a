import type { EntityManager } from './orm.ts';
import { listPublishedMedia, type PublishedMedia } from './published.ts';
import { findCurrentRuns, type RunRecord } from './run-views.ts';
import type { VideoRecord } from './videos.ts';

/** A video with all that is shown of it. */
export interface VideoFacts extends PublishedMedia {
  readonly video: VideoRecord;
  /** The active one, else the newest. */
  readonly run: RunRecord | null;
}

/** Gathers outputs and runs of these videos, in three queries whatever their number. */
export async function gatherVideoFacts(
  em: EntityManager,
  videos: readonly VideoRecord[],
): Promise<readonly VideoFacts[]> {
  if (videos.length === 0) return [];
  const media = await listPublishedMedia(em, videos);
  const runs = await findCurrentRuns(
    em,
    videos.map((video) => video.id),
  );
  return videos.map((video) => ({
    video,
    streams: media.get(video.id)?.streams ?? [],
    thumbnails: media.get(video.id)?.thumbnails ?? [],
    run: runs.find((run) => run.videoId === video.id) ?? null,
  }));
}
