import type { UserId } from '../domain/ids.ts';
import { QUOTA_KINDS, USAGE_KINDS, type UsageKind } from '../domain/storage-usage.ts';
import type { EntityManager } from './orm.ts';

/** What stored files take, by the rows that name them. */

export type BytesByKind = Readonly<Record<UsageKind, number>>;

export interface OwnerUsage {
  readonly ownerId: UserId;
  readonly email: string;
  readonly videos: number;
  /** What counts for the quota. */
  readonly usedBytes: number;
  readonly totalBytes: number;
}

/**
 * Every file that a row of the videos in `owned` names. The same bytes of one video count once, for the first of their kinds:
 * `compressed` is the tallest rendition, `processed` may be that or the original.
 */
const FILES = `select distinct on (file.video_id, file.sha256) file.* from (
    select owner_id, id as video_id, 1 as rank, 'originals' as kind, deleted_at, original_sha256 as sha256,
           original_size_bytes as size_bytes
      from owned where original_available
    union all
    select owner_id, id, case when retired_at is null and made.version = owned.version then 2 else 4 end,
           case when retired_at is not null then 'replaced' when made.version = owned.version then made.kind else 'pieces' end,
           deleted_at, sha256, size_bytes
      from owned join (
        select video_id, version, 'renditions' as kind, sha256, size_bytes, retired_at from video_streams
        union all select video_id, version, 'pictures', sha256, size_bytes, retired_at from thumbnails
        union all select video_id, version, 'pictures', sha256, size_bytes, retired_at from pictures
      ) made on made.video_id = owned.id
    union all
    select owner_id, owned.id, 3, 'pictures', deleted_at, sha256, size_bytes
      from owned join own_posters on own_posters.video_id = owned.id
    union all
    select owner_id, owned.id, 5, 'pieces', deleted_at, sha256, size_bytes
      from owned join pieces on pieces.video_id = owned.id
  ) file order by file.video_id, file.sha256, file.rank`;

const KIND = `case when deleted_at is null then kind else 'deleted' end`;
const IS_USED = `(deleted_at is null and kind in (${QUOTA_KINDS.map((kind) => `'${kind}'`).join(', ')}))`;

/** Bytes that count for a member's quota. */
export async function sumUsedBytes(em: EntityManager, ownerId: number): Promise<number> {
  const rows = await em.execute<{ bytes: string }[]>(
    `with owned as not materialized (select * from videos where owner_id = ? and deleted_at is null)
     select coalesce(sum(size_bytes), 0) as bytes from (${FILES}) files where ${IS_USED}`,
    [ownerId],
  );
  return Number(rows[0]?.bytes ?? 0);
}

/** Of all videos. */
export async function sumBytesByKind(em: EntityManager): Promise<BytesByKind> {
  const rows = await em.execute<{ kind: UsageKind; bytes: string }[]>(
    `with owned as not materialized (select * from videos)
     select ${KIND} as kind, sum(size_bytes) as bytes from (${FILES}) files group by 1`,
  );
  const found = new Map(rows.map(({ kind, bytes }) => [kind, Number(bytes)]));
  return Object.fromEntries(
    USAGE_KINDS.map((kind) => [kind, found.get(kind) ?? 0]),
  ) as unknown as BytesByKind;
}

/** Those who take most first. */
export async function listUsageByOwner(
  em: EntityManager,
  limit: number,
): Promise<readonly OwnerUsage[]> {
  const rows = await em.execute<
    { owner_id: UserId; email: string; videos: string; used: string; total: string }[]
  >(
    `with owned as not materialized (select * from videos)
     select owner_id, email, count(distinct video_id) filter (where deleted_at is null) as videos,
            coalesce(sum(size_bytes) filter (where ${IS_USED}), 0) as used, sum(size_bytes) as total
       from (${FILES}) files join users on users.id = owner_id
      group by owner_id, email order by total desc, owner_id limit ?`,
    [limit],
  );
  return rows.map(({ owner_id: ownerId, email, videos, used, total }) => ({
    ownerId,
    email,
    videos: Number(videos),
    usedBytes: Number(used),
    totalBytes: Number(total),
  }));
}

/**
 * Lets the uploads of one member enter their rows one after the other; held until the transaction ends.
 * @returns whether the quota is for this user: administrators have none
 */
export async function lockForQuota(tx: EntityManager, ownerId: number): Promise<boolean> {
  const rows = await tx.execute<{ role: string }[]>(
    'select role from users where id = ? for no key update',
    [ownerId],
  );
  return rows[0]?.role === 'member';
}
