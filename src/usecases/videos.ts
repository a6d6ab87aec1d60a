import type { EntityManager } from '../db/orm.ts';
import { listActiveRuns } from '../db/run-views.ts';
import { gatherVideoFacts } from '../db/video-facts.ts';
import {
  listVideos,
  markVideoDeleted,
  updateVideo,
  type VideoChanges,
  type VideoFilter,
  type VideoRecord,
} from '../db/videos.ts';
import { AppError } from '../domain/errors.ts';
import { deleteWorkflowId, type VideoId } from '../domain/ids.ts';
import type { RunKind, Stage, Visibility } from '../domain/video.ts';
import { requireCategoryField } from './categories.ts';
import { type Page, toPage, type UseCaseDeps } from './deps.ts';
import { presentStage, presentVideo, type VideoView } from './present-video.ts';
import { requireVideo } from './require-video.ts';
import { isAdmin, type Viewer } from './viewer.ts';

type Deps = Pick<UseCaseDeps, 'database' | 'workflows' | 'now'>;

/** @throws `video-not-found` */
export async function getVideo(
  deps: Pick<Deps, 'database' | 'now'>,
  viewer: Viewer,
  videoId: VideoId,
): Promise<VideoView> {
  return deps.database.snapshot(async (em) =>
    viewOf(em, await requireVideo(em, videoId, viewer), deps.now()),
  );
}

/**
 * Newest first. Members see their own; administrators all, or one owner's.
 * @throws `permission-denied` when a member asks for somebody else's
 */
export async function listVisibleVideos(
  deps: Pick<Deps, 'database' | 'now'>,
  viewer: Viewer,
  { limit, ...filter }: VideoFilter & { readonly limit: number },
): Promise<Page<VideoView>> {
  const mayAskFor =
    filter.ownerId === undefined || filter.ownerId === viewer.userId || isAdmin(viewer);
  if (!mayAskFor)
    throw new AppError('permission-denied', {
      detail: 'Only administrators see the videos of others.',
    });
  const ownerId = isAdmin(viewer) ? filter.ownerId : viewer.userId;
  return deps.database.snapshot(async (em) => {
    const rows = await listVideos(em, { ...filter, ownerId }, limit + 1);
    const page = toPage(rows, limit, (video) => video.id);
    const facts = await gatherVideoFacts(em, page.data);
    return { ...page, data: facts.map((each) => presentVideo(each, deps.now())) };
  });
}

/** @throws `video-not-found`, `visibility-not-available`, `validation-failed` for a category that is not there */
export async function changeVideo(
  deps: Pick<Deps, 'database' | 'now'>,
  viewer: Viewer,
  videoId: VideoId,
  { visibility, ...changes }: VideoChanges & { readonly visibility?: Visibility },
): Promise<VideoView> {
  return deps.database.run(async (em) => {
    await requireVideo(em, videoId, viewer);
    if (visibility !== undefined && visibility !== 'private')
      throw new AppError('visibility-not-available');
    if (typeof changes.categoryId === 'number')
      await requireCategoryField(em, changes.categoryId, 'categoryId');
    await updateVideo(em, videoId, changes);
    return viewOf(em, await requireVideo(em, videoId, viewer), deps.now());
  });
}

/**
 * Hides a video from everybody at once; its rows and files are removed by a workflow, later if that cannot be started now.
 * @throws `video-not-found`, also for one that is deleted already
 */
export async function deleteVideo(
  deps: Deps,
  viewer: Viewer,
  videoId: VideoId,
): Promise<{ readonly workflowId: string; readonly removalStarted: boolean }> {
  const marked = await deps.database.run(async (em) => {
    await requireVideo(em, videoId, viewer);
    return markVideoDeleted(em, videoId, deps.now());
  });
  if (!marked) throw new AppError('video-not-found');
  const removalStarted = await deps.workflows.startDelete(videoId);
  return { workflowId: deleteWorkflowId(videoId), removalStarted };
}

/** One line of the queue. */
export interface QueueEntryView {
  readonly videoId: VideoId;
  readonly title: string;
  readonly ownerId: number;
  readonly kind: RunKind;
  readonly stage: Stage;
  readonly progressPercent: number;
  readonly waitingFor: string | null;
  readonly workflowId: string;
  readonly runId: string;
  readonly startedAt: string;
}

/** The newest runs that are not over, newest first: everybody's for an administrator, else the viewer's own. */
export async function listQueue(
  deps: Pick<Deps, 'database' | 'now'>,
  viewer: Viewer,
  limit: number,
): Promise<readonly QueueEntryView[]> {
  const entries = await deps.database.run((em) =>
    listActiveRuns(em, isAdmin(viewer) ? undefined : viewer.userId, limit),
  );
  return entries.map(({ run, title, ownerId }) => ({
    videoId: run.videoId,
    title,
    ownerId,
    kind: run.kind,
    stage: presentStage(run, deps.now()),
    progressPercent: run.progressPercent,
    waitingFor: run.waitingFor,
    workflowId: run.workflowId,
    runId: run.runId,
    startedAt: run.startedAt.toISOString(),
  }));
}

async function viewOf(em: EntityManager, video: VideoRecord, now: Date): Promise<VideoView> {
  const [facts] = await gatherVideoFacts(em, [video]);
  if (facts === undefined) throw new Error('one video has one set of facts');
  return presentVideo(facts, now);
}
