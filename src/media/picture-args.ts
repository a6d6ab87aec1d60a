import type { PosterFormat } from '../domain/pictures.ts';
import type { StoryboardLayout } from '../domain/storyboard.ts';
import type { FfmpegCommand } from './ffmpeg-command.ts';
import { OWN_INPUT_FLAGS, pictureInputFlags } from './input-flags.ts';

/** The sheets of a storyboard out of a finished rendition, in one run. */
export interface StoryboardSheets {
  /** Its key frames lie exactly `gopFrames` apart: that was verified. */
  readonly sourcePath: string;
  readonly gopFrames: number;
  readonly layout: StoryboardLayout;
  /** Absolute, with `%d` for the number of the sheet, from 0. */
  readonly outputPattern: string;
}

/** Only key frames are decoded; of each stretch of time the first one is taken. */
export function storyboardArgs(job: StoryboardSheets): FfmpegCommand {
  const { sourcePath, gopFrames, layout, outputPattern } = job;
  const { everyFrames, columns, rows, tileWidthPx, tileHeightPx } = layout;
  const filters = [
    `select=gte(n*${gopFrames}\\,selected_n*${everyFrames})`,
    `scale=${tileWidthPx}:${tileHeightPx}:flags=bicubic`,
    'setsar=1',
    `tile=${columns}x${rows}`,
  ];
  return {
    inputs: [{ options: [...OWN_INPUT_FLAGS, '-skip_frame', 'nokey'], path: sourcePath }],
    outputs: [
      {
        options: [
          '-map',
          '0:v:0',
          '-an',
          '-map_metadata',
          '-1',
          '-vf',
          filters.join(','),
          // Without it ffmpeg repeats pictures to keep a rate.
          '-fps_mode',
          'passthrough',
          '-q:v',
          '5',
          '-start_number',
          '0',
          '-f',
          'image2',
        ],
        path: outputPattern,
      },
    ],
  };
}

/** A poster out of somebody's own picture. */
export interface OwnPosterJob {
  /** As it was uploaded: hostile until it has been decoded. */
  readonly sourcePath: string;
  /** What its bytes say it is; nothing else is tried. */
  readonly format: PosterFormat;
  readonly outputPath: string;
}

/** Enough for a full screen; what is smaller stays as small. */
const LONGEST_SIDE_PX = 1920;
const LARGEST_OUTPUT_BYTES = 16 * 1024 * 1024;

/** JPEG without anything of the file but its pixels. What can be seen through becomes black. */
export function ownPosterArgs({ sourcePath, format, outputPath }: OwnPosterJob): FfmpegCommand {
  const side = (name: string): string => `min(${LONGEST_SIDE_PX}\\,${name})`;
  const filters = [
    `scale=w=${side('iw')}:h=${side('ih')}:force_original_aspect_ratio=decrease:flags=bicubic`,
    'setsar=1',
    'format=gbrap',
    'premultiply=inplace=1',
    'scale=out_range=full:out_color_matrix=bt601',
    'format=yuvj420p',
  ];
  return {
    inputs: [{ options: pictureInputFlags(format), path: sourcePath }],
    outputs: [
      {
        options: [
          '-map',
          '0:v:0',
          '-an',
          '-map_metadata',
          '-1',
          '-vf',
          filters.join(','),
          '-frames:v',
          '1',
          '-q:v',
          '3',
          '-threads',
          '1',
          '-fs',
          String(LARGEST_OUTPUT_BYTES),
          '-update',
          '1',
          '-f',
          'image2',
        ],
        path: outputPath,
      },
    ],
  };
}
