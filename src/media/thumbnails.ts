import { stat } from 'node:fs/promises';

import { AppError } from '../domain/errors.ts';
import { type FrameRate, framesPerSecond } from '../domain/frame-rate.ts';
import type { FfmpegCommand } from './ffmpeg-command.ts';
import { thumbnailArgs } from './thumbnail-args.ts';

export interface ThumbnailJob {
  /** A finished rendition; absolute. */
  readonly sourcePath: string;
  readonly frameRate: FrameRate;
  /** Of the rendition, or as planned: where it has a few less, the last one is taken. */
  readonly frames: number;
  readonly timestampSeconds: number;
  /** Absolute, ends in `.jpg`. */
  readonly outputPath: string;
}

export interface ThumbnailFile {
  readonly path: string;
  /** Where it was taken: the asked time, moved to the last frame where it lay beyond. */
  readonly timestampSeconds: number;
  readonly sizeBytes: number;
}

/**
 * Takes one JPEG out of a finished rendition, at the rendition's size. For time 0 it is the best of the first two seconds, and
 * not a black one where there is any other.
 *
 * Seeks to half a frame before the wanted one, so that rounding never lands behind it.
 * @throws as `Ffmpeg.run`; `output-check-failed` when no picture came out
 */
export async function extractThumbnail(
  runFfmpeg: (command: FfmpegCommand) => Promise<unknown>,
  job: ThumbnailJob,
): Promise<ThumbnailFile> {
  const { sourcePath, outputPath } = job;
  const rate = framesPerSecond(job.frameRate);
  const asked = Math.floor(Math.max(0, job.timestampSeconds) * rate + 0.001);
  const frame = Math.min(asked, Math.max(0, job.frames - 1));
  // The very first picture is often black. Ten a second are enough to choose from, and bound the memory.
  const chooseEvery = frame === 0 ? Math.max(1, Math.round(rate / 10)) : null;
  const atSeconds = Math.max(0, (frame - 0.5) / rate);
  const picture = { sourcePath, atSeconds, chooseEvery, outputPath };
  await runFfmpeg(thumbnailArgs({ ...picture, avoidBlack: chooseEvery !== null }));
  if (chooseEvery !== null && (await sizeOf(outputPath)) === 0)
    await runFfmpeg(thumbnailArgs(picture));
  if ((await sizeOf(outputPath)) === 0) {
    const last = { sourcePath, atSeconds: 'last', chooseEvery: null, outputPath } as const;
    await runFfmpeg(thumbnailArgs(last));
  }
  const sizeBytes = await sizeOf(outputPath);
  if (sizeBytes === 0) {
    throw new AppError('output-check-failed', { detail: 'No picture came out.', frame });
  }
  return { path: outputPath, timestampSeconds: frame / rate, sizeBytes };
}

function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}
