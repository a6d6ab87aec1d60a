import { defineEntity, p } from '@mikro-orm/core';
import { User } from './user.ts';
import { Video } from './video.ts';

const CommentSchema = defineEntity({
  name: 'Comment',
  tableName: 'comments',
  properties: {
    id: p.integer().primary(),
    videoId: () => p.manyToOne(Video).mapToPk().fieldName('video_id').deleteRule('cascade'),
    authorId: () =>
      p
        .manyToOne(User)
        .mapToPk()
        .fieldName('author_id')
        .deleteRule('cascade')
        .index('comments_author_index'),
    text: p.text(),
    createdAt: p.datetime().defaultRaw('now()').$type<Date>(),
    updatedAt: p.datetime().defaultRaw('now()').$type<Date>(),
  },
  indexes: [{ name: 'comments_video_index', properties: ['videoId', 'id'] }],
});

export class Comment extends CommentSchema.class {}
CommentSchema.setClass(Comment);
