import { addRunWarning, type RunWarning } from '../db/runs.ts';
import { AppError, ERRORS } from '../domain/errors.ts';
import type { ActivityDeps } from './deps.ts';
import { asActiveRun } from './fence.ts';
import type { HeavyWork } from './heavy-work.ts';

/** What may go wrong with pictures without any harm to the video. */
const HARMLESS: readonly string[] = ['encoder', 'source', 'timeout'];

/**
 * Turns a fault of pictures into a warning of the run. Everything else goes on: cancellations, and faults of the platform, which
 * are waited out.
 */
export async function warnOfPictures(
  deps: ActivityDeps,
  { signal, video }: Pick<HeavyWork, 'signal' | 'video'>,
  error: unknown,
  warning: RunWarning,
): Promise<void> {
  if (signal.aborted || !isHarmless(error)) throw error;
  deps.logger.warn({ videoId: video.id, err: error }, 'pictures failed');
  await asActiveRun(deps, video.id, (tx, run) => addRunWarning(tx, run, warning));
}

function isHarmless(error: unknown): error is AppError {
  return error instanceof AppError && HARMLESS.includes(ERRORS[error.code].fault);
}
