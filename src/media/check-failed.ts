import { AppError, type ErrorDetails } from '../domain/errors.ts';

/**
 * What can be wrong with a file of ours, as `details.check` of `output-check-failed`: one name for each property that is looked
 * at before the file counts as made.
 */
export const OUTPUT_CHECKS = [
  /** It is an MP4 whose boxes add up. */
  'structure',
  /** One picture, one sound where there is any, nothing else. */
  'streams',
  'picture-codec',
  /** Width and height as planned. */
  'picture-size',
  /** Square pixels, upright as stored. */
  'picture-shape',
  'frame-count',
  /** Every frame at its time, all the same time apart. */
  'frame-interval',
  /** At the beginning of every group, and nowhere else. */
  'key-frames',
  /** As long as its frames. */
  'picture-length',
  /** As long as the picture. */
  'sound-length',
  /** The index stands before the media. */
  'fast-start',
  /** A decoder has nothing to complain of. */
  'decode',
] as const;
export type OutputCheck = (typeof OUTPUT_CHECKS)[number];

/** @returns `output-check-failed`, to be thrown; `detail` is a sentence for the uploader */
export function checkFailed(
  check: OutputCheck,
  detail: string,
  { details = {}, cause }: { details?: ErrorDetails; cause?: unknown } = {},
): AppError {
  return new AppError('output-check-failed', { check, detail, ...details }, { cause });
}
