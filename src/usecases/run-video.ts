import type { RunRecord } from '../db/run-views.ts';
import { gatherVideoFacts } from '../db/video-facts.ts';
import type { VideoRecord } from '../db/videos.ts';
import { AppError } from '../domain/errors.ts';
import { processWorkflowId, type RunIdentity, type VideoId } from '../domain/ids.ts';
import type { Profile } from '../domain/video.ts';
import type { UseCaseDeps } from './deps.ts';
import { requireVideo } from './require-video.ts';
import type { Viewer } from './viewer.ts';

type Deps = Pick<UseCaseDeps, 'database' | 'workflows'>;

/** What may be different in a new run. */
export interface RunRequest {
  readonly profile?: Profile;
  readonly thumbnailTimestamps?: readonly number[];
  readonly timeoutSeconds?: number;
}

/**
 * Asks the active run to stop; it ends by itself, as `cancelled`.
 * @throws `video-not-found`, `already-completed`, `no-active-run`, `temporal-unavailable`
 */
export async function cancelVideo(
  deps: Deps,
  viewer: Viewer,
  videoId: VideoId,
): Promise<{ workflowId: string }> {
  const { video, run } = await look(deps, viewer, videoId);
  const isActive = run?.state === 'active';
  // A run that has not claimed the video yet is known by its name only.
  if (!isActive && video.status !== 'pending') {
    throw new AppError(video.status === 'completed' ? 'already-completed' : 'no-active-run');
  }
  const workflowId = isActive ? run.workflowId : processWorkflowId(videoId);
  await deps.workflows.cancelRun(workflowId);
  return { workflowId };
}

/**
 * Makes a video anew; a published version stays live until the new one is.
 * @throws `video-not-found`, `source-missing`, `video-busy`, `temporal-unavailable`
 */
export async function reprocessVideo(
  deps: Deps,
  viewer: Viewer,
  videoId: VideoId,
  request: RunRequest,
): Promise<RunIdentity> {
  const { video, run } = await look(deps, viewer, videoId);
  return start(deps, video, run, request);
}

/**
 * Tries a video again that has failed or was cancelled.
 * @throws as `reprocessVideo`; `already-completed`, `video-busy` in other states
 */
export async function retryVideo(
  deps: Deps,
  viewer: Viewer,
  videoId: VideoId,
  request: RunRequest,
): Promise<RunIdentity> {
  const { video, run } = await look(deps, viewer, videoId);
  if (video.status === 'completed') throw new AppError('already-completed');
  if (video.status !== 'failed' && video.status !== 'cancelled') throw new AppError('video-busy');
  return start(deps, video, run, request);
}

async function look(
  deps: Deps,
  viewer: Viewer,
  videoId: VideoId,
): Promise<{ video: VideoRecord; run: RunRecord | null }> {
  return deps.database.run(async (em) => {
    const video = await requireVideo(em, videoId, viewer);
    const [facts] = await gatherVideoFacts(em, [video]);
    return { video, run: facts?.run ?? null };
  });
}

async function start(
  deps: Deps,
  video: VideoRecord,
  run: RunRecord | null,
  request: RunRequest,
): Promise<RunIdentity> {
  if (run?.state === 'active') throw new AppError('video-busy');
  if (!video.originalAvailable && video.version === null) throw new AppError('source-missing');
  const { id, ownerId, title, priority } = video;
  return deps.workflows.startRun({ id, ownerId, title, priority }, request);
}
