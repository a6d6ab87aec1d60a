import { Context } from '@temporalio/activity';
import { reportWaiting } from '../db/runs.ts';
import { AppError, ERRORS } from '../domain/errors.ts';
import type { VideoId } from '../domain/ids.ts';
import type { VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { currentRun } from './fence.ts';
import { ASK_FOR_DISK_AGAIN_MS } from './reserve-disk.ts';
import { toApplicationFailure } from './to-application-failure.ts';

/** Faults of the platform are waited out in plain sight, for as long as the settings allow; then they end the run. */

const PLATFORM_RETRY_MS = 15_000;

export interface PlatformFault {
  readonly videoId: VideoId;
  readonly fault: AppError;
  /** Since the first of such faults in a row. */
  readonly waitedMs: number;
  readonly patienceSeconds: number;
}

/** @returns what the activity is to throw */
export async function waitForPlatform(
  deps: ActivityDeps,
  { videoId, fault, waitedMs, patienceSeconds }: PlatformFault,
): Promise<unknown> {
  const waitsForDisk = fault.code === 'waiting-for-disk';
  if (waitedMs >= patienceSeconds * 1000) {
    // The wait is over: what a failed video is told is the reason.
    const reason = waitsForDisk ? new AppError('disk-full', fault.details) : fault;
    return toApplicationFailure(reason, { nonRetryable: true });
  }
  const nextRetryDelayMs = waitsForDisk ? ASK_FOR_DISK_AGAIN_MS : PLATFORM_RETRY_MS;
  return tellWait(deps, videoId, fault, nextRetryDelayMs);
}

/** Writes what is awaited, and when it is tried again, where everybody sees it. @returns what the activity is to throw */
export async function tellWait(
  { database }: Pick<ActivityDeps, 'database'>,
  videoId: VideoId,
  fault: AppError,
  nextRetryDelayMs: number,
): Promise<unknown> {
  const { errno } = fault.details;
  const reason = typeof errno === 'string' ? ` (${errno})` : '';
  const next = new Date(Date.now() + nextRetryDelayMs).toISOString().slice(11, 19);
  const waitingFor = `${fault.code}: ${fault.message}${reason}, next try ${next} UTC`;
  await database
    .run((em) => reportWaiting(em, videoId, currentRun(), waitingFor))
    .catch(() => undefined);
  return toApplicationFailure(fault, { nonRetryable: false, nextRetryDelayMs });
}

/**
 * A short activity of a run that looks at the store.
 *
 * A database that is away is asked again and again, for as long as it takes: that is nobody's failure.
 * @param patienceSeconds  for the store
 */
export function visibly<Input extends VideoRef, Output>(
  deps: ActivityDeps,
  activity: (deps: ActivityDeps, input: Input) => Promise<Output>,
  patienceSeconds: number = deps.settings.platformFaultPatienceSeconds,
): (input: Input) => Promise<Output> {
  return async (input) => {
    const { attempt, scheduledTimestampMs } = Context.current().info;
    const { videoId } = input;
    try {
      const output = await activity(deps, input);
      if (attempt > 1)
        await deps.database.run((em) => reportWaiting(em, videoId, currentRun(), null));
      return output;
    } catch (error) {
      if (!isOfStore(error)) throw toApplicationFailure(error);
      const waitedMs = Date.now() - scheduledTimestampMs;
      throw await waitForPlatform(deps, { videoId, fault: error, waitedMs, patienceSeconds });
    }
  };
}

function isOfStore(error: unknown): error is AppError {
  return (
    error instanceof AppError &&
    ERRORS[error.code].fault === 'platform' &&
    error.code !== 'database-unavailable'
  );
}
