import type { VideoId } from '../domain/ids.ts';
import type { PictureKind } from '../domain/pictures.ts';
import type { StoryboardLayout } from '../domain/storyboard.ts';
import { isSameTime } from '../domain/thumbnail-times.ts';
import { OwnPoster, Picture } from './entities/picture.ts';
import { Thumbnail } from './entities/thumbnail.ts';
import { Video } from './entities/video.ts';
import type { ThumbnailFacts } from './outputs.ts';
import type { EntityManager } from './orm.ts';
import type { VideoRecord } from './videos.ts';

/** Storyboards, posters, and thumbnails that were added or chosen. */
export interface PictureFacts {
  readonly objectKey: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface PictureRecord extends PictureFacts {
  readonly position: number;
  readonly layout: StoryboardLayout | null;
  readonly createdAt: Date;
}

/** Replaces the storyboard of a version by these sheets. */
export async function saveStoryboard(
  tx: EntityManager,
  videoId: VideoId,
  version: number,
  {
    layout,
    sheets,
  }: { readonly layout: StoryboardLayout; readonly sheets: readonly PictureFacts[] },
): Promise<void> {
  await tx.nativeDelete(Picture, { videoId, version, kind: 'storyboard' });
  await tx.insertMany(
    Picture,
    sheets.map((facts, position) => ({
      ...pickFacts(facts),
      videoId,
      version,
      kind: 'storyboard' as const,
      position,
      layout,
    })),
  );
}

/** Enters a poster at a second; needs the video's lock. @returns false when there is one already */
export async function savePoster(
  tx: EntityManager,
  videoId: VideoId,
  place: { readonly version: number; readonly second: number },
  { objectKey, sizeBytes, sha256 }: PictureFacts,
): Promise<boolean> {
  const rows = await tx.execute<{ id: number }[]>(
    `insert into pictures (video_id, version, kind, position, object_key, size_bytes, sha256)
     values (?, ?, 'poster', ?, ?, ?, ?) on conflict (video_id, version, kind, position) do nothing
     returning id`,
    [videoId, place.version, place.second, objectKey, sizeBytes, sha256],
  );
  return rows.length > 0;
}

/** A picture of the published version, or of an older one that is not cleared away yet. */
export async function findPicture(
  em: EntityManager,
  video: VideoRecord,
  version: number,
  { kind, position }: { readonly kind: PictureKind; readonly position: number },
): Promise<PictureRecord | undefined> {
  // What the video's row says is published may have been replaced since it was read, and is served all the same.
  const old = version === video.version ? {} : { retiredAt: { $ne: null } };
  const where = { videoId: video.id, version, kind, position, ...old };
  const row = await em.findOne(Picture, where, { disableIdentityMap: true });
  return row === null ? undefined : { ...toFacts(row), layout: row.layout ?? null };
}

export async function countPosters(
  em: EntityManager,
  videoId: VideoId,
  version: number,
): Promise<number> {
  return em.count(Picture, { videoId, version, kind: 'poster' });
}

/** Which of these videos have a storyboard in their published version. */
export async function listVideosWithStoryboard(
  em: EntityManager,
  videos: readonly VideoRecord[],
): Promise<ReadonlySet<VideoId>> {
  const where = {
    videoId: { $in: videos.map(({ id }) => id) },
    kind: 'storyboard' as const,
    position: 0,
    retiredAt: null,
  };
  const fields = ['videoId', 'version'] as const;
  const rows = await em.find(Picture, where, { fields, disableIdentityMap: true });
  const published = videos.filter((video) =>
    rows.some((row) => row.videoId === video.id && row.version === video.version),
  );
  return new Set(published.map(({ id }) => id));
}

export interface OwnPosterRecord extends PictureFacts {
  readonly videoId: VideoId;
  readonly createdAt: Date;
}

/** Of many videos in one query. */
export async function listOwnPosters(
  em: EntityManager,
  videoIds: readonly VideoId[],
): Promise<readonly OwnPosterRecord[]> {
  const where = { videoId: { $in: [...videoIds] } };
  const rows = await em.find(OwnPoster, where, { disableIdentityMap: true });
  return rows.map((row) => ({
    videoId: row.videoId as VideoId,
    objectKey: row.objectKey,
    sizeBytes: row.sizeBytes,
    sha256: row.sha256,
    createdAt: row.createdAt,
  }));
}

/** Makes a picture the video's own poster; needs the video's lock. @returns the key of the one before, which may go */
export async function replaceOwnPoster(
  tx: EntityManager,
  videoId: VideoId,
  facts: PictureFacts,
): Promise<readonly string[]> {
  const replaced = await removeOwnPoster(tx, videoId);
  await tx.insert(OwnPoster, { ...pickFacts(facts), videoId });
  return replaced;
}

/** @returns the key of its object, which may go */
export async function removeOwnPoster(
  tx: EntityManager,
  videoId: VideoId,
): Promise<readonly string[]> {
  const rows = await tx.execute<{ object_key: string }[]>(
    `delete from own_posters where video_id = ? returning object_key`,
    [videoId],
  );
  return rows.map((row) => row.object_key);
}

/**
 * Adds a thumbnail to a version, at the end of its list; needs the video's lock.
 * @returns false when there is one of that time already
 */
export async function addThumbnail(
  tx: EntityManager,
  videoId: VideoId,
  version: number,
  facts: ThumbnailFacts,
): Promise<boolean> {
  const rows = await tx.find(Thumbnail, { videoId, version }, { disableIdentityMap: true });
  if (rows.some((row) => isSameTime(row.timestampSeconds, facts.timestampSeconds))) return false;
  await tx.insert(Thumbnail, {
    ...pickFacts(facts),
    timestampSeconds: facts.timestampSeconds,
    videoId,
    version,
    position: 1 + Math.max(-1, ...rows.map(({ position }) => position)),
    isDefault: rows.length === 0,
    isAdded: true,
  });
  return true;
}

/** The thumbnail that stands for the video from now on, in this version and in those to come. */
export async function chooseThumbnail(
  em: EntityManager,
  videoId: VideoId,
  timestampSeconds: number,
): Promise<void> {
  await em.nativeUpdate(
    Video,
    { id: videoId, deletedAt: null },
    { defaultThumbnailSeconds: timestampSeconds, updatedAt: new Date() },
  );
}

/** Times of the thumbnails that people have added or chosen: a new version has them as well. */
export async function listKeptTimes(
  em: EntityManager,
  videoId: VideoId,
): Promise<readonly number[]> {
  return (await listKept(em, videoId)).map(({ timestampSeconds }) => timestampSeconds);
}

/**
 * Takes over what was added or chosen while the version that now goes live was already made; needs the video's lock, and the old
 * version must still be the published one.
 */
export async function carryThumbnails(
  tx: EntityManager,
  videoId: VideoId,
  toVersion: number,
): Promise<void> {
  for (const row of await listKept(tx, videoId)) {
    if (row.version === toVersion) continue;
    await addThumbnail(tx, videoId, toVersion, row);
  }
}

async function listKept(em: EntityManager, videoId: VideoId): Promise<readonly Thumbnail[]> {
  const video = await em.findOne(Video, { id: videoId }, { disableIdentityMap: true });
  if (video === null || (video.version ?? null) === null) return [];
  const rows = await em.find(
    Thumbnail,
    { videoId, version: video.version as number },
    { orderBy: { position: 'asc' }, disableIdentityMap: true },
  );
  const chosen = video.defaultThumbnailSeconds ?? null;
  return rows.filter(
    (row) => row.isAdded || (chosen !== null && isSameTime(row.timestampSeconds, chosen)),
  );
}

function toFacts(row: Picture): Omit<PictureRecord, 'layout'> {
  const { position, objectKey, sizeBytes, sha256, createdAt } = row;
  return { position, objectKey, sizeBytes, sha256, createdAt };
}

function pickFacts({ objectKey, sizeBytes, sha256 }: PictureFacts): PictureFacts {
  return { objectKey, sizeBytes, sha256 };
}
