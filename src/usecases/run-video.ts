import type { RunRecord } from '../db/run-views.ts';
import { findLastMediaInfo } from '../db/runs.ts';
import { gatherVideoFacts } from '../db/video-facts.ts';
import type { VideoRecord } from '../db/videos.ts';
import { AppError } from '../domain/errors.ts';
import { processWorkflowId, type RunIdentity, type VideoId } from '../domain/ids.ts';
import { offeredQualities } from '../domain/rendition-ladder.ts';
import {
  findContradiction,
  findImpossible,
  type RequestFault,
  type RunRequest,
} from '../domain/run-request.ts';
import type { UseCaseDeps } from './deps.ts';
import { requireVideo } from './require-video.ts';
import type { Viewer } from './viewer.ts';

type Deps = Pick<UseCaseDeps, 'database' | 'workflows'>;

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
 * @throws `video-not-found`, `source-missing`, `video-busy` (with the workflow id of the run that is), `validation-failed` (what
 *   is asked for contradicts itself, or the source does not have it), `temporal-unavailable`
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
  if (video.status !== 'failed' && video.status !== 'cancelled') throw busy(video, run);
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
  if (run?.state === 'active') throw busy(video, run);
  if (!video.originalAvailable && video.version === null) throw new AppError('source-missing');
  const fault = findContradiction(request) ?? (await findMissing(deps, video, request));
  if (fault !== undefined) {
    const { field: path, detail: message } = fault;
    throw new AppError('validation-failed', { errors: [{ path, message }] });
  }
  const { id, ownerId, title, priority } = video;
  return deps.workflows.startRun({ id, ownerId, title, priority }, request);
}

/** A run that has not claimed the video yet is known by its name only. */
function busy(video: VideoRecord, run: RunRecord | null): AppError {
  const workflowId = run?.state === 'active' ? run.workflowId : processWorkflowId(video.id);
  const detail = `The run ${workflowId} is working on this video.`;
  return new AppError('video-busy', { detail, workflowId });
}

/** What the source does not have, as far as it was probed before. */
async function findMissing(
  { database }: Deps,
  { id, profile }: VideoRecord,
  request: RunRequest,
): Promise<RequestFault | undefined> {
  const info = await database.run((em) => findLastMediaInfo(em, id));
  if (info === undefined) return undefined;
  const { displayWidthPx: widthPx, displayHeightPx: heightPx } = info.video;
  const offered = offeredQualities({ profile: request.profile ?? profile, widthPx, heightPx });
  return findImpossible(request, offered);
}
