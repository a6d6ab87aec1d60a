import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { VideoId } from '../../domain/ids.ts';
import {
  addComment,
  editComment,
  listVideoComments,
  removeComment,
} from '../../usecases/comments.ts';
import type { UseCaseDeps } from '../../usecases/deps.ts';
import type { AppEnv } from '../app-env.ts';
import { encodeCursor } from '../cursor.ts';
import { createRouter } from '../router.ts';
import { json, jsonBody, pageOf, problem } from '../schemas/answers.ts';
import { id, idText, pageQuery, text, timestamp } from '../schemas/fields.ts';

const tags = ['Comments'];

const commentSchema = z
  .object({
    id: id(),
    videoId: id(),
    authorId: id(),
    text: z.string(),
    createdAt: timestamp(),
    updatedAt: timestamp(),
  })
  .openapi('Comment');
const commentBody = z
  .strictObject({ text: text(5000).refine((value) => value.trim() !== '', 'must not be empty') })
  .openapi('CommentText');

const ofVideo = z.object({ id: idText().transform((videoId) => videoId as VideoId) });
const ofComment = ofVideo.extend({ commentId: idText() });

/** What people say about a video. Whoever may see the video may read and write; see the use cases for who may change what. */
export function createCommentRoutes(deps: UseCaseDeps): OpenAPIHono<AppEnv> {
  return createRouter()
    .openapi(listRoute, async (c) => {
      const { limit, cursor } = c.req.valid('query');
      const asked = { videoId: c.req.valid('param').id, afterId: cursor, limit };
      const page = await listVideoComments(deps, c.var.viewer, asked);
      return c.json(
        { data: page.data.map(present), nextCursor: encodeCursor('comments', page.nextId) },
        200,
      );
    })
    .openapi(commentRoute, async (c) => {
      const comment = await addComment(
        deps,
        c.var.viewer,
        c.req.valid('param').id,
        c.req.valid('json').text,
      );
      return c.json(present(comment), 201, {
        Location: `/videos/${comment.videoId}/comments/${comment.id}`,
      });
    })
    .openapi(editRoute, async (c) => {
      const { id: videoId, commentId } = c.req.valid('param');
      const comment = await editComment(
        deps,
        c.var.viewer,
        { videoId, commentId },
        c.req.valid('json').text,
      );
      return c.json(present(comment), 200);
    })
    .openapi(deleteRoute, async (c) => {
      const { id: videoId, commentId } = c.req.valid('param');
      await removeComment(deps, c.var.viewer, { videoId, commentId });
      return c.body(null, 204);
    });
}

function present(comment: Awaited<ReturnType<typeof addComment>>) {
  return {
    ...comment,
    createdAt: comment.createdAt.toISOString(),
    updatedAt: comment.updatedAt.toISOString(),
  };
}

const listRoute = createRoute({
  method: 'get',
  path: '/videos/{id}/comments',
  tags,
  summary: 'List comments, oldest first',
  request: { params: ofVideo, query: z.object(pageQuery('comments')) },
  responses: { 200: json(pageOf(commentSchema), 'A page of comments.'), default: problem },
});

const commentRoute = createRoute({
  method: 'post',
  path: '/videos/{id}/comments',
  tags,
  summary: 'Comment on a video',
  request: { params: ofVideo, body: jsonBody(commentBody) },
  responses: { 201: json(commentSchema, 'The comment.'), default: problem },
});

const editRoute = createRoute({
  method: 'patch',
  path: '/videos/{id}/comments/{commentId}',
  tags,
  summary: 'Change your own comment',
  request: { params: ofComment, body: jsonBody(commentBody) },
  responses: { 200: json(commentSchema, 'The comment as it is now.'), default: problem },
});

const deleteRoute = createRoute({
  method: 'delete',
  path: '/videos/{id}/comments/{commentId}',
  tags,
  summary: 'Remove your own comment, or any on your own video',
  request: { params: ofComment },
  responses: { 204: { description: 'It is gone.' }, default: problem },
});
