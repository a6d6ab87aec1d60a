import { findDeletedVideos, findWaitingVideos, type WaitingVideo } from '../db/reconcile.ts';
import { cancelWaiting, findActiveRun, lockVideo, waitAgain } from '../db/runs.ts';
import { deleteWorkflowId, processWorkflowId } from '../domain/ids.ts';
import type { Finding, ReconcilePageResult } from '../domain/reconcile-report.ts';
import type { ReconcilePage } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { eachLimited } from './each-limited.ts';
import { toResult, toRowPage } from './reconcile-page.ts';
import { ASKED_AT_ONCE, wedged } from './reconcile-runs.ts';

/** Younger rows are being started by whoever made them. */
const STARTING_SECONDS = 60;

/**
 * Starts the runs of videos that wait for one: Temporal was away when they were uploaded, or has lost them. A run that is there
 * but has not claimed its video yet is left alone.
 */
export async function startPendingVideos(
  deps: ActivityDeps,
  page: ReconcilePage,
): Promise<ReconcilePageResult> {
  const olderThanSeconds = Math.min(STARTING_SECONDS, deps.settings.reconcileGraceSeconds);
  const waiting = await deps.database.run((em) =>
    findWaitingVideos(em, { ...toRowPage(page), olderThanSeconds }),
  );
  const findings: Finding[] = [];
  const counts = { videosStarted: 0, runsRestarted: 0 };
  await eachLimited(waiting, ASKED_AT_ONCE, async (video) => {
    const workflowId = processWorkflowId(video.id);
    const latest = await deps.runDescriptions.latestRun(workflowId);
    if (latest?.state === 'open') {
      if (latest.isWedged) findings.push(wedged(video.id, workflowId));
      return;
    }
    if (latest?.status === 'CANCELLED' && video.lostRuns === 0) return endWait(deps, video);
    if (video.isProcessing) await beginWait(deps, video);
    // Whoever is not the first must say so, or a closed run of the same name would count as this one.
    const isFirst = latest === undefined && video.lostRuns === 0;
    if (!(await deps.workflows.startUpload(video, isFirst ? 'upload' : 'recover'))) return;
    counts[video.lostRuns > 0 ? 'runsRestarted' : 'videosStarted'] += 1;
    deps.logger.info({ videoId: video.id, workflowId }, 'run of a waiting video started');
  });
  return toResult(
    page,
    waiting.map(({ id }) => id),
    counts,
    findings,
  );
}

/** It was cancelled before its run had claimed it, and the run could not say so. */
function endWait(deps: ActivityDeps, { id }: WaitingVideo): Promise<void> {
  return whileWithoutRun(deps, id, (tx) => cancelWaiting(tx, id));
}

/** Said to be at work, but no run is. */
function beginWait(deps: ActivityDeps, { id }: WaitingVideo): Promise<void> {
  return whileWithoutRun(deps, id, (tx) => waitAgain(tx, id));
}

async function whileWithoutRun(
  deps: ActivityDeps,
  videoId: WaitingVideo['id'],
  write: (tx: Parameters<typeof cancelWaiting>[0]) => Promise<void>,
): Promise<void> {
  await deps.database.transact(async (tx) => {
    if ((await lockVideo(tx, videoId)) === undefined) return;
    if ((await findActiveRun(tx, videoId)) === undefined) await write(tx);
  });
}

/** Starts the removal of videos whose deletion could not be started at once. */
export async function startPendingDeletions(
  deps: ActivityDeps,
  page: ReconcilePage,
): Promise<ReconcilePageResult> {
  const deleted = await deps.database.run((em) => findDeletedVideos(em, toRowPage(page)));
  const findings: Finding[] = [];
  let started = 0;
  await eachLimited(deleted, ASKED_AT_ONCE, async (videoId) => {
    const workflowId = deleteWorkflowId(videoId);
    const latest = await deps.runDescriptions.latestRun(workflowId);
    if (latest?.state === 'open') {
      if (latest.isWedged) findings.push(wedged(videoId, workflowId));
    } else if (await deps.workflows.startDelete(videoId)) started += 1;
  });
  return toResult(page, deleted, { deletionsStarted: started }, findings);
}
