import { defaultThumbnailIndex } from '../domain/thumbnail-times.ts';
import type { FragmentIndex } from '../domain/fragment-index.ts';
import type { VideoId } from '../domain/ids.ts';
import type { Output } from '../domain/video.ts';
import { Thumbnail } from './entities/thumbnail.ts';
import { VideoStream } from './entities/video-stream.ts';
import type { EntityManager } from './orm.ts';

/** Everything that belongs to one version of a video. */
const OUTPUT_TABLES = ['video_streams', 'thumbnails', 'pictures'];

/** What a version of a video is made of: its streams and its thumbnails. */
export interface StreamFacts {
  readonly objectKey: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly bitrateBps: number;
  readonly durationSeconds: number;
  readonly codecs: string;
  /** Of packaged renditions. */
  readonly fragments?: FragmentIndex;
}

/** Enters one output of a version. The same output again is the same row: a step may run twice. */
export async function saveStream(
  tx: EntityManager,
  videoId: VideoId,
  version: number,
  output: Output,
  facts: StreamFacts,
): Promise<void> {
  await tx.upsert(
    VideoStream,
    { videoId, version, output, ...facts },
    { onConflictFields: ['videoId', 'version', 'output'], onConflictExcludeFields: ['createdAt'] },
  );
}

/** Takes some outputs of a version out, so that they are entered anew. */
export async function removeStreams(
  tx: EntityManager,
  videoId: VideoId,
  version: number,
  outputs: readonly Output[],
): Promise<void> {
  await tx.nativeDelete(VideoStream, { videoId, version, output: { $in: [...outputs] } });
}

export async function listStreams(
  em: EntityManager,
  videoId: VideoId,
  version: number,
): Promise<readonly (StreamFacts & { readonly output: Output })[]> {
  const rows = await em.find(VideoStream, { videoId, version }, { refresh: true });
  return rows.map(
    ({
      output,
      objectKey,
      sizeBytes,
      sha256,
      widthPx,
      heightPx,
      bitrateBps,
      durationSeconds,
      codecs,
    }) => ({
      output,
      objectKey,
      sizeBytes,
      sha256,
      widthPx,
      heightPx,
      bitrateBps,
      durationSeconds,
      codecs,
    }),
  );
}

export interface ThumbnailFacts {
  readonly timestampSeconds: number;
  readonly objectKey: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * Replaces the thumbnails of a version by these; the middle one of those that were planned is the default.
 * @param planned how many were: what follows has been added by people
 */
export async function saveThumbnails(
  tx: EntityManager,
  videoId: VideoId,
  version: number,
  thumbnails: readonly ThumbnailFacts[],
  planned: number = thumbnails.length,
): Promise<void> {
  await tx.nativeDelete(Thumbnail, { videoId, version });
  const chosen = defaultThumbnailIndex(planned);
  await tx.insertMany(
    Thumbnail,
    thumbnails.map((facts, position) => ({
      ...facts,
      videoId,
      version,
      position,
      isDefault: position === chosen,
      isAdded: position >= planned,
    })),
  );
}

/** Marks all versions but one as old: they go when their grace has passed. */
export async function retireOtherVersions(
  tx: EntityManager,
  videoId: VideoId,
  version: number,
): Promise<void> {
  for (const table of OUTPUT_TABLES) {
    await tx.execute(
      `update ${table} set retired_at = now() where video_id = ? and version <> ? and retired_at is null`,
      [videoId, version],
      'run',
    );
  }
}

/** Takes one version's rows out; returns their object keys, which may have other owners still. */
export async function removeVersion(
  tx: EntityManager,
  videoId: VideoId,
  version: number,
): Promise<readonly string[]> {
  return removeRows(tx, 'video_id = ? and version = ?', [videoId, version]);
}

/** Takes out the rows of versions that were retired before a moment; returns their object keys. */
export async function removeRetired(
  tx: EntityManager,
  videoId: VideoId,
  before: Date,
): Promise<readonly string[]> {
  return removeRows(tx, 'video_id = ? and retired_at < ?', [videoId, before]);
}

/** Videos that have something retired before a moment, by id. */
export async function findVideosWithRetired(
  em: EntityManager,
  { before, afterId, limit }: { before: Date; afterId: number; limit: number },
): Promise<readonly VideoId[]> {
  const rows = await em.execute<{ video_id: number }[]>(
    `select distinct video_id from video_streams where retired_at < ? and video_id > ? order by video_id limit ?`,
    [before, afterId, limit],
  );
  return rows.map((row) => row.video_id as VideoId);
}

async function removeRows(
  tx: EntityManager,
  where: string,
  values: unknown[],
): Promise<readonly string[]> {
  const keys: string[] = [];
  for (const table of OUTPUT_TABLES) {
    const rows = await tx.execute<{ object_key: string }[]>(
      `delete from ${table} where ${where} returning object_key`,
      values,
    );
    keys.push(...rows.map((row) => row.object_key));
  }
  return keys;
}
