import type { Failure } from '../domain/failure.ts';
import type { MigrationFilter } from '../domain/storage-migration.ts';
import { findMovableObjects } from './named-objects.ts';
import type { EntityManager } from './orm.ts';
import { toPgArray } from './pg-array.ts';
import type { MigrationRecord } from './storage-migrations.ts';

/**
 * Objects on their way from one store to another, one row each from the moment that a copy may be begun until the old one is
 * gone. What a row's states mean stands in `domain/storage-migration.ts`.
 */

/** Which place counts for an object that two stores may have; undefined where there is no such doubt. */
export async function findCountingPlace(
  em: EntityManager,
  key: string,
): Promise<string | undefined> {
  const [row] = await em.execute<{ place: string }[]>(
    `select case when object_moves.state = 'switched' then to_place else from_place end as place
       from object_moves join storage_migrations on storage_migrations.id = migration_id
      where object_key = ?`,
    [key],
  );
  return row?.place;
}

export interface FoundObject {
  readonly key: string;
  readonly sizeBytes: number;
}

/**
 * Enters objects that were found in the old store, those of deleted videos, leftovers and what the filter leaves out apart.
 *
 * One whose move the other way waits for its grace is turned round; others that are on their way stay as they are.
 * @returns how many were entered, and how many are kept from it by another migration's grace
 */
export async function enterMoves(
  tx: EntityManager,
  migration: MigrationRecord,
  found: readonly FoundObject[],
): Promise<{ readonly added: number; readonly held: number }> {
  const allKeys = found.map(({ key }) => key);
  const movable = await findMovableObjects(tx, allKeys);
  const entered = found.filter(({ key }) => movable.has(key));
  const { condition, values } = toCondition(migration.filter);
  const rows = await tx.execute<{ object_key: string }[]>(
    `insert into object_moves (object_key, migration_id, size_bytes)
     select found.key, ?, found.size_bytes
       from unnest(?::text[], ?::bigint[], ?::int[]) as found(key, size_bytes, video_id)
       join videos on videos.id = found.video_id
      where true ${condition}
     on conflict (object_key) do update
        set migration_id = excluded.migration_id, size_bytes = excluded.size_bytes,
            state = 'waiting', attempts = 0, failure = null, switched_at = null
      where object_moves.migration_id <> excluded.migration_id
        and object_moves.state = 'switched' and exists (
          select 1 from storage_migrations
           where id = object_moves.migration_id and from_place = ? and to_place = ?)
     returning object_key`,
    [
      migration.id,
      toPgArray(entered.map(({ key }) => key)),
      toPgArray(entered.map(({ sizeBytes }) => sizeBytes)),
      toPgArray(entered.map(({ key }) => movable.get(key)?.videoId ?? 0)),
      ...values,
      migration.toPlace,
      migration.fromPlace,
    ],
  );
  const [held] = await tx.execute<{ count: number }[]>(
    `select count(*)::int as count from object_moves
       join storage_migrations on storage_migrations.id = migration_id
      where object_key = any(?) and to_place <> ?`,
    [toPgArray(allKeys), migration.toPlace],
  );
  return { added: rows.length, held: held?.count ?? 0 };
}

function toCondition({ videoIds, ownerId, uploadedBefore, kinds }: MigrationFilter): {
  readonly condition: string;
  readonly values: readonly unknown[];
} {
  const parts: (readonly [string, unknown])[] = [];
  if (videoIds !== undefined) parts.push(['videos.id = any(?)', toPgArray(videoIds)]);
  if (ownerId !== undefined) parts.push(['videos.owner_id = ?', ownerId]);
  if (uploadedBefore !== undefined) parts.push(['videos.created_at < ?', uploadedBefore]);
  if (kinds !== undefined) parts.push([`split_part(found.key, '/', 2) = any(?)`, toPgArray(kinds)]);
  return {
    condition: parts.map(([text]) => `and ${text}`).join(' '),
    values: parts.map(([, value]) => value),
  };
}

export interface Move {
  readonly objectKey: string;
  /** How often its copying was begun, this time included. */
  readonly attempts: number;
}

/** The next objects to move, marked as being copied; first those whose copying was begun and came to no end. */
export async function takeMoves(
  tx: EntityManager,
  migrationId: number,
  limit: number,
): Promise<readonly Move[]> {
  const rows = await tx.execute<{ object_key: string; attempts: number }[]>(
    `update object_moves set state = 'copying', attempts = attempts + 1
      where object_key in (
        select object_key from object_moves where migration_id = ? and state in ('copying', 'waiting')
         order by state, object_key limit ? for update)
     returning object_key, attempts`,
    [migrationId, limit],
  );
  return rows
    .map((row) => ({ objectKey: row.object_key, attempts: row.attempts }))
    .toSorted((a, b) => (a.objectKey < b.objectKey ? -1 : 1));
}

/**
 * From now on the new store counts, if rows still name the object as what was copied.
 * @returns false where they do not, or somebody else was first
 */
export async function switchMove(
  tx: EntityManager,
  objectKey: string,
  copied: { readonly sha256: string },
): Promise<boolean> {
  const named = (await findMovableObjects(tx, [objectKey])).get(objectKey);
  if (named === undefined || (named.sha256 ?? copied.sha256) !== copied.sha256) return false;
  return markSwitched(tx, objectKey);
}

