import path from 'node:path';
import { AppError, ERRORS, type ErrorDetails } from '../domain/errors.ts';
import { checkFailed } from './check-failed.ts';
import type { FfmpegCommand } from './ffmpeg-command.ts';
import type { FfmpegRun } from './ffmpeg.ts';
import { OWN_INPUT_FLAGS } from './input-flags.ts';

/** A file of ours. */
export interface DecodeJob {
  /** Absolute. */
  readonly sourcePath: string;
  readonly hasAudio: boolean;
}

const STDERR_CHARACTERS = 2048;

/**
 * Plays a finished file from its first frame to its last without looking. ffmpeg stops at a frame that came out damaged, and
 * complains of what it could mend; a file that we have made gives no cause for either.
 * @throws `output-check-failed` with the decoder's words; else as `Ffmpeg.run`
 */
export async function verifyDecodes(
  runFfmpeg: (command: FfmpegCommand) => Promise<FfmpegRun>,
  job: DecodeJob,
): Promise<void> {
  let complaints: string;
  try {
    complaints = (await runFfmpeg(decodeArgs(job))).stderr.trim();
  } catch (error) {
    throw isAboutFile(error) ? decodeFailed(error.details, error) : error;
  }
  if (complaints !== '') throw decodeFailed({ stderrTail: complaints.slice(-STDERR_CHARACTERS) });
}

/** Nothing is written: the output only has to have a name. */
export function decodeArgs({ sourcePath, hasAudio }: DecodeJob): FfmpegCommand {
  const maps = ['-map', '0:v:0', ...(hasAudio ? ['-map', '0:a:0'] : [])];
  return {
    inputs: [{ options: [...OWN_INPUT_FLAGS, '-xerror'], path: sourcePath }],
    outputs: [
      {
        options: [...maps, '-fps_mode', 'passthrough', '-f', 'null'],
        path: path.join(path.dirname(sourcePath), 'decoded'),
      },
    ],
  };
}

/** Words that elsewhere mean a damaged upload are about our own file here. */
function isAboutFile(error: unknown): error is AppError {
  if (!(error instanceof AppError)) return false;
  return error.code === 'encoder-failed' || ERRORS[error.code].fault === 'source';
}

function decodeFailed(details: ErrorDetails, cause?: unknown): AppError {
  return checkFailed('decode', 'The finished file cannot be played without errors.', {
    details,
    cause,
  });
}
