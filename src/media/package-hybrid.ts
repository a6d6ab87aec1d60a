import { type FileHandle, open } from 'node:fs/promises';
import type { FragmentIndex } from '../domain/fragment-index.ts';
import { AppError } from '../domain/errors.ts';
import type { FrameRate } from '../domain/frame-rate.ts';
import { makeHeader, readFully } from './boxes.ts';
import { checkFailed } from './check-failed.ts';
import { cutFragments, makeMoof } from './fragments.ts';
import { type HybridLayout, layOutHybrid } from './hybrid-layout.ts';
import { readMp4Head } from './mp4-boxes.ts';
import type { Sample } from './sample-table.ts';

export interface PackagingJob {
  /** A finished MP4: H.264, and AAC where there is sound. Absolute. */
  readonly sourcePath: string;
  /** Must not be there yet. Absolute. */
  readonly outputPath: string;
  /** Of the picture, told to players. */
  readonly frameRate: FrameRate;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes the file that viewers get of a rendition, and tells where players find its fragments.
 * @throws `output-check-failed` when the source is not what it should be; `disk-full`
 */
export type Packager = (job: PackagingJob) => Promise<FragmentIndex>;

/**
 * Packages as a hybrid MP4 (see hybrid-layout.ts) by one walk over the source's samples.
 *
 * Holds the source's index and a window of media, never the media as a whole. Every sample keeps its bytes and its times.
 */
export const packageHybrid: Packager = async ({ sourcePath, outputPath, frameRate, signal }) => {
  await using source = await open(sourcePath);
  const layout = await readLayout(source, frameRate);
  try {
    await using output = await open(outputPath, 'wx', 0o600);
    await output.writeFile(layout.head);
    const copySamples = createSampleCopier(source, output);
    for (const fragment of cutFragments(layout.video, layout.audio)) {
      signal?.throwIfAborted();
      const mediaBytes = fragment.samples.reduce((sum, sample) => sum + sample.sizeBytes, 0);
      await output.writeFile(Buffer.concat([makeMoof(fragment), makeHeader('mdat', mediaBytes)]));
      await copySamples(fragment.samples);
    }
  } catch (error) {
    throw isDiskFull(error) ? new AppError('disk-full', {}, { cause: error }) : error;
  }
  return layout.index;
};

async function readLayout(source: FileHandle, frameRate: FrameRate): Promise<HybridLayout> {
  const head = await readMp4Head(source);
  try {
    return layOutHybrid(head, frameRate);
  } catch (cause) {
    const detail = `The joined file cannot be packaged: ${cause instanceof Error ? cause.message : String(cause)}.`;
    throw checkFailed('structure', detail, { cause });
  }
}

const WINDOW_BYTES = 4 * 1024 * 1024;

/**
 * Writes samples one after the other at the output's end.
 *
 * Picture and sound lie mixed in the source, a few samples each, so that one read brings what stands between them as well and the
 * wanted bytes are moved together.
 */
function createSampleCopier(
  source: FileHandle,
  output: FileHandle,
): (samples: readonly Sample[]) => Promise<void> {
  let window = Buffer.allocUnsafe(WINDOW_BYTES);
  return async (samples) => {
    for (let first = 0; first < samples.length;) {
      const from = samples[first]?.offsetBytes ?? 0;
      let end = from;
      let last = first;
      for (; last < samples.length; last += 1) {
        const sample = samples[last];
        const isNext = sample !== undefined && sample.offsetBytes >= end;
        if (!isNext || (last > first && endOf(sample) - from > WINDOW_BYTES)) break;
        end = endOf(sample);
      }
      if (end - from > window.length) window = Buffer.allocUnsafe(end - from);
      await readFully(source, window.subarray(0, end - from), from);
      let filled = 0;
      for (const { offsetBytes, sizeBytes } of samples.slice(first, last)) {
        window.copyWithin(filled, offsetBytes - from, offsetBytes - from + sizeBytes);
        filled += sizeBytes;
      }
      await output.writeFile(window.subarray(0, filled));
      first = last;
    }
  };
}

function endOf({ offsetBytes, sizeBytes }: Sample): number {
  return offsetBytes + sizeBytes;
}

function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}
