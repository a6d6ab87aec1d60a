import {
  adoptRun,
  endRun,
  findActiveRun,
  findLastMediaInfo,
  findLastRun,
  insertRun,
  isSameRun,
  lockVideo,
  type Run,
  type RunVideo,
} from '../db/runs.ts';
import { refuseImpossible } from '../domain/encoding-plan.ts';
import { AppError } from '../domain/errors.ts';
import type { RunIdentity } from '../domain/ids.ts';
import { chooseRedo } from '../domain/redo.ts';
import type { RunRequest } from '../domain/run-request.ts';
import type { RunSettings } from '../domain/run-settings.ts';
import type { RunKind } from '../domain/video.ts';
import type { Claim, ClaimRequest } from './contracts.ts';
import type { ActivityDeps, ServerSettings } from './deps.ts';
import { currentRun } from './fence.ts';
import { logQueueStatus } from './queue-status.ts';

/**
 * Makes this execution the active run of its video, or says why not. The first thing a run does; idempotent.
 *
 * A run that waits for an upload finds nothing to do once the video no longer waits: a start that Temporal repeats must not
 * revive a cancelled one.
 * @throws `video-not-found`, `video-busy` (with the workflow id of the active run), `invalid-workflow-input` (renditions are asked
 *   for that the source is known not to have)
 */
export async function claimVideo(deps: ActivityDeps, input: ClaimRequest): Promise<Claim> {
  const identity = currentRun();
  const rival = await deps.database.run((em) => findActiveRun(em, input.videoId));
  const rivalIsDead = rival !== undefined && !(await isAlive(deps, rival, identity));

  // Somebody who resets a run wants it to go on, whatever became of the video.
  const isReset = await deps.runDescriptions.isReset(identity);

  const claim = await deps.database.transact(async (tx): Promise<Claim> => {
    let video = await lockVideo(tx, input.videoId);
    if (video === undefined) throw new AppError('video-not-found', { videoId: input.videoId });
    const active = await findActiveRun(tx, input.videoId);
    if (active !== undefined) {
      if (isSameRun(active.identity, identity)) return claimed(active, video);
      if (active.id !== rival?.id || !rivalIsDead) throw busy(active);
      if (isReset && active.identity.workflowId === identity.workflowId) {
        await adoptRun(tx, active, identity);
        return claimed(active, video);
      }
      await endRun(tx, active, 'lost', null);
      video = (await lockVideo(tx, input.videoId)) ?? video;
    }
    if (input.origin !== undefined && video.status !== 'pending' && !isReset) {
      return { outcome: 'nothing-to-do', reason: `the video is ${video.status}` };
    }
    const last = await findLastRun(tx, video.id);
    const kind = chooseKind(video, last);
    const settings = takeSnapshot(deps.settings, video, { input, last, isReset });
    const info = await findLastMediaInfo(tx, video.id);
    if (info !== undefined) refuseImpossible(info, settings);
    return claimed(await insertRun(tx, video, { identity, kind, settings }), video);
  });
  deps.logger.info({ ...identity, videoId: input.videoId, outcome: claim.outcome }, 'run started');
  await logQueueStatus(deps);
  return claim;
}

/** A reset leaves the old execution's row behind; it counts as dead, and its successor goes on with it. */
async function isAlive(deps: ActivityDeps, rival: Run, identity: RunIdentity): Promise<boolean> {
  const latest = await deps.runDescriptions.latestRun(rival.identity.workflowId);
  if (latest?.state !== 'open') return false;
  return latest.runId !== identity.runId;
}

function busy(active: Run): AppError {
  return new AppError('video-busy', {
    detail: `The run ${active.identity.workflowId} is working on this video.`,
    workflowId: active.identity.workflowId,
    runId: active.identity.runId,
  });
}

function chooseKind(video: RunVideo, last: Run | undefined): RunKind {
  if (video.version !== null) return 'reprocess';
  return last === undefined ? 'upload' : 'retry';
}

/**
 * The settings of a new run: what is asked for, else what the server says.
 *
 * A run in the place of one that the workflow server has lost does what that one was asked for. What a run before it was to make
 * anew, and has made, need not be made once more: with the same wish a run goes on from one that did not come to its end, or that
 * it is a reset of.
 */
function takeSnapshot(
  server: ServerSettings,
  video: RunVideo,
  { input, last, isReset }: { input: ClaimRequest; last: Run | undefined; isReset: boolean },
): RunSettings {
  const request = input.origin === 'recover' && last?.state === 'lost' ? asked(last) : input;
  const { skip = [] } = request;
  const goesOn = last !== undefined && (isReset || last.state !== 'completed');
  const redo = chooseRedo(request, {
    version: video.lastVersion + 1,
    earlier: goesOn ? last.settings.redo : undefined,
  });
  return {
    profile: request.profile ?? video.profile,
    crf: server.crf,
    preset: server.preset,
    timeoutSeconds: request.timeoutSeconds ?? server.timeoutSeconds,
    maxDurationSeconds: server.maxDurationSeconds,
    onTruncated: server.onTruncated,
    thumbnailTimestamps: request.thumbnailTimestamps ?? video.thumbnailTimestamps,
    platformFaultPatienceSeconds: server.platformFaultPatienceSeconds,
    lanes: server.lanes,
    threads: server.threads,
    ffmpegMemoryMb: server.ffmpegMemoryMb,
    decodeCheck: server.decodeCheck,
    // What was left out can only be made later where the original is.
    keepOriginal: server.keepOriginal || skip.length > 0,
    ...(skip.length > 0 && { skip }),
    ...(redo && { redo }),
  };
}

/** What a run was asked for, out of its snapshot. */
function asked({ settings }: Run): RunRequest {
  const { profile, timeoutSeconds, thumbnailTimestamps, skip, redo } = settings;
  return {
    profile,
    timeoutSeconds,
    ...(thumbnailTimestamps && { thumbnailTimestamps }),
    ...(skip && { skip }),
    ...(redo && { from: redo.from }),
    ...(redo?.renditions && { renditions: redo.renditions }),
  };
}

function claimed(run: Run, video: RunVideo): Claim {
  return {
    outcome: 'claimed',
    version: run.version,
    kind: run.kind,
    ownerId: video.ownerId,
    title: video.title,
    priority: video.priority,
    settings: run.settings,
  };
}
