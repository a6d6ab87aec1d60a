import type { VideoId } from '../domain/ids.ts';
import { originalKey } from '../domain/object-keys.ts';
import type { RetentionReason } from '../domain/retention.ts';
import type { EntityManager } from './orm.ts';
import { lockVideo } from './runs.ts';

/** What goes because it is old, or was not to be kept. Every list is only a hint: whoever acts asks again in the statement that acts. */

/**
 * Of a video `v`, with one value, the moment before which originals go: its original may be replaced. Not while a run may read it.
 */
export const ORIGINAL_IS_DUE = `v.deleted_at is null and v.status = 'completed' and v.original_available
  and (v.original_removal_due_at is not null or v.completed_at < ?::timestamptz)
  and not exists (select 1 from video_runs r where r.video_id = v.id and r.state = 'active')`;

/** An original that is to go, and what takes its place. */
export interface DueOriginal {
  readonly videoId: VideoId;
  readonly reason: RetentionReason;
  readonly originalKey: string;
  readonly originalSizeBytes: number;
  readonly processed: {
    readonly version: number;
    readonly objectKey: string;
    readonly sizeBytes: number;
    readonly sha256: string;
  };
}

/** Videos whose originals are to go, by id. */
export async function listDueOriginals(
  em: EntityManager,
  before: Date | null,
  page: { readonly afterId: number; readonly limit: number },
): Promise<readonly VideoId[]> {
  const rows = await em.execute<{ id: number }[]>(
    `select v.id from videos v where ${ORIGINAL_IS_DUE} and v.id > ? order by v.id limit ?`,
    [before, page.afterId, page.limit],
  );
  return rows.map(({ id }) => id as VideoId);
}

/** @returns undefined where the original is to stay, or gone, or nothing could take its place */
export async function findDueOriginal(
  em: EntityManager,
  videoId: VideoId,
  before: Date | null,
): Promise<DueOriginal | undefined> {
  const [row] = await em.execute<
    {
      reason: RetentionReason;
      stored_name: string;
      original_size_bytes: string;
      version: number;
      object_key: string;
      size_bytes: string;
      sha256: string;
    }[]
  >(
    `select case when v.original_removal_due_at is null then 'keep-original-days' else 'keep-original' end as reason,
        v.stored_name, v.original_size_bytes, v.version, s.object_key, s.size_bytes, s.sha256
       from videos v
       join video_streams s on s.video_id = v.id and s.version = v.version and s.output = 'processed'
      where v.id = ? and ${ORIGINAL_IS_DUE}`,
    [videoId, before],
  );
  if (row === undefined) return undefined;
  return {
    videoId,
    reason: row.reason,
    originalKey: originalKey(row.stored_name),
    originalSizeBytes: Number(row.original_size_bytes),
    processed: {
      version: row.version,
      objectKey: row.object_key,
      sizeBytes: Number(row.size_bytes),
      sha256: row.sha256,
    },
  };
}

/**
 * Puts the processed version in the place of the original, if that is still to go and the version is the one that was looked at.
 * From here on the video's row no longer keeps the original's object.
 * @returns whether it was
 */
export async function giveUpOriginal(
  tx: EntityManager,
  { videoId, processed }: DueOriginal,
  before: Date | null,
): Promise<boolean> {
  // A run that is being claimed holds the row: only then can it be seen whether there is one.
  if ((await lockVideo(tx, videoId)) === undefined) return false;
  const rows = await tx.execute<{ id: number }[]>(
    `update videos v set original_available = false, updated_at = now(),
        original_removal_due_at = coalesce(v.original_removal_due_at, now())
      where v.id = ? and ${ORIGINAL_IS_DUE} and v.version = ?
        and exists (select 1 from video_streams s
                     where s.video_id = v.id and s.version = v.version and s.output = 'processed' and s.object_key = ? and s.sha256 = ?)
     returning v.id`,
    [videoId, before, processed.version, processed.objectKey, processed.sha256],
  );
  return rows.length > 0;
}

/** Originals that were given up and may still have an object that nothing else is made of, by id. */
export async function listGivenUpOriginals(
  em: EntityManager,
  page: { readonly afterId: number; readonly limit: number },
): Promise<readonly { readonly videoId: VideoId; readonly objectKey: string }[]> {
  const rows = await em.execute<{ id: number; stored_name: string }[]>(
    `select v.id, v.stored_name from videos v
      where v.original_removal_due_at is not null and v.original_removed_at is null and not v.original_available
        and not exists (select 1 from video_streams s where s.object_key = 'videos/original/' || v.stored_name)
        and v.id > ? order by v.id limit ?`,
    [page.afterId, page.limit],
  );
  return rows.map((row) => ({
    videoId: row.id as VideoId,
    objectKey: originalKey(row.stored_name),
  }));
}

/** Notes that a given-up original's object is gone. */
export async function noteOriginalRemoved(em: EntityManager, videoId: VideoId): Promise<void> {
  await em.execute(
    `update videos set original_removed_at = now()
      where id = ? and not original_available and original_removed_at is null`,
    [videoId],
    'run',
  );
}

/** Marks videos that were uploaded before a moment as deleted, which hides them; some at a time, oldest id first. */
export async function markExpiredVideos(
  em: EntityManager,
  before: Date,
  limit: number,
): Promise<readonly { readonly videoId: VideoId; readonly uploadedAt: string }[]> {
  const rows = await em.execute<{ id: number; created_at: Date | string }[]>(
    `update videos set deleted_at = now()
      where deleted_at is null and created_at < ?
        and id in (select id from videos where deleted_at is null and created_at < ? order by id limit ? for update skip locked)
     returning id, created_at`,
    [before, before, limit],
  );
  return rows.map((row) => ({
    videoId: row.id as VideoId,
    uploadedAt: new Date(row.created_at).toISOString(),
  }));
}
