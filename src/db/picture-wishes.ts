import type { Failure } from '../domain/failure.ts';
import type { VideoId } from '../domain/ids.ts';
import type { WishKind } from '../domain/pictures.ts';
import { PictureWish } from './entities/picture.ts';
import type { EntityManager } from './orm.ts';
import type { AttemptEnd } from './pieces.ts';

/**
 * Pictures that people have asked for.
 *
 * A wish is written before its workflow is told, so that nothing is forgotten; whoever has made the picture takes the wish out in
 * the transaction that enters it. One that cannot be made stays with its failure until it is asked for again.
 */
export interface Wish {
  readonly id: number;
  readonly videoId: VideoId;
  readonly kind: WishKind;
  readonly atSeconds: number;
  readonly uploadKey: string | null;
  /** Starts in a row, this one included, that came to no end. */
  readonly unendedStarts: number;
  readonly failure: WishFailure | null;
  readonly createdAt: Date;
}

export type WishFailure = Pick<Failure, 'code' | 'detail'>;

/** Asks for a picture. One that is asked for already stays as it is; one that had failed is tried again. */
export async function addWish(
  tx: EntityManager,
  videoId: VideoId,
  kind: WishKind,
  atSeconds: number,
): Promise<void> {
  await tx.execute(
    `insert into picture_wishes (video_id, kind, at_seconds) values (?, ?, ?)
       on conflict (video_id, kind, at_seconds) do update
         set failure = null, unended_starts = 0, encoder_faults = 0, platform_fault_since = null, created_at = now()
       where picture_wishes.failure is not null`,
    [videoId, kind, atSeconds],
    'run',
  );
}

/**
 * Asks for an own poster to be made of an uploaded file; needs the video's lock. The newest file wins.
 * @returns the wish, and the key of the file that it takes the place of, which may go
 */
export async function replacePosterWish(
  tx: EntityManager,
  videoId: VideoId,
  uploadKey: string,
): Promise<{ readonly wishId: number; readonly replaced: readonly string[] }> {
  const replaced = await removePosterWish(tx, videoId);
  const rows = await tx.execute<{ id: number }[]>(
    `insert into picture_wishes (video_id, kind, at_seconds, upload_key) values (?, 'own-poster', 0, ?) returning id`,
    [videoId, uploadKey],
  );
  const wishId = rows[0]?.id;
  if (wishId === undefined) throw new Error('the wish that was just inserted is not there');
  return { wishId, replaced };
}

/** @returns the key of its file, if there was one */
export async function removePosterWish(
  tx: EntityManager,
  videoId: VideoId,
): Promise<readonly string[]> {
  const rows = await tx.execute<{ upload_key: string | null }[]>(
    `delete from picture_wishes where video_id = ? and kind = 'own-poster' returning upload_key`,
    [videoId],
  );
  return rows.flatMap(({ upload_key: key }) => (key === null ? [] : [key]));
}

export async function findWish(em: EntityManager, id: number): Promise<Wish | undefined> {
  const row = await em.findOne(PictureWish, { id }, { disableIdentityMap: true });
  return row === null ? undefined : toWish(row);
}

export async function findWishFor(
  em: EntityManager,
  videoId: VideoId,
  kind: WishKind,
  atSeconds: number,
): Promise<Wish | undefined> {
  const where = { videoId, kind, atSeconds };
  const row = await em.findOne(PictureWish, where, { disableIdentityMap: true });
  return row === null ? undefined : toWish(row);
}

/** All of a video that are not given up, oldest first. */
export async function listPendingWishes(
  em: EntityManager,
  videoId: VideoId,
): Promise<readonly Wish[]> {
  const where = { videoId, failure: null };
  const options = { orderBy: { id: 'asc' }, disableIdentityMap: true } as const;
  return (await em.find(PictureWish, where, options)).map(toWish);
}

export async function countPendingWishes(
  em: EntityManager,
  videoId: VideoId,
  kind: WishKind,
): Promise<number> {
  return em.count(PictureWish, { videoId, kind, failure: null });
}

/** Of thumbnails and own posters, whether they are being made or could not be; of many videos in one query. */
export async function listShownWishes(
  em: EntityManager,
  videoIds: readonly VideoId[],
): Promise<readonly Wish[]> {
  const where = {
    videoId: { $in: [...videoIds] },
    kind: { $in: ['thumbnail', 'own-poster'] as WishKind[] },
  };
  const options = { orderBy: { atSeconds: 'asc' }, disableIdentityMap: true } as const;
  return (await em.find(PictureWish, where, options)).map(toWish);
}

/** Counts a start before anything is done. @returns undefined when the wish is gone or given up */
export async function startWish(em: EntityManager, id: number): Promise<Wish | undefined> {
  const rows = await em.execute<{ id: number }[]>(
    `update picture_wishes set unended_starts = unended_starts + 1 where id = ? and failure is null returning id`,
    [id],
  );
  return rows.length === 0 ? undefined : findWish(em, id);
}

export interface WishCounts {
  readonly encoderFaults: number;
  readonly platformFaultSince: Date | null;
}

/** Counts the end of a start as `countEnd` does for the pieces of runs. @returns undefined when the wish is gone */
export async function endWish(
  em: EntityManager,
  id: number,
  end: Exclude<AttemptEnd, 'killed'>,
): Promise<WishCounts | undefined> {
  const rows = await em.execute<
    { encoder_faults: number; platform_fault_since: Date | string | null }[]
  >(
    `update picture_wishes set
        unended_starts = case when ? then greatest(unended_starts - 1, 0) else 0 end,
        encoder_faults = encoder_faults + case when ? then 1 else 0 end,
        platform_fault_since = case when ? then coalesce(platform_fault_since, now()) end
      where id = ?
     returning encoder_faults, platform_fault_since`,
    [end === 'waited', end === 'encoder-fault', end === 'platform-fault', id],
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  const since = row.platform_fault_since;
  return {
    encoderFaults: row.encoder_faults,
    platformFaultSince: since === null ? null : new Date(since),
  };
}

/** @returns false when the wish has gone meanwhile: taken back, replaced, or made by another attempt */
export async function fulfilWish(tx: EntityManager, id: number): Promise<boolean> {
  return (await tx.nativeDelete(PictureWish, { id, failure: null })) > 0;
}

/** Gives a wish up. @returns the key of its file, which may go */
export async function failWish(
  tx: EntityManager,
  id: number,
  failure: WishFailure,
): Promise<readonly string[]> {
  const wish = await findWish(tx, id);
  await tx.nativeUpdate(PictureWish, { id }, { failure, uploadKey: null });
  return wish?.uploadKey ? [wish.uploadKey] : [];
}

function toWish(row: PictureWish): Wish {
  return {
    id: row.id,
    videoId: row.videoId as VideoId,
    kind: row.kind,
    atSeconds: row.atSeconds,
    uploadKey: row.uploadKey ?? null,
    unendedStarts: row.unendedStarts,
    failure: row.failure ?? null,
    createdAt: row.createdAt,
  };
}
