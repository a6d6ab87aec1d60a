import type { EntityManager } from './orm.ts';

/**
 * Disk that is promised and not filled yet.
 *
 * A run's promise is a column of its row and counts while the run is active, so that nobody has to release it. An API process
 * tells of the uploads that it is receiving in one row, which counts while it is fresh.
 */

/** Any number; all who reserve must agree on it. */
const RESERVATION_LOCK = 7_283_940_116;
/** An API process repeats its row every 10 s. */
const FRESH = `interval '45 seconds'`;

/** Lets one after the other see what is free and take of it; held until the transaction ends. */
export async function lockReservations(tx: EntityManager): Promise<void> {
  await tx.execute('select pg_advisory_xact_lock(?)', [RESERVATION_LOCK]);
}

export interface ReservedBytes {
  readonly runs: number;
  /** Of all API processes but the one that asks. */
  readonly uploads: number;
}

/**
 * What others have still to fill.
 * @param keepsMedia  the disk holds media: what a run has made since it began is part of its promise
 */
export async function sumReserved(
  em: EntityManager,
  options: {
    readonly keepsMedia: boolean;
    readonly exceptRunId?: number;
    readonly exceptProcess?: string;
  },
): Promise<ReservedBytes> {
  const rows = await em.execute<{ runs: string; uploads: string }[]>(
    `select
       (select coalesce(sum(greatest(0, run.reserved_bytes - case when ? then
           (select coalesce(sum(size_bytes), 0) from pieces
             where pieces.video_id = run.video_id and pieces.created_at >= run.started_at)
           else 0 end)), 0)
          from video_runs run where run.state = 'active' and run.reserved_bytes > 0 and run.id <> ?) as runs,
       (select coalesce(sum(reserved_bytes), 0) from open_uploads
          where seen_at > now() - ${FRESH} and process <> ?) as uploads`,
    [options.keepsMedia, options.exceptRunId ?? 0, options.exceptProcess ?? ''],
  );
  return { runs: Number(rows[0]?.runs ?? 0), uploads: Number(rows[0]?.uploads ?? 0) };
}

/** Of the bytes that a plan says are stored in the end: caps instead of what is likely, and the work in between. */
const EXPECTED_SHARE = 2.75;

/**
 * What videos will need that are uploaded and have no promise yet: those that wait for their probe (guessed: as much again), and
 * runs that found no room. Uploads leave it to them, or they would fill the disk before the first run has its room.
 * @param mostBytes  a video that needs more than this could not go on anyway, and stops nobody
 */
export async function sumExpected(em: EntityManager, mostBytes: number): Promise<number> {
  const rows = await em.execute<{ bytes: string }[]>(
    `select coalesce(sum(needed), 0) as bytes from (
       select coalesce((run.plan -> 'estimate' ->> 'storedBytes')::numeric * ${EXPECTED_SHARE}, original_size_bytes) as needed
         from videos left join video_runs run on run.video_id = videos.id and run.state = 'active'
        where deleted_at is null and (run.id is not null or videos.status = 'pending') and run.reserved_bytes is null
     ) expected where needed <= ?`,
    [Math.floor(mostBytes)],
  );
  return Number(rows[0]?.bytes ?? 0);
}

/** Makes a run's promise; needs the video's lock, and `lockReservations`. */
export async function reserveForRun(
  tx: EntityManager,
  runId: number,
  bytes: number,
): Promise<void> {
  await tx.execute('update video_runs set reserved_bytes = ? where id = ?', [bytes, runId], 'run');
}

/** Tells what the uploads of an API process have still to fill, all together. */
export async function reserveForUploads(
  em: EntityManager,
  process: string,
  bytes: number,
): Promise<void> {
  await em.execute(
    `insert into open_uploads (process, reserved_bytes) values (?, ?)
       on conflict (process) do update set reserved_bytes = excluded.reserved_bytes, seen_at = now()`,
    [process, bytes],
    'run',
  );
  await em.execute(`delete from open_uploads where seen_at < now() - 10 * ${FRESH}`, [], 'run');
}