/** Another name in the same version for the bytes of `compressed` or `processed`: that of the rendition which they are. */
export async function findTwin(
  em: EntityManager,
  objectKey: string,
): Promise<{ readonly objectKey: string; readonly sizeBytes: number } | undefined> {
  const [row] = await em.execute<{ object_key: string; size_bytes: string | number }[]>(
    `select twin.object_key, twin.size_bytes from video_streams join video_streams as twin
         on twin.video_id = video_streams.video_id and twin.version = video_streams.version
        and twin.sha256 = video_streams.sha256 and twin.object_key <> video_streams.object_key
      where video_streams.object_key = ? and video_streams.output in ('compressed', 'processed')
        and twin.output not in ('compressed', 'processed')
        and not exists (select 1 from pieces where pieces.object_key = video_streams.object_key)
      limit 1`,
    [objectKey],
  );
  return row && { objectKey: row.object_key, sizeBytes: Number(row.size_bytes) };
}

/** The rows that name an object take its twin instead; it is nobody's then, and goes when the grace is over. */
export async function switchToTwin(
  tx: EntityManager,
  objectKey: string,
  twinKey: string,
): Promise<boolean> {
  await tx.execute(
    `update video_streams set object_key = ? where object_key = ?`,
    [twinKey, objectKey],
    'run',
  );
  // Its bytes are counted with the twin.
  await tx.execute(
    `update object_moves set size_bytes = 0 where object_key = ?`,
    [objectKey],
    'run',
  );
  return markSwitched(tx, objectKey);
}

async function markSwitched(tx: EntityManager, objectKey: string): Promise<boolean> {
  const rows = await tx.execute<{ object_key: string }[]>(
    `update object_moves set state = 'switched', switched_at = now(), failure = null
      where object_key = ? and state = 'copying' returning object_key`,
    [objectKey],
  );
  return rows.length > 0;
}

/**
 * The object counts in the old store, and the reason is told.
 * @param inState where it stood for whoever says so: another attempt may be further
 * @returns whether it stood there
 */
export async function failMove(
  em: EntityManager,
  objectKey: string,
  inState: 'copying' | 'switched',
  failure: Pick<Failure, 'code' | 'detail'>,
): Promise<boolean> {
  const rows = await em.execute<{ object_key: string }[]>(
    `update object_moves set state = 'failed', switched_at = null, failure = ?
      where object_key = ? and state = ? returning object_key`,
    [JSON.stringify(failure), objectKey, inState],
  );
  return rows.length > 0;
}

/** Of an object that nobody names any more, or that stays where it is; not where another attempt has switched it. */
export async function dropMove(em: EntityManager, objectKey: string): Promise<void> {
  await em.execute(
    `delete from object_moves where object_key = ? and state = 'copying'`,
    [objectKey],
    'run',
  );
}

/** Takes out what closed migrations have left undone: of these objects nothing has changed. */
export async function dropUntouchedMoves(tx: EntityManager): Promise<void> {
  await tx.execute(
    `delete from object_moves using storage_migrations
      where storage_migrations.id = migration_id and storage_migrations.state not in ('moving', 'paused')
        and object_moves.state = 'waiting'`,
    [],
    'run',
  );
}

/** Before a new migration its predecessors' failures are forgotten: they are tried again, or told again. */
export async function forgetFailedMoves(tx: EntityManager): Promise<void> {
  await tx.execute(`delete from object_moves where state = 'failed'`, [], 'run');
}

/** Objects whose copying was begun and is nobody's work any more, between places that are known. */
export async function listHalfMoved(
  em: EntityManager,
  places: readonly string[],
  limit: number,
): Promise<readonly Omit<SwitchedMove, 'sizeBytes'>[]> {
  const rows = await em.execute<{ object_key: string; from_place: string; to_place: string }[]>(
    `select object_key, from_place, to_place from object_moves
       join storage_migrations on storage_migrations.id = migration_id
      where object_moves.state = 'copying' and storage_migrations.state not in ('moving', 'paused')
        and from_place = any(?) and to_place = any(?)
      order by object_key limit ?`,
    [toPgArray(places), toPgArray(places), limit],
  );
  return rows.map((row) => ({
    objectKey: row.object_key,
    fromPlace: row.from_place,
    toPlace: row.to_place,
  }));
}

export interface SwitchedMove {
  readonly objectKey: string;
  readonly sizeBytes: number;
  readonly fromPlace: string;
  readonly toPlace: string;
}

/** Objects that were switched before a moment, between places that are known: their old copies may go. */
export async function listSwitched(
  em: EntityManager,
  before: Date,
  cursor: { readonly places: readonly string[]; readonly after: string; readonly limit: number },
): Promise<readonly SwitchedMove[]> {
  const rows = await em.execute<
    {
      object_key: string;
      size_bytes: string | number;
      from_place: string;
      to_place: string;
    }[]
  >(
    `select object_key, size_bytes, from_place, to_place from object_moves
       join storage_migrations on storage_migrations.id = migration_id
      where object_moves.state = 'switched' and switched_at < ? and object_key > ?
        and from_place = any(?) and to_place = any(?)
      order by object_key limit ?`,
    [before, cursor.after, toPgArray(cursor.places), toPgArray(cursor.places), cursor.limit],
  );
  return rows.map((row) => ({
    objectKey: row.object_key,
    sizeBytes: Number(row.size_bytes),
    fromPlace: row.from_place,
    toPlace: row.to_place,
  }));
}

/** The old copies are gone: the rows go, too, and are counted, in one statement. */
export async function finishMoves(em: EntityManager, keys: readonly string[]): Promise<void> {
  await em.execute(
    `with finished as (
       delete from object_moves where object_key = any(?) and state = 'switched' returning migration_id, size_bytes),
     sums as (
       select migration_id, count(*) as objects, sum(size_bytes) as bytes from finished group by migration_id)
     update storage_migrations
        set finished_objects = finished_objects + sums.objects, finished_bytes = finished_bytes + sums.bytes
       from sums where sums.migration_id = storage_migrations.id`,
    [toPgArray(keys)],
    'run',
  );
}
