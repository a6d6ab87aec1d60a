import type { VideoId } from '../domain/ids.ts';
import type { RetentionAction, RetentionCutoffs, RetentionReason } from '../domain/retention.ts';
import type { EntityManager } from './orm.ts';
import { IS_LEFT_OVER } from './pieces.ts';
import { ORIGINAL_IS_DUE } from './retention.ts';

/** What would go now, by the very conditions by which it goes. */

export interface DueAction {
  readonly action: RetentionAction;
  readonly reason: RetentionReason;
  /** That would be free afterwards; equal files of a video count once. */
  readonly bytes: number;
}

/** A video that would lose something, or go itself. */
export interface DueVideo {
  readonly videoId: VideoId;
  readonly title: string;
  readonly ownerId: number;
  readonly uploadedAt: Date;
  readonly actions: readonly DueAction[];
}

/** Of all videos together. */
export interface DueTotal {
  readonly action: RetentionAction;
  readonly videos: number;
  readonly bytes: number;
}

/** By video id. */
export async function listDueVideos(
  em: EntityManager,
  cutoffs: RetentionCutoffs,
  page: { readonly afterId: number; readonly limit: number },
): Promise<readonly DueVideo[]> {
  const rows = await em.execute<
    {
      id: number;
      title: string;
      owner_id: number;
      created_at: Date | string;
      actions: DueAction[];
    }[]
  >(
    `with ${DUE} select v.id, v.title, v.owner_id, v.created_at,
        json_agg(json_build_object('action', action, 'reason', reason, 'bytes', bytes) order by action) as actions
       from due join videos v on v.id = due.video_id
      where v.id > ? group by v.id order by v.id limit ?`,
    [...values(cutoffs), page.afterId, page.limit],
  );
  return rows.map((row) => ({
    videoId: row.id as VideoId,
    title: row.title,
    ownerId: row.owner_id,
    uploadedAt: new Date(row.created_at),
    actions: row.actions,
  }));
}

export async function sumDueActions(
  em: EntityManager,
  cutoffs: RetentionCutoffs,
): Promise<readonly DueTotal[]> {
  const rows = await em.execute<{ action: RetentionAction; videos: number; bytes: string }[]>(
    `with ${DUE} select action, count(*)::int as videos, sum(bytes) as bytes from due group by action order by action`,
    values(cutoffs),
  );
  return rows.map((row) => ({ ...row, bytes: Number(row.bytes) }));
}

function values({ videosBefore, originalsBefore, piecesBefore }: RetentionCutoffs) {
  return [videosBefore, originalsBefore, piecesBefore];
}

/** A video that is deleted loses nothing else beside. An original that a version is made of frees nothing. */
const DUE = `expired as (
    select id from videos where deleted_at is null and created_at < ?::timestamptz),
  due(video_id, action, reason, bytes) as (
    select e.id, 'delete-video', 'delete-videos-after-days', coalesce((
        select sum(size_bytes) from (
          select sha256, size_bytes from video_streams s where s.video_id = e.id
          union select original_sha256, original_size_bytes from videos o where o.id = e.id and o.original_available
        ) as files), 0)::bigint
      from expired e
    union all
    select v.id, 'remove-original',
        case when v.original_removal_due_at is null then 'keep-original-days' else 'keep-original' end,
        case when exists (select 1 from video_streams s where s.object_key = 'videos/original/' || v.stored_name)
          then 0 else v.original_size_bytes end
      from videos v where ${ORIGINAL_IS_DUE} and v.id not in (select id from expired)
    union all
    select pieces.video_id, 'remove-pieces', 'work-retention-days', sum(pieces.size_bytes)::bigint
      from pieces join videos v on v.id = pieces.video_id and v.deleted_at is null
     where pieces.created_at < ? and ${IS_LEFT_OVER} and pieces.video_id not in (select id from expired)
     group by pieces.video_id)`;
