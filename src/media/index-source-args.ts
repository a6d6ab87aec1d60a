import {
  type FfmpegCommand,
  formatSeconds,
  NO_METADATA,
  SIZE_FLOOR_BYTES,
} from './ffmpeg-command.ts';
import { UPLOAD_INPUT_FLAGS } from './input-flags.ts';

/** A picture in a container without an index, copied into one that has: there a chunk finds its first frame. */
export interface IndexSource {
  readonly sourcePath: string;
  readonly videoStreamIndex: number;
  /** The source's first timestamp: the copy's zero. */
  readonly startSeconds: number;
  /** Of the source: a copy cannot be much larger. */
  readonly sizeBytes: number;
  readonly outputPath: string;
}

/** A copy has one stream. */
export const COPIED_STREAM_INDEX = 0;

/**
 * Copies every packet of the picture into Matroska. Its clock is the source's, counted from the first timestamp of any stream, so
 * that origin and frame grid of the plan hold for the copy too. Never for MP4 and QuickTime: display matrix and edit lists would be lost.
 *
 * Packets before the first key frame go along, and negative decoding times stay: both would move the first picture.
 */
export function indexSourceArgs(copy: IndexSource): FfmpegCommand {
  return {
    inputs: [
      {
        options: [...UPLOAD_INPUT_FLAGS, '-fflags', '+genpts', '-copyts'],
        path: copy.sourcePath,
      },
    ],
    outputs: [
      {
        options: [
          '-map',
          `0:${copy.videoStreamIndex}`,
          '-c',
          'copy',
          '-copyinkf',
          '-an',
          '-sn',
          '-dn',
          ...NO_METADATA,
          '-output_ts_offset',
          formatSeconds(-copy.startSeconds),
          '-avoid_negative_ts',
          'disabled',
          '-fs',
          String(SIZE_FLOOR_BYTES + copy.sizeBytes * 2),
          '-f',
          'matroska',
        ],
        path: copy.outputPath,
      },
    ],
  };
}
