import { defineEntity, p } from '@mikro-orm/core';
import type { FragmentIndex } from '../../domain/fragment-index.ts';
import { OUTPUTS } from '../../domain/video.ts';
import { Video } from './video.ts';

/**
 * One file that a viewer can ask for by name: a rendition, or the `compressed` or `processed` version. Belongs to one version
 * of the video; `retiredAt` is when another version took its place.
 */
const VideoStreamSchema = defineEntity({
  name: 'VideoStream',
  tableName: 'video_streams',
  properties: {
    id: p.integer().primary(),
    videoId: () => p.manyToOne(Video).mapToPk().fieldName('video_id').deleteRule('cascade'),
    version: p.integer(),
    output: p.enum(OUTPUTS),
    objectKey: p.text().collation('C').index('video_streams_object_key_index'),
    sizeBytes: p.bigint('number').check('size_bytes > 0'),
    sha256: p.text(),
    widthPx: p.integer(),
    heightPx: p.integer(),
    bitrateBps: p.integer(),
    durationSeconds: p.double().$type<number>(),
    /** RFC 6381, as in `avc1.64001f,mp4a.40.2`. */
    codecs: p.text(),
    /** Null for what is not packaged. Long, so it is read only where it is asked for. */
    fragments: p.json().$type<FragmentIndex>().nullable().lazy(),
    hasFragments: p.boolean().formula((columns) => `${columns['fragments']} is not null`),
    createdAt: p.datetime().defaultRaw('now()').$type<Date>(),
    retiredAt: p.datetime().nullable().$type<Date>(),
  },
  uniques: [{ name: 'video_streams_output_unique', properties: ['videoId', 'version', 'output'] }],
  indexes: [
    {
      name: 'video_streams_retired_index',
      properties: ['videoId'],
      where: 'retired_at is not null',
    },
  ],
});

export class VideoStream extends VideoStreamSchema.class {}
VideoStreamSchema.setClass(VideoStream);
