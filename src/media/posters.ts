import { stat } from 'node:fs/promises';
import { AppError } from '../domain/errors.ts';
import type { FfmpegCommand } from './ffmpeg-command.ts';
import { type OwnPosterJob, ownPosterArgs } from './picture-args.ts';

/** What the kernel lets a decoder of uploaded pictures have: the largest that is let in needs 380 MB. */
export const PICTURE_DATA_BYTES = 512 * 1024 ** 2;
/** What the largest takes, a PNG of 35 megapixels with 16 bits a channel, with a little to spare; it has one thread anyway. */
export const OWN_POSTER_MEMORY_MB = 400;
/** Of tool time. A picture that takes longer is a trick. */
export const PICTURE_BUDGET_MS = 60_000;

/**
 * Makes a JPEG of ours out of an uploaded picture.
 * @throws `source-too-large-picture`; `poster-unreadable` for everything else that is wrong with the file; `disk-full`
 */
export async function makeOwnPoster(
  runFfmpeg: (command: FfmpegCommand) => Promise<unknown>,
  job: OwnPosterJob,
): Promise<void> {
  try {
    await runFfmpeg(ownPosterArgs(job));
  } catch (error) {
    throw isFaultOfFile(error) ? new AppError('poster-unreadable', {}, { cause: error }) : error;
  }
  const sizeBytes = await stat(job.outputPath).then(
    ({ size }) => size,
    () => 0,
  );
  if (sizeBytes === 0) throw new AppError('poster-unreadable');
}

/** One that needs more memory or time than any honest picture is at fault, too. */
const FAULTS_OF_FILE: readonly string[] = [
  'source-unreadable',
  'source-truncated',
  'source-format-not-allowed',
  'source-codec-unsupported',
  'encoder-failed',
  'encoder-stalled',
  'encoder-out-of-memory',
  'processing-timeout',
];

function isFaultOfFile(error: unknown): boolean {
  return error instanceof AppError && FAULTS_OF_FILE.includes(error.code);
}
