import { defineEntity, p } from '@mikro-orm/core';
import { Video } from './video.ts';

const ThumbnailSchema = defineEntity({
  name: 'Thumbnail',
  tableName: 'thumbnails',
  properties: {
    id: p.integer().primary(),
    videoId: () => p.manyToOne(Video).mapToPk().fieldName('video_id').deleteRule('cascade'),
    version: p.integer(),
    /** Place in the list, from 0; also the name in the address. */
    position: p.integer(),
    timestampSeconds: p.double().$type<number>(),
    objectKey: p.text().collation('C').index('thumbnails_object_key_index'),
    sizeBytes: p.bigint('number'),
    sha256: p.text(),
    /** The middle one: what stands for the video where nobody has chosen another. */
    isDefault: p.boolean(),
    /** Asked for after the version was made. */
    isAdded: p.boolean().default(false),
    retiredAt: p.datetime().nullable().$type<Date>(),
  },
  uniques: [
    { name: 'thumbnails_position_unique', properties: ['videoId', 'version', 'position'] },
    { name: 'thumbnails_one_default', properties: ['videoId', 'version'], where: 'is_default' },
  ],
});

export class Thumbnail extends ThumbnailSchema.class {}
ThumbnailSchema.setClass(Thumbnail);
