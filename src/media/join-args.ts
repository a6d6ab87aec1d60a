import { type FrameRate, framesPerSecond } from '../domain/frame-rate.ts';
import { type FfmpegCommand, formatSeconds, NO_METADATA } from './ffmpeg-command.ts';
import { OWN_INPUT_FLAGS } from './input-flags.ts';

/** Joins a rendition's pieces and the sound, by copy. */
export interface MuxRendition {
  /** What `concatList` gave, written to a file beside the pieces. */
  readonly listPath: string;
  readonly audioPath: string | null;
  /** Of all pieces together: where the picture ended earlier than planned, so does the sound. */
  readonly durationSeconds: number;
  readonly outputPath: string;
}

/** Where the index stands does not matter: packaging writes the file anew. */
export function muxRenditionArgs(mux: MuxRendition): FfmpegCommand {
  const pieces = {
    options: [...OWN_INPUT_FLAGS, '-f', 'concat', '-safe', '0'],
    path: mux.listPath,
  };
  const length = ['-t', formatSeconds(mux.durationSeconds)];
  const sound =
    mux.audioPath === null
      ? []
      : [{ options: [...OWN_INPUT_FLAGS, ...length], path: mux.audioPath }];
  return {
    inputs: [pieces, ...sound],
    outputs: [
      {
        options: [
          '-map',
          '0:v:0',
          ...(mux.audioPath === null ? ['-an'] : ['-map', '1:a:0']),
          '-c',
          'copy',
          ...NO_METADATA,
          '-video_track_timescale',
          '90000',
          '-f',
          'mp4',
        ],
        path: mux.outputPath,
      },
    ],
  };
}

export interface ConcatPiece {
  readonly path: string;
  readonly frames: number;
}

/** The list of pieces for `muxRenditionArgs`. Without the exact durations there is a step of 0.3 ms at each join. */
export function concatList(pieces: readonly ConcatPiece[], frameRate: FrameRate): string {
  const lines = pieces.map(({ path, frames }) => {
    const quoted = path.replaceAll("'", String.raw`'\''`);
    return `file '${quoted}'\nduration ${formatSeconds(frames / framesPerSecond(frameRate))}\n`;
  });
  return `ffconcat version 1.0\n${lines.join('')}`;
}
