import type { VideoId } from '../domain/ids.ts';
import type { Priority } from '../domain/video.ts';
import type { EntityManager } from './orm.ts';

/**
 * What reconcile looks for. Every answer is only a hint: whoever acts checks again in the statement that acts.
 *
 * Of a video that waits: what a start needs to know of it.
 */
interface StartableVideo {
  readonly id: VideoId;
  readonly ownerId: number;
  readonly title: string;
  readonly priority: Priority;
}

/** Where a page of rows begins: behind this id. */
export interface RowPage {
  readonly afterId: number;
  readonly limit: number;
}

export interface WaitingVideo extends StartableVideo {
  /** Said to be at work, but no run is. */
  readonly isProcessing: boolean;
  /** How many of its runs have disappeared from the workflow server. */
  readonly lostRuns: number;
}

/** Videos with nothing published and no run, by id. @param olderThanSeconds leaves out those being started right now */
export async function findWaitingVideos(
  em: EntityManager,
  { afterId, limit, olderThanSeconds }: RowPage & { readonly olderThanSeconds: number },
): Promise<readonly WaitingVideo[]> {
  const rows = await em.execute<(StartableRow & { status: string; lost_runs: number })[]>(
    `select id, owner_id, title, priority, status,
        (select count(*)::int from video_runs where video_id = videos.id and state = 'lost') as lost_runs
       from videos
      where status in ('pending', 'processing') and deleted_at is null and id > ?
        and created_at < now() - make_interval(secs => ?)
        and not exists (select 1 from video_runs where video_id = videos.id and state = 'active')
      order by id limit ?`,
    [afterId, olderThanSeconds, limit],
  );
  return rows.map((row) => ({
    ...toStartable(row),
    isProcessing: row.status === 'processing',
    lostRuns: row.lost_runs,
  }));
}

/** Videos with wishes that nobody seems to work on. @param olderThanSeconds leaves out those being started right now */
export async function findVideosWithWishes(
  em: EntityManager,
  { afterId, limit, olderThanSeconds }: RowPage & { readonly olderThanSeconds: number },
): Promise<readonly StartableVideo[]> {
  const rows = await em.execute<StartableRow[]>(
    `select id, owner_id, title, priority from videos
      where deleted_at is null and id > ? and id in (
        select video_id from picture_wishes
         where failure is null and created_at < now() - make_interval(secs => ?))
      order by id limit ?`,
    [afterId, olderThanSeconds, limit],
  );
  return rows.map(toStartable);
}

interface StartableRow {
  id: number;
  owner_id: number;
  title: string;
  priority: Priority;
}

function toStartable({ id, owner_id: ownerId, title, priority }: StartableRow): StartableVideo {
  return { id: id as VideoId, ownerId, title, priority };
}

export interface OldRun {
  readonly videoId: VideoId;
  readonly workflowId: string;
  readonly runId: string;
}

/** By id. */
export async function findActiveRuns(
  em: EntityManager,
  { afterId, limit }: RowPage,
): Promise<readonly (OldRun & { readonly id: number })[]> {
  const rows = await em.execute<
    { id: number; video_id: number; workflow_id: string; run_id: string }[]
  >(
    `select id, video_id, workflow_id, run_id from video_runs
      where state = 'active' and id > ? order by id limit ?`,
    [afterId, limit],
  );
  return rows.map((row) => ({
    id: row.id,
    videoId: row.video_id as VideoId,
    workflowId: row.workflow_id,
    runId: row.run_id,
  }));
}

/** How many of a video's last runs, one after the other, have disappeared from the workflow server. */
export async function countLostRuns(em: EntityManager, videoId: VideoId): Promise<number> {
  const rows = await em.execute<{ lost: number }[]>(
    `select count(*)::int as lost from video_runs where video_id = ? and state = 'lost'
        and id > coalesce((select max(id) from video_runs
                            where video_id = ? and state not in ('lost', 'active')), 0)`,
    [videoId, videoId],
  );
  return rows[0]?.lost ?? 0;
}

/** Deleted videos whose rows are still there, by id. */
export async function findDeletedVideos(
  em: EntityManager,
  { afterId, limit }: RowPage,
): Promise<readonly VideoId[]> {
  const rows = await em.execute<{ id: number }[]>(
    `select id from videos where deleted_at is not null and id > ? order by id limit ?`,
    [afterId, limit],
  );
  return rows.map((row) => row.id as VideoId);
}

/** What a deletion needs to know of a video's tombstone; undefined when it is gone or was never deleted. */
export async function findTombstone(
  em: EntityManager,
  videoId: VideoId,
): Promise<{ readonly storedName: string; readonly activeRun: OldRun | undefined } | undefined> {
  const rows = await em.execute<
    { stored_name: string; workflow_id: string | null; run_id: string | null }[]
  >(
    `select stored_name, workflow_id, run_id from videos
       left join video_runs on video_runs.video_id = videos.id and video_runs.state = 'active'
      where videos.id = ? and deleted_at is not null`,
    [videoId],
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  const { workflow_id: workflowId, run_id: runId } = row;
  return {
    storedName: row.stored_name,
    activeRun: workflowId === null || runId === null ? undefined : { videoId, workflowId, runId },
  };
}

/** Ends the active run of a deleted video whose workflow is gone, so that nothing waits for it. */
export async function endRunOfTombstone(em: EntityManager, run: OldRun): Promise<void> {
  await em.execute(
    `update video_runs set state = 'cancelled', ended_at = now()
      where video_id = ? and workflow_id = ? and run_id = ? and state = 'active'`,
    [run.videoId, run.workflowId, run.runId],
    'run',
  );
}

/** Removes a deleted video's row with all that hangs on it. @returns false when it is gone already */
export async function removeTombstone(em: EntityManager, videoId: VideoId): Promise<boolean> {
  const rows = await em.execute<{ id: number }[]>(
    `delete from videos where id = ? and deleted_at is not null returning id`,
    [videoId],
  );
  return rows.length > 0;
}
