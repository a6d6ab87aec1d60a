import { defineEntity, p } from '@mikro-orm/core';
import { User } from './user.ts';
import { Video } from './video.ts';

const PlaylistSchema = defineEntity({
  name: 'Playlist',
  tableName: 'playlists',
  properties: {
    id: p.integer().primary(),
    ownerId: () =>
      p
        .manyToOne(User)
        .mapToPk()
        .fieldName('owner_id')
        .deleteRule('cascade')
        .index('playlists_owner_index'),
    title: p.text(),
    description: p.text().default(''),
    createdAt: p.datetime().defaultRaw('now()').$type<Date>(),
    updatedAt: p.datetime().defaultRaw('now()').$type<Date>(),
  },
});

export class Playlist extends PlaylistSchema.class {}
PlaylistSchema.setClass(Playlist);

/** One video's place in a playlist; `position` counts from 0 without gaps. */
const PlaylistItemSchema = defineEntity({
  name: 'PlaylistItem',
  tableName: 'playlist_items',
  properties: {
    id: p.integer().primary(),
    playlistId: () =>
      p.manyToOne(Playlist).mapToPk().fieldName('playlist_id').deleteRule('cascade'),
    videoId: () =>
      p
        .manyToOne(Video)
        .mapToPk()
        .fieldName('video_id')
        .deleteRule('cascade')
        .index('playlist_items_video_index'),
    position: p.integer().check('position >= 0'),
  },
  uniques: [
    { name: 'playlist_items_video_unique', properties: ['playlistId', 'videoId'] },
    {
      name: 'playlist_items_position_unique',
      properties: ['playlistId', 'position'],
      deferMode: 'deferred',
    },
  ],
});

export class PlaylistItem extends PlaylistItemSchema.class {}
PlaylistItemSchema.setClass(PlaylistItem);
