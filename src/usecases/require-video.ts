import type { EntityManager } from '../db/orm.ts';
import { findVideo, type VideoRecord } from '../db/videos.ts';
import { AppError } from '../domain/errors.ts';
import type { VideoId } from '../domain/ids.ts';
import { isAdmin, type Viewer } from './viewer.ts';

/**
 * The one place that decides who may see a video: its owner and administrators.
 *
 * Another member's video and a deleted one answer exactly like one that never was.
 * @throws `video-not-found`
 */
export async function requireVideo(
  em: EntityManager,
  videoId: VideoId,
  viewer: Viewer,
): Promise<VideoRecord> {
  const video = await findVideo(em, videoId);
  if (video === undefined || !(video.ownerId === viewer.userId || isAdmin(viewer))) {
    throw new AppError('video-not-found');
  }
  return video;
}
