import type { VideoId } from '../domain/ids.ts';
import { Comment } from './entities/comment.ts';
import type { EntityManager } from './orm.ts';

export interface CommentRecord {
  readonly id: number;
  readonly videoId: number;
  readonly authorId: number;
  readonly text: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Oldest first. */
export async function listComments(
  em: EntityManager,
  page: { videoId: VideoId; afterId: number | undefined; limit: number },
): Promise<readonly CommentRecord[]> {
  const where = {
    videoId: page.videoId,
    ...(page.afterId === undefined ? {} : { id: { $gt: page.afterId } }),
  };
  const options = { orderBy: { id: 'asc' }, limit: page.limit, disableIdentityMap: true } as const;
  return (await em.find(Comment, where, options)).map(toRecord);
}

export async function findComment(
  em: EntityManager,
  videoId: VideoId,
  id: number,
): Promise<CommentRecord | undefined> {
  const comment = await em.findOne(Comment, { id, videoId }, { disableIdentityMap: true });
  return comment === null ? undefined : toRecord(comment);
}

export async function insertComment(
  em: EntityManager,
  comment: { videoId: VideoId; authorId: number; text: string },
): Promise<number> {
  return (await em.insert(Comment, comment)) as number;
}

export async function updateComment(em: EntityManager, id: number, text: string): Promise<void> {
  await em.nativeUpdate(Comment, { id }, { text, updatedAt: new Date() });
}

export async function deleteComment(em: EntityManager, id: number): Promise<void> {
  await em.nativeDelete(Comment, { id });
}

function toRecord(comment: Comment): CommentRecord {
  return {
    id: comment.id,
    videoId: comment.videoId,
    authorId: comment.authorId,
    text: comment.text,
    createdAt: comment.createdAt,
    updatedAt: comment.updatedAt,
  };
}
