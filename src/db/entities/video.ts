import { defineEntity, p } from '@mikro-orm/core';
import type { PlanWarning } from '../../domain/plan-warnings.ts';
import type { Failure } from '../../domain/failure.ts';
import type { SkippedRendition } from '../../domain/rendition-ladder.ts';
import { PRIORITIES, PROFILES, VIDEO_STATES, VISIBILITIES } from '../../domain/video.ts';
import { Category } from './category.ts';
import { User } from './user.ts';

/**
 * One uploaded video.
 *
 * `status` is written only by workflow activities and stays `completed` while a version is published. A deleted video keeps
 * its row as a tombstone until its objects are gone, so that a late manifest cannot bring it back.
 */
const VideoSchema = defineEntity({
  name: 'Video',
  tableName: 'videos',
  properties: {
    id: p.integer().primary(),
    ownerId: () => p.manyToOne(User).mapToPk().fieldName('owner_id').deleteRule('restrict'),
    title: p.text(),
    description: p.text().default(''),
    categoryId: () =>
      p
        .manyToOne(Category)
        .mapToPk()
        .fieldName('category_id')
        .nullable()
        .deleteRule('set null')
        .index('videos_category_index'),
    tags: p.array().$type<string[]>(),
    visibility: p.enum(VISIBILITIES).default('private'),
    profile: p.enum(PROFILES),
    priority: p.enum(PRIORITIES).default('normal'),
    thumbnailTimestamps: p.json().$type<readonly number[]>().nullable(),
    /** The thumbnail that somebody has chosen to stand for the video, by its time; versions have it again. */
    defaultThumbnailSeconds: p.double().$type<number>().nullable(),
    status: p.enum(VIDEO_STATES).default('pending'),

    /** Name of the original in the store; the uploader's own name is only for show. */
    storedName: p.text().collation('C').unique('videos_stored_name_unique'),
    originalFileName: p.text(),
    originalContentType: p.text(),
    originalSizeBytes: p.bigint('number').check('original_size_bytes > 0'),
    originalSha256: p.text(),
    /** False once it was replaced by the processed version. */
    originalAvailable: p.boolean().default(true),
    /** Since when it is to go; its object may be there still. */
    originalRemovalDueAt: p.datetime().nullable().$type<Date>(),
    /** When its object was seen to be gone. */
    originalRemovedAt: p.datetime().nullable().$type<Date>(),

    /** Of the picture as shown, upright; known once probed. */
    durationSeconds: p.double().$type<number>().nullable(),
    widthPx: p.integer().nullable(),
    heightPx: p.integer().nullable(),
    frameRate: p.double().$type<number>().nullable(),

    /** The published version; null until there is one. */
    version: p.integer().nullable(),
    /** The highest version that any run has claimed; never given out twice. */
    lastVersion: p.integer().default(0),
    skipped: p.json().$type<readonly SkippedRendition[]>().defaultRaw(`'[]'`),
    warnings: p.json().$type<readonly PlanWarning[]>().defaultRaw(`'[]'`),
    failure: p.json().$type<Failure>().nullable(),

    createdAt: p.datetime().defaultRaw('now()').$type<Date>(),
    updatedAt: p.datetime().defaultRaw('now()').$type<Date>(),
    completedAt: p.datetime().nullable().$type<Date>(),
    deletedAt: p.datetime().nullable().$type<Date>(),
  },
  indexes: [
    { name: 'videos_owner_index', properties: ['ownerId', 'id'] },
    {
      name: 'videos_unfinished_index',
      properties: ['id'],
      where: `status in ('pending', 'processing') and deleted_at is null`,
    },
    {
      name: 'videos_original_removal_index',
      properties: ['id'],
      where: 'original_removal_due_at is not null and original_removed_at is null',
    },
    { name: 'videos_deleted_index', properties: ['id'], where: 'deleted_at is not null' },
  ],
});

export class Video extends VideoSchema.class {}
VideoSchema.setClass(Video);
