import type { EntityManager } from '../db/orm.ts';
import {
  deletePlaylist,
  findPlaylist,
  insertPlaylist,
  listPlaylistItems,
  listPlaylists,
  lockPlaylist,
  type PlaylistItemRecord,
  type PlaylistRecord,
  updatePlaylist,
  writePlaylistOrder,
} from '../db/playlists.ts';
import { filterOwnedVideos } from '../db/videos.ts';
import { AppError } from '../domain/errors.ts';
import { type Page, toPage, type UseCaseDeps } from './deps.ts';
import type { Viewer } from './viewer.ts';

type Deps = Pick<UseCaseDeps, 'database'>;

/** A playlist belongs to its owner alone: for everybody else, administrators too, it is not there. */
export interface PlaylistWithItems extends PlaylistRecord {
  readonly items: readonly PlaylistItemRecord[];
}

export const MAX_PLAYLIST_ITEMS = 1000;

export async function listOwnPlaylists(
  deps: Deps,
  viewer: Viewer,
  { beforeId, limit }: { beforeId: number | undefined; limit: number },
): Promise<Page<PlaylistRecord>> {
  const page = { ownerId: viewer.userId, beforeId, limit: limit + 1 };
  const rows = await deps.database.run((em) => listPlaylists(em, page));
  return toPage(rows, limit, (playlist) => playlist.id);
}

export async function createPlaylist(
  deps: Deps,
  viewer: Viewer,
  playlist: { title: string; description: string },
): Promise<PlaylistWithItems> {
  return deps.database.run(async (em) => {
    const id = await insertPlaylist(em, { ...playlist, ownerId: viewer.userId });
    return requirePlaylist(em, viewer, id);
  });
}

/** @throws `playlist-not-found` */
export async function getPlaylist(
  deps: Deps,
  viewer: Viewer,
  id: number,
): Promise<PlaylistWithItems> {
  return deps.database.run((em) => requirePlaylist(em, viewer, id));
}

/** @throws `playlist-not-found` */
export async function changePlaylist(
  deps: Deps,
  viewer: Viewer,
  id: number,
  changes: { title?: string; description?: string },
): Promise<PlaylistWithItems> {
  return deps.database.run(async (em) => {
    await requirePlaylist(em, viewer, id);
    await updatePlaylist(em, id, changes);
    return requirePlaylist(em, viewer, id);
  });
}

/** @throws `playlist-not-found` */
export async function removePlaylist(deps: Deps, viewer: Viewer, id: number): Promise<void> {
  const removed = await deps.database.run((em) => deletePlaylist(em, id, viewer.userId));
  if (!removed) throw new AppError('playlist-not-found');
}

/** @param item.position from 0; at the end when left out or beyond it @throws `playlist-not-found`, `validation-failed` */
export async function addPlaylistItem(
  deps: Deps,
  viewer: Viewer,
  id: number,
  item: { videoId: number; position?: number | undefined },
): Promise<PlaylistWithItems> {
  return reorder(deps, viewer, id, (videoIds) => {
    if (videoIds.includes(item.videoId))
      refuse('videoId', 'The video is in this playlist already.');
    return videoIds.toSpliced(item.position ?? videoIds.length, 0, item.videoId);
  });
}

/** @throws `playlist-not-found`, `video-not-found` when the video is not in the playlist */
export async function movePlaylistItem(
  deps: Deps,
  viewer: Viewer,
  id: number,
  item: { videoId: number; position: number },
): Promise<PlaylistWithItems> {
  return reorder(deps, viewer, id, (videoIds) =>
    without(videoIds, item.videoId).toSpliced(item.position, 0, item.videoId),
  );
}

/** @throws `playlist-not-found`, `video-not-found` when the video is not in the playlist */
export async function removePlaylistItem(
  deps: Deps,
  viewer: Viewer,
  id: number,
  videoId: number,
): Promise<PlaylistWithItems> {
  return reorder(deps, viewer, id, (videoIds) => without(videoIds, videoId));
}

/** Makes the playlist hold exactly these videos. @throws `playlist-not-found`, `validation-failed` */
export async function replacePlaylistItems(
  deps: Deps,
  viewer: Viewer,
  id: number,
  videoIds: readonly number[],
): Promise<PlaylistWithItems> {
  if (new Set(videoIds).size !== videoIds.length)
    refuse('videoIds', 'A video can be in a playlist only once.');
  return reorder(deps, viewer, id, () => videoIds);
}

/** One writer at a time; what the change brings in must be the owner's own. */
async function reorder(
  deps: Deps,
  viewer: Viewer,
  id: number,
  change: (videoIds: readonly number[]) => readonly number[],
): Promise<PlaylistWithItems> {
  return deps.database.transact(async (em) => {
    if (!(await lockPlaylist(em, id, viewer.userId))) throw new AppError('playlist-not-found');
    const before = (await listPlaylistItems(em, id)).map((item) => item.videoId);
    const after = change(before);
    if (after.length > MAX_PLAYLIST_ITEMS)
      refuse('videoId', `A playlist holds at most ${MAX_PLAYLIST_ITEMS} videos.`);
    const added = after.filter((videoId) => !before.includes(videoId));
    const owned = added.length === 0 ? [] : await filterOwnedVideos(em, added, viewer.userId);
    if (added.some((videoId) => !owned.includes(videoId))) throw new AppError('video-not-found');
    await writePlaylistOrder(em, id, after);
    return requirePlaylist(em, viewer, id);
  });
}

async function requirePlaylist(
  em: EntityManager,
  viewer: Viewer,
  id: number,
): Promise<PlaylistWithItems> {
  const playlist = await findPlaylist(em, id, viewer.userId);
  if (playlist === undefined) throw new AppError('playlist-not-found');
  return { ...playlist, items: await listPlaylistItems(em, id) };
}

function without(videoIds: readonly number[], videoId: number): readonly number[] {
  if (!videoIds.includes(videoId)) throw new AppError('video-not-found');
  return videoIds.filter((id) => id !== videoId);
}

function refuse(path: string, message: string): never {
  throw new AppError('validation-failed', { errors: [{ path, message }] });
}
