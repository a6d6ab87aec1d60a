import { addRunWarning, type RunWarning } from '../db/runs.ts';
import { AppError, ERRORS } from '../domain/errors.ts';
import type { WarningReport } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { asActiveRun } from './fence.ts';
import type { HeavyWork } from './heavy-work.ts';

/** What may go wrong with pictures without any harm to the video. */
const HARMLESS: readonly string[] = ['encoder', 'source', 'timeout'];
/** So often it is tried again before the pictures are given up: a single kill says nothing about them. */
const ENCODER_RETRIES = 2;

/**
 * Turns a fault of pictures into a warning of the run. Everything else goes on: cancellations, faults of the platform, which are
 * waited out, and the encoder's first ones.
 */
export async function warnOfPictures(
  deps: ActivityDeps,
  { signal, video, encoderFaults }: Pick<HeavyWork, 'signal' | 'video' | 'encoderFaults'>,
  error: unknown,
  warning: RunWarning,
): Promise<void> {
  if (signal.aborted || !isHarmless(error)) throw error;
  if (ERRORS[error.code].fault === 'encoder' && encoderFaults < ENCODER_RETRIES) throw error;
  deps.logger.warn({ videoId: video.id, err: error }, 'pictures failed');
  await warnRun(deps, { videoId: video.id, warning });
}

/** Adds a warning to the run, which goes on without what it tells of. The same code again replaces the first. */
export async function warnRun(
  deps: ActivityDeps,
  { videoId, warning }: WarningReport,
): Promise<{ code: string }> {
  await asActiveRun(deps, videoId, (tx, run) => addRunWarning(tx, run, warning));
  return { code: warning.code };
}

function isHarmless(error: unknown): error is AppError {
  return error instanceof AppError && HARMLESS.includes(ERRORS[error.code].fault);
}
