import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { UseCaseDeps } from '../../usecases/deps.ts';
import {
  addPlaylistItem,
  changePlaylist,
  createPlaylist,
  getPlaylist,
  listOwnPlaylists,
  MAX_PLAYLIST_ITEMS,
  movePlaylistItem,
  type PlaylistWithItems,
  removePlaylist,
  removePlaylistItem,
  replacePlaylistItems,
} from '../../usecases/playlists.ts';
import type { AppEnv } from '../app-env.ts';
import { encodeCursor } from '../cursor.ts';
import { createRouter } from '../router.ts';
import { json, jsonBody, pageOf, problem } from '../schemas/answers.ts';
import { exact } from '../schemas/exact.ts';
import { id, idText, line, pageQuery, text, timestamp } from '../schemas/fields.ts';

const tags = ['Playlists'];

const summarySchema = z
  .object({
    id: id(),
    ownerId: id(),
    title: z.string(),
    description: z.string(),
    createdAt: timestamp(),
    updatedAt: timestamp(),
  })
  .openapi('PlaylistSummary');
const playlistSchema = summarySchema
  .extend({ items: z.array(z.object({ position: z.int(), videoId: id(), title: z.string() })) })
  .openapi('Playlist');
const position = () => z.int().min(0).max(MAX_PLAYLIST_ITEMS);

const params = z.object({ id: idText() });
const itemParams = params.extend({ videoId: idText() });

/** Playlists: their owner's alone. Every change of the items answers with the whole list. */
export function createPlaylistRoutes(deps: UseCaseDeps): OpenAPIHono<AppEnv> {
  return createRouter()
    .openapi(listRoute, async (c) => {
      const { limit, cursor } = c.req.valid('query');
      const page = await listOwnPlaylists(deps, c.var.viewer, { beforeId: cursor, limit });
      const data = page.data.map((playlist) => ({ ...playlist, ...presentTimes(playlist) }));
      return c.json({ data, nextCursor: encodeCursor('playlists', page.nextId) }, 200);
    })
    .openapi(addRoute, async (c) => {
      const playlist = await createPlaylist(deps, c.var.viewer, c.req.valid('json'));
      return c.json(present(playlist), 201, { Location: `/playlists/${playlist.id}` });
    })
    .openapi(getRoute, async (c) =>
      c.json(present(await getPlaylist(deps, c.var.viewer, c.req.valid('param').id)), 200),
    )
    .openapi(changeRoute, async (c) => {
      const changes = exact(c.req.valid('json'));
      return c.json(
        present(await changePlaylist(deps, c.var.viewer, c.req.valid('param').id, changes)),
        200,
      );
    })
    .openapi(deleteRoute, async (c) => {
      await removePlaylist(deps, c.var.viewer, c.req.valid('param').id);
      return c.body(null, 204);
    })
    .openapi(addItemRoute, async (c) => {
      const item = c.req.valid('json');
      return c.json(
        present(await addPlaylistItem(deps, c.var.viewer, c.req.valid('param').id, item)),
        201,
      );
    })
    .openapi(replaceItemsRoute, async (c) => {
      const { videoIds } = c.req.valid('json');
      return c.json(
        present(await replacePlaylistItems(deps, c.var.viewer, c.req.valid('param').id, videoIds)),
        200,
      );
    })
    .openapi(moveItemRoute, async (c) => {
      const { id: playlistId, videoId } = c.req.valid('param');
      const item = { videoId, position: c.req.valid('json').position };
      return c.json(present(await movePlaylistItem(deps, c.var.viewer, playlistId, item)), 200);
    })
    .openapi(removeItemRoute, async (c) => {
      const { id: playlistId, videoId } = c.req.valid('param');
      return c.json(
        present(await removePlaylistItem(deps, c.var.viewer, playlistId, videoId)),
        200,
      );
    });
}

function present(playlist: PlaylistWithItems) {
  const items = playlist.items.map((item, place) => ({ position: place, ...item }));
  return { ...playlist, ...presentTimes(playlist), items };
}

function presentTimes(row: { readonly createdAt: Date; readonly updatedAt: Date }) {
  return { createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString() };
}

const listRoute = createRoute({
  method: 'get',
  path: '/playlists',
  tags,
  summary: 'List your playlists, newest first',
  request: { query: z.object(pageQuery('playlists')) },
  responses: {
    200: json(pageOf(summarySchema), 'A page of playlists, without their items.'),
    default: problem,
  },
});

const addRoute = createRoute({
  method: 'post',
  path: '/playlists',
  tags,
  summary: 'Make a playlist',
  request: {
    body: jsonBody(z.strictObject({ title: line(300), description: text(5000).default('') })),
  },
  responses: { 201: json(playlistSchema, 'The playlist.'), default: problem },
});

const getRoute = createRoute({
  method: 'get',
  path: '/playlists/{id}',
  tags,
  summary: 'Read a playlist with its items',
  request: { params },
  responses: { 200: json(playlistSchema, 'The playlist.'), default: problem },
});

const changeRoute = createRoute({
  method: 'patch',
  path: '/playlists/{id}',
  tags,
  summary: 'Change title or description',
  request: {
    params,
    body: jsonBody(
      z.strictObject({ title: line(300).optional(), description: text(5000).optional() }),
    ),
  },
  responses: { 200: json(playlistSchema, 'The playlist as it is now.'), default: problem },
});

const deleteRoute = createRoute({
  method: 'delete',
  path: '/playlists/{id}',
  tags,
  summary: 'Delete a playlist; its videos stay',
  request: { params },
  responses: { 204: { description: 'It is gone.' }, default: problem },
});

const addItemRoute = createRoute({
  method: 'post',
  path: '/playlists/{id}/items',
  tags,
  summary: 'Put one of your videos into a playlist, at its end or at a position',
  request: {
    params,
    body: jsonBody(z.strictObject({ videoId: id(), position: position().optional() })),
  },
  responses: { 201: json(playlistSchema, 'The playlist as it is now.'), default: problem },
});

const replaceItemsRoute = createRoute({
  method: 'put',
  path: '/playlists/{id}/items',
  tags,
  summary: 'Make a playlist hold exactly these videos in this order',
  request: {
    params,
    body: jsonBody(z.strictObject({ videoIds: z.array(id()).max(MAX_PLAYLIST_ITEMS) })),
  },
  responses: { 200: json(playlistSchema, 'The playlist as it is now.'), default: problem },
});

const moveItemRoute = createRoute({
  method: 'patch',
  path: '/playlists/{id}/items/{videoId}',
  tags,
  summary: 'Move a video to another position',
  request: { params: itemParams, body: jsonBody(z.strictObject({ position: position() })) },
  responses: { 200: json(playlistSchema, 'The playlist as it is now.'), default: problem },
});

const removeItemRoute = createRoute({
  method: 'delete',
  path: '/playlists/{id}/items/{videoId}',
  tags,
  summary: 'Take a video out of a playlist',
  request: { params: itemParams },
  responses: { 200: json(playlistSchema, 'The playlist as it is now.'), default: problem },
});
