import { defineEntity, p } from '@mikro-orm/core';
import type { Failure } from '../../domain/failure.ts';
import { PICTURE_KINDS, WISH_KINDS } from '../../domain/pictures.ts';
import type { StoryboardLayout } from '../../domain/storyboard.ts';
import { Video } from './video.ts';

/** A picture of one version of a video that is no thumbnail: a sheet of its storyboard, or a poster at a whole second. */
const PictureSchema = defineEntity({
  name: 'Picture',
  tableName: 'pictures',
  properties: {
    id: p.integer().primary(),
    videoId: () => p.manyToOne(Video).mapToPk().fieldName('video_id').deleteRule('cascade'),
    version: p.integer(),
    kind: p.enum(PICTURE_KINDS),
    /** Number of the sheet, or the second. */
    position: p.integer(),
    objectKey: p.text().collation('C').index('pictures_object_key_index'),
    sizeBytes: p.bigint('number').check('size_bytes > 0'),
    sha256: p.text(),
    /** Of a storyboard; the same with each of its sheets. */
    layout: p.json().$type<StoryboardLayout>().nullable(),
    createdAt: p.datetime().defaultRaw('now()').$type<Date>(),
    retiredAt: p.datetime().nullable().$type<Date>(),
  },
  uniques: [
    { name: 'pictures_position_unique', properties: ['videoId', 'version', 'kind', 'position'] },
  ],
});

export class Picture extends PictureSchema.class {}
PictureSchema.setClass(Picture);

/** The poster that somebody has uploaded for a video, as it was made of their file. It outlives versions. */
const OwnPosterSchema = defineEntity({
  name: 'OwnPoster',
  tableName: 'own_posters',
  properties: {
    id: p.integer().primary(),
    videoId: () =>
      p
        .manyToOne(Video)
        .mapToPk()
        .fieldName('video_id')
        .deleteRule('cascade')
        .unique('own_posters_video_unique'),
    objectKey: p.text().collation('C').index('own_posters_object_key_index'),
    sizeBytes: p.bigint('number').check('size_bytes > 0'),
    sha256: p.text(),
    createdAt: p.datetime().defaultRaw('now()').$type<Date>(),
  },
});

export class OwnPoster extends OwnPosterSchema.class {}
OwnPosterSchema.setClass(OwnPoster);

/** A picture that was asked for. The row goes when the picture is there; one that cannot be made stays, with the reason. */
const PictureWishSchema = defineEntity({
  name: 'PictureWish',
  tableName: 'picture_wishes',
  properties: {
    id: p.integer().primary(),
    videoId: () => p.manyToOne(Video).mapToPk().fieldName('video_id').deleteRule('cascade'),
    kind: p.enum(WISH_KINDS),
    /** Into the video; 0 for an own poster. */
    atSeconds: p.double().$type<number>(),
    /** Where an own poster's file lies as it came, until it has been made into a picture of ours. */
    uploadKey: p.text().nullable(),
    /** Starts in a row that came to no end: the worker died. */
    unendedStarts: p.integer().default(0),
    encoderFaults: p.integer().default(0),
    /** The first of those in a row. */
    platformFaultSince: p.datetime().nullable().$type<Date>(),
    failure: p.json().$type<Pick<Failure, 'code' | 'detail'>>().nullable(),
    createdAt: p.datetime().defaultRaw('now()').$type<Date>(),
  },
  indexes: [
    {
      name: 'picture_wishes_upload_key_index',
      properties: ['uploadKey'],
      where: 'upload_key is not null',
    },
    {
      name: 'picture_wishes_pending_index',
      properties: ['createdAt'],
      where: 'failure is null',
    },
  ],
  uniques: [{ name: 'picture_wishes_key_unique', properties: ['videoId', 'kind', 'atSeconds'] }],
});

export class PictureWish extends PictureWishSchema.class {}
PictureWishSchema.setClass(PictureWish);
