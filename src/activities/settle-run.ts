import { Context } from '@temporalio/activity';
import { removeVersion } from '../db/outputs.ts';
import { removeUnpublishedPieces, withoutOwner } from '../db/pieces.ts';
import { cancelWaiting, endRun, type Fenced, writeAsActiveRun } from '../db/runs.ts';
import { AppError, ERRORS } from '../domain/errors.ts';
import { FAULTS } from '../domain/faults.ts';
import type { Failure } from '../domain/failure.ts';
import type { FailureReport, Orphans, VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { currentRun } from './fence.ts';
import { logQueueStatus } from './queue-status.ts';
import { toApplicationFailure } from './to-application-failure.ts';

const NOTHING: Orphans = { keys: [] };
/** A fault that is not the database's absence does not go away; reconcile settles the row later. */
const MOST_ATTEMPTS = 10;

/**
 * Marks the run and, where nothing is published, the video as failed. The original and published versions are not touched.
 *
 * A source that can never work leaves nothing behind; after any other fault the finished pieces stay, so that a retry goes on
 * where this run stopped. A run that is no longer the active one has nothing to settle.
 */
export function markFailed(deps: ActivityDeps, report: FailureReport): Promise<Orphans> {
  const failure: Failure = {
    code: report.code,
    title: ERRORS[report.code].title,
    detail: report.detail,
    step: report.step,
    attempt: report.attempt,
    at: new Date().toISOString(),
    diagnostics: report.diagnostics,
  };
  const { keepsPieces } = FAULTS[ERRORS[report.code].fault];
  deps.logger.error(
    {
      ...currentRun(),
      videoId: report.videoId,
      errorCode: report.code,
      step: report.step,
      detail: report.detail,
    },
    'run failed',
  );
  return settle(deps, report, { state: 'failed', failure, keepsPieces });
}

/** Marks the run and, where nothing is published, the video as cancelled; everything of the run goes. */
export function markCancelled(deps: ActivityDeps, input: VideoRef): Promise<Orphans> {
  deps.logger.info({ ...currentRun(), videoId: input.videoId }, 'run cancelled');
  return settle(deps, input, {
    state: 'cancelled',
    failure: null,
    keepsPieces: FAULTS.cancelled.keepsPieces,
  });
}

async function settle(
  deps: ActivityDeps,
  { videoId }: VideoRef,
  ending: { state: 'failed' | 'cancelled'; failure: Failure | null; keepsPieces: boolean },
): Promise<Orphans> {
  try {
    const settled: Fenced<Orphans> = await deps.database.transact(async (tx) => {
      const fenced = await writeAsActiveRun(tx, videoId, currentRun(), async (run) => {
        await endRun(tx, run, ending.state, ending.failure);
        const ofVersion = await removeVersion(tx, videoId, run.version);
        const ofPieces = ending.keepsPieces ? [] : await removeUnpublishedPieces(tx, videoId);
        return { keys: await withoutOwner(tx, [...ofVersion, ...ofPieces]) };
      });
      const isUnclaimed = fenced.outcome === 'not-active' && fenced.active === undefined;
      if (isUnclaimed && ending.state === 'cancelled') await cancelWaiting(tx, videoId);
      return fenced;
    });
    await logQueueStatus(deps);
    return settled.outcome === 'written' ? settled.value : NOTHING;
  } catch (error) {
    const isAway = error instanceof AppError && error.code === 'database-unavailable';
    const hasGivenUp = !isAway && Context.current().info.attempt >= MOST_ATTEMPTS;
    const known =
      error instanceof AppError ? error : new AppError('internal-error', {}, { cause: error });
    throw toApplicationFailure(known, { nonRetryable: hasGivenUp });
  }
}
