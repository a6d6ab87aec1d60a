import type { FilterQuery } from '@mikro-orm/core';
import type { PlanWarning } from '../domain/plan-warnings.ts';
import type { Failure } from '../domain/failure.ts';
import type { UserId, VideoId } from '../domain/ids.ts';
import type { SkippedRendition } from '../domain/rendition-ladder.ts';
import type { Priority, Profile, VideoState, Visibility } from '../domain/video.ts';
import { Video } from './entities/video.ts';
import type { EntityManager } from './orm.ts';

/** A row of `videos`, plain. */
export interface VideoRecord {
  readonly id: VideoId;
  readonly ownerId: UserId;
  readonly title: string;
  readonly description: string;
  readonly categoryId: number | null;
  readonly tags: readonly string[];
  readonly visibility: Visibility;
  readonly profile: Profile;
  readonly priority: Priority;
  readonly thumbnailTimestamps: readonly number[] | null;
  /** What somebody has chosen to stand for the video. */
  readonly defaultThumbnailSeconds: number | null;
  readonly status: VideoState;
  readonly storedName: string;
  readonly originalFileName: string;
  readonly originalContentType: string;
  readonly originalSizeBytes: number;
  readonly originalSha256: string;
  readonly originalAvailable: boolean;
  readonly durationSeconds: number | null;
  readonly widthPx: number | null;
  readonly heightPx: number | null;
  readonly frameRate: number | null;
  readonly version: number | null;
  readonly skipped: readonly SkippedRendition[];
  readonly warnings: readonly PlanWarning[];
  readonly failure: Failure | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly completedAt: Date | null;
}

/** What an upload knows of its video. */
export interface NewVideo {
  readonly ownerId: number;
  readonly title: string;
  readonly description: string;
  readonly categoryId: number | null;
  readonly tags: readonly string[];
  readonly visibility: Visibility;
  readonly profile: Profile;
  readonly priority: Priority;
  readonly thumbnailTimestamps: readonly number[] | null;
  readonly storedName: string;
  readonly originalFileName: string;
  readonly originalContentType: string;
  readonly originalSizeBytes: number;
  readonly originalSha256: string;
  /** When the upload arrived; now if left out. */
  readonly createdAt?: Date;
}

/**
 * Makes the row of an upload, state `pending`. Idempotent by `storedName`: a second call changes nothing, also where the
 * video was deleted meanwhile.
 * @returns undefined when the row was there already
 */
export async function insertVideo(
  em: EntityManager,
  video: NewVideo,
): Promise<VideoId | undefined> {
  const { createdAt, ...columns } = video;
  const created = createdAt === undefined ? {} : { createdAt, updatedAt: createdAt };
  const rows = await em
    .createQueryBuilder(Video)
    .insert({ ...columns, ...created, tags: [...video.tags] })
    .onConflict('storedName')
    .ignore()
    .returning('id')
    .execute<{ id: number }[]>('all');
  return rows[0]?.id as VideoId | undefined;
}

/** @returns undefined when there is none, or it was deleted */
export async function findVideo(em: EntityManager, id: VideoId): Promise<VideoRecord | undefined> {
  const video = await em.findOne(Video, { id, deletedAt: null }, { disableIdentityMap: true });
  return video === null ? undefined : toRecord(video);
}

/** Also a deleted one's id: the tombstone keeps a late manifest from coming back. */
export async function findVideoIdByStoredName(
  em: EntityManager,
  storedName: string,
): Promise<VideoId | undefined> {
  const video = await em.findOne(
    Video,
    { storedName },
    { fields: ['id'], disableIdentityMap: true },
  );
  return video?.id as VideoId | undefined;
}

export interface VideoFilter {
  /** Undefined: everybody's. */
  readonly ownerId: number | undefined;
  readonly status: VideoState | undefined;
  readonly categoryId: number | undefined;
  readonly tag: string | undefined;
  /** Looked for in title and description, whatever the case. */
  readonly text: string | undefined;
  /** Only videos older than this one. */
  readonly beforeId: number | undefined;
}

/** Newest first. */
export async function listVideos(
  em: EntityManager,
  filter: VideoFilter,
  limit: number,
): Promise<readonly VideoRecord[]> {
  const where: FilterQuery<Video>[] = [{ deletedAt: null }];
  if (filter.ownerId !== undefined) where.push({ ownerId: filter.ownerId });
  if (filter.status !== undefined) where.push({ status: filter.status });
  if (filter.categoryId !== undefined) where.push({ categoryId: filter.categoryId });
  if (filter.tag !== undefined) where.push({ tags: { $contains: [filter.tag] } });
  if (filter.beforeId !== undefined) where.push({ id: { $lt: filter.beforeId } });
  if (filter.text !== undefined) {
    const pattern = `%${filter.text.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
    where.push({ $or: [{ title: { $ilike: pattern } }, { description: { $ilike: pattern } }] });
  }
  const videos = await em.find(
    Video,
    { $and: where },
    { orderBy: { id: 'desc' }, limit, disableIdentityMap: true },
  );
  return videos.map(toRecord);
}

/** Which of these videos are there and belong to this owner. */
export async function filterOwnedVideos(
  em: EntityManager,
  ids: readonly number[],
  ownerId: number,
): Promise<readonly number[]> {
  const where = { id: { $in: [...ids] }, ownerId, deletedAt: null };
  const videos = await em.find(Video, where, { fields: ['id'], disableIdentityMap: true });
  return videos.map((video) => video.id);
}

/** What people may change of a video. */
export interface VideoChanges {
  readonly title?: string;
  readonly description?: string;
  readonly categoryId?: number | null;
  readonly tags?: readonly string[];
}

export async function updateVideo(
  em: EntityManager,
  id: VideoId,
  changes: VideoChanges,
): Promise<void> {
  const { tags, ...columns } = changes;
  const values = {
    ...columns,
    ...(tags === undefined ? {} : { tags: [...tags] }),
    updatedAt: new Date(),
  };
  await em.nativeUpdate(Video, { id, deletedAt: null }, values);
}

/** Hides a video from everybody, in one statement. @returns false when it was deleted before */
export async function markVideoDeleted(em: EntityManager, id: VideoId, at: Date): Promise<boolean> {
  return (await em.nativeUpdate(Video, { id, deletedAt: null }, { deletedAt: at })) > 0;
}

function toRecord(video: Video): VideoRecord {
  return {
    id: video.id as VideoId,
    ownerId: video.ownerId as UserId,
    title: video.title,
    description: video.description,
    categoryId: video.categoryId ?? null,
    tags: [...video.tags],
    visibility: video.visibility,
    profile: video.profile,
    priority: video.priority,
    thumbnailTimestamps: video.thumbnailTimestamps ?? null,
    defaultThumbnailSeconds: video.defaultThumbnailSeconds ?? null,
    status: video.status,
    storedName: video.storedName,
    originalFileName: video.originalFileName,
    originalContentType: video.originalContentType,
    originalSizeBytes: video.originalSizeBytes,
    originalSha256: video.originalSha256,
    originalAvailable: video.originalAvailable,
    durationSeconds: video.durationSeconds ?? null,
    widthPx: video.widthPx ?? null,
    heightPx: video.heightPx ?? null,
    frameRate: video.frameRate ?? null,
    version: video.version ?? null,
    skipped: video.skipped,
    warnings: video.warnings,
    failure: video.failure ?? null,
    createdAt: video.createdAt,
    updatedAt: video.updatedAt,
    completedAt: video.completedAt ?? null,
  };
}
