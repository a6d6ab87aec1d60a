import type { VideoId } from '../domain/ids.ts';
import { ORIGINAL_PREFIX, originalKey } from '../domain/object-keys.ts';
import type { EntityManager } from './orm.ts';
import { toPgArray } from './pg-array.ts';

/** An object that should be in the store, by the word of the rows that name it. */
export interface NamedObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly videoId: VideoId;
  /** Hex. */
  readonly sha256: string;
  /** The version that people watch and that needs it; null: none does. */
  readonly liveVersion: number | null;
  /** Of originals; that of all others follows from their names. */
  readonly contentType: string | null;
}

/** In the order of their bytes, as stores list them. @param after null: from the first one on */
export async function listNamedObjects(
  em: EntityManager,
  { after, limit }: { readonly after: string | null; readonly limit: number },
): Promise<readonly NamedObject[]> {
  const from = after ?? '';
  return select(em, {
    ofKeys: 'object_key > ?',
    ofOriginals: 'stored_name > ?',
    keys: from,
    storedNames: nameAfter(from),
    limit,
  });
}

/** Which of these are named as before: what was seen a moment ago may have been deleted by now. */
export async function stillNamed(
  em: EntityManager,
  objects: readonly NamedObject[],
): Promise<readonly NamedObject[]> {
  if (objects.length === 0) return [];
  const now = await selectKeys(
    em,
    objects.map(({ key }) => key),
  );
  const sizes = new Map(now.map(({ key, sizeBytes }) => [key, sizeBytes]));
  return objects.filter(({ key, sizeBytes }) => sizes.get(key) === sizeBytes);
}

/** Which of these originals no video has ever told of, not even a deleted one, or one that gave its original up. */
export async function withoutVideo(
  em: EntityManager,
  keys: readonly string[],
): Promise<readonly string[]> {
  const rows = await em.execute<{ name: string }[]>(
    `select name from unnest(?::text[]) as candidate(name)
      where not exists (select 1 from videos where stored_name = name)`,
    [toPgArray(keys.flatMap((key) => nameAfter(key) || []))],
  );
  return rows.map(({ name }) => originalKey(name));
}

/** What may be moved: an object, or a poster as it was uploaded, of which nothing is known until it was looked at. */
export type MovableObject = Pick<NamedObject, 'key' | 'videoId' | 'contentType'> &
  Partial<Pick<NamedObject, 'sizeBytes' | 'sha256'>>;

/** Of these keys, those that a row names whose video is not deleted. */
export async function findMovableObjects(
  em: EntityManager,
  keys: readonly string[],
): Promise<ReadonlyMap<string, MovableObject>> {
  if (keys.length === 0) return new Map();
  const uploads = await em.execute<{ key: string; video_id: number }[]>(
    `select upload_key as key, video_id from picture_wishes join videos on videos.id = video_id
      where deleted_at is null and upload_key = any(?::text[])`,
    [toPgArray(keys)],
  );
  const found: MovableObject[] = uploads.map(({ key, video_id: videoId }) => ({
    key,
    videoId: videoId as VideoId,
    contentType: null,
  }));
  const named = await selectKeys(em, keys);
  return new Map([...found, ...named].map((object) => [object.key, object]));
}

interface Selection {
  readonly ofKeys: string;
  readonly ofOriginals: string;
  readonly keys: string;
  /** Null: no original is meant. */
  readonly storedNames: string | null;
  readonly limit: number;
}

function selectKeys(em: EntityManager, keys: readonly string[]): Promise<readonly NamedObject[]> {
  return select(em, {
    ofKeys: 'object_key = any(?::text[])',
    ofOriginals: 'stored_name = any(?::text[])',
    keys: toPgArray(keys),
    storedNames: toPgArray(keys.flatMap((key) => nameAfter(key) || [])),
    limit: keys.length,
  });
}

const VERSIONED = ['video_streams', 'thumbnails', 'pictures'];
const UNVERSIONED = { own_posters: 'videos.version', pieces: 'null::int' };

/** Each table by its own index, and no more of it than is needed. */
async function select(
  em: EntityManager,
  { ofKeys, ofOriginals, keys, storedNames, limit }: Selection,
): Promise<readonly NamedObject[]> {
  const live = (table: string) =>
    `case when ${table}.version = videos.version and ${table}.retired_at is null then videos.version end`;
  const sources = [
    ...VERSIONED.map((table) => [table, live(table)] as const),
    ...Object.entries(UNVERSIONED),
  ].map(
    ([table, version]) =>
      `(select object_key as key, size_bytes, sha256, video_id, ${version} as live_version, null as content_type
          from ${table} join videos on videos.id = video_id
         where deleted_at is null and ${ofKeys} order by object_key limit ?)`,
  );
  const originals = `(select '${ORIGINAL_PREFIX}' || stored_name as key, original_size_bytes as size_bytes, original_sha256 as sha256, id as video_id, version as live_version, original_content_type as content_type
       from videos where deleted_at is null and original_available and ${ofOriginals} order by stored_name limit ?)`;
  const rows = await em.execute<NamedRow[]>(
    `select key, max(size_bytes) as size_bytes, max(sha256) as sha256, min(video_id) as video_id, max(live_version) as live_version, max(content_type) as content_type
       from (${[...sources, originals].join(' union all ')}) as named group by key order by key limit ?`,
    [...sources.flatMap(() => [keys, limit]), storedNames, limit, limit],
  );
  return rows.map((row) => ({
    key: row.key,
    sizeBytes: Number(row.size_bytes),
    videoId: row.video_id as VideoId,
    sha256: row.sha256,
    liveVersion: row.live_version,
    contentType: row.content_type,
  }));
}

interface NamedRow {
  readonly key: string;
  readonly size_bytes: string | number;
  readonly video_id: number;
  readonly sha256: string;
  readonly live_version: number | null;
  readonly content_type: string | null;
}

/** What a key is among the names of originals: before all of them, one of them, or (null) behind them. */
function nameAfter(key: string): string | null {
  if (key < ORIGINAL_PREFIX) return '';
  return key.startsWith(ORIGINAL_PREFIX) ? key.slice(ORIGINAL_PREFIX.length) : null;
}
