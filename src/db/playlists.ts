import { Playlist } from './entities/playlist.ts';
import type { EntityManager } from './orm.ts';

export interface PlaylistRecord {
  readonly id: number;
  readonly ownerId: number;
  readonly title: string;
  readonly description: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface PlaylistItemRecord {
  readonly videoId: number;
  readonly title: string;
}

/** Newest first. */
export async function listPlaylists(
  em: EntityManager,
  page: { ownerId: number; beforeId: number | undefined; limit: number },
): Promise<readonly PlaylistRecord[]> {
  const where = {
    ownerId: page.ownerId,
    ...(page.beforeId === undefined ? {} : { id: { $lt: page.beforeId } }),
  };
  const options = { orderBy: { id: 'desc' }, limit: page.limit, disableIdentityMap: true } as const;
  return (await em.find(Playlist, where, options)).map(toRecord);
}

export async function insertPlaylist(
  em: EntityManager,
  playlist: { ownerId: number; title: string; description: string },
): Promise<number> {
  return (await em.insert(Playlist, playlist)) as number;
}

/** @returns undefined when this owner has no such playlist */
export async function findPlaylist(
  em: EntityManager,
  id: number,
  ownerId: number,
): Promise<PlaylistRecord | undefined> {
  const playlist = await em.findOne(Playlist, { id, ownerId }, { disableIdentityMap: true });
  return playlist === null ? undefined : toRecord(playlist);
}

/** Makes other writers of this playlist wait until the transaction ends. @returns false when this owner has none such */
export async function lockPlaylist(
  em: EntityManager,
  id: number,
  ownerId: number,
): Promise<boolean> {
  const rows = await em.execute(
    'select 1 from playlists where id = ? and owner_id = ? for update',
    [id, ownerId],
  );
  return rows.length > 0;
}

export async function updatePlaylist(
  em: EntityManager,
  id: number,
  changes: { title?: string; description?: string },
): Promise<void> {
  await em.nativeUpdate(Playlist, { id }, { ...changes, updatedAt: new Date() });
}

export async function deletePlaylist(
  em: EntityManager,
  id: number,
  ownerId: number,
): Promise<boolean> {
  return (await em.nativeDelete(Playlist, { id, ownerId })) > 0;
}

/** In their order; deleted videos are left out. */
export async function listPlaylistItems(
  em: EntityManager,
  playlistId: number,
): Promise<readonly PlaylistItemRecord[]> {
  const rows = await em.execute<{ video_id: number; title: string }[]>(
    `select i.video_id, v.title from playlist_items i join videos v on v.id = i.video_id
     where i.playlist_id = ? and v.deleted_at is null order by i.position`,
    [playlistId],
  );
  return rows.map((row) => ({ videoId: row.video_id, title: row.title }));
}

/**
 * Makes a playlist hold exactly these videos in this order, positions 0, 1, 2 …; call it in a transaction that holds the
 * playlist's lock. Positions may collide on the way: their uniqueness is checked when the transaction ends.
 */
export async function writePlaylistOrder(
  em: EntityManager,
  playlistId: number,
  videoIds: readonly number[],
): Promise<void> {
  const ids = JSON.stringify(videoIds);
  await em.execute(
    `delete from playlist_items where playlist_id = ?
     and video_id not in (select value::int from jsonb_array_elements_text(?::jsonb))`,
    [playlistId, ids],
  );
  await em.execute(
    `insert into playlist_items (playlist_id, video_id, position)
     select ?, value::int, ordinality - 1 from jsonb_array_elements_text(?::jsonb) with ordinality
     on conflict (playlist_id, video_id) do update set position = excluded.position`,
    [playlistId, ids],
  );
  await em.nativeUpdate(Playlist, { id: playlistId }, { updatedAt: new Date() });
}

function toRecord(playlist: Playlist): PlaylistRecord {
  return {
    id: playlist.id,
    ownerId: playlist.ownerId,
    title: playlist.title,
    description: playlist.description,
    createdAt: playlist.createdAt,
    updatedAt: playlist.updatedAt,
  };
}
