import {
  type CommentRecord,
  deleteComment,
  findComment,
  insertComment,
  listComments,
  updateComment,
} from '../db/comments.ts';
import type { EntityManager } from '../db/orm.ts';
import { AppError } from '../domain/errors.ts';
import type { VideoId } from '../domain/ids.ts';
import { type Page, toPage, type UseCaseDeps } from './deps.ts';
import { requireVideo } from './require-video.ts';
import { isAdmin, type Viewer } from './viewer.ts';

type Deps = Pick<UseCaseDeps, 'database'>;

/** Which comment is meant. */
export interface CommentAddress {
  readonly videoId: VideoId;
  readonly commentId: number;
}

/** Comments of a video that the viewer may see, oldest first. @throws `video-not-found` */
export async function listVideoComments(
  deps: Deps,
  viewer: Viewer,
  { videoId, afterId, limit }: { videoId: VideoId; afterId: number | undefined; limit: number },
): Promise<Page<CommentRecord>> {
  return deps.database.run(async (em) => {
    await requireVideo(em, videoId, viewer);
    const rows = await listComments(em, { videoId, afterId, limit: limit + 1 });
    return toPage(rows, limit, (comment) => comment.id);
  });
}

/** @throws `video-not-found` */
export async function addComment(
  deps: Deps,
  viewer: Viewer,
  videoId: VideoId,
  text: string,
): Promise<CommentRecord> {
  return deps.database.run(async (em) => {
    await requireVideo(em, videoId, viewer);
    const commentId = await insertComment(em, { videoId, authorId: viewer.userId, text });
    return requireComment(em, { videoId, commentId });
  });
}

/** Only by its author. @throws `video-not-found`, `comment-not-found`, `permission-denied` */
export async function editComment(
  deps: Deps,
  viewer: Viewer,
  address: CommentAddress,
  text: string,
): Promise<CommentRecord> {
  return deps.database.run(async (em) => {
    await requireVideo(em, address.videoId, viewer);
    const comment = await requireComment(em, address);
    if (comment.authorId !== viewer.userId) throw new AppError('permission-denied');
    await updateComment(em, comment.id, text);
    return requireComment(em, address);
  });
}

/** By its author, the video's owner or an administrator. @throws as `editComment` */
export async function removeComment(
  deps: Deps,
  viewer: Viewer,
  address: CommentAddress,
): Promise<void> {
  await deps.database.run(async (em) => {
    const video = await requireVideo(em, address.videoId, viewer);
    const comment = await requireComment(em, address);
    const may =
      comment.authorId === viewer.userId || video.ownerId === viewer.userId || isAdmin(viewer);
    if (!may) throw new AppError('permission-denied');
    await deleteComment(em, comment.id);
  });
}

async function requireComment(
  em: EntityManager,
  { videoId, commentId }: CommentAddress,
): Promise<CommentRecord> {
  const comment = await findComment(em, videoId, commentId);
  if (comment === undefined) throw new AppError('comment-not-found');
  return comment;
}
