import { AAC, type FfmpegCommand, NO_METADATA, SIZE_FLOOR_BYTES } from './ffmpeg-command.ts';
import { UPLOAD_INPUT_FLAGS } from './input-flags.ts';

/** The picture of a source that is H.264 already, in an MP4 that starts to play at once. */
export interface CopyToMp4 {
  readonly sourcePath: string;
  readonly videoStreamIndex: number;
  /** `copyable`: AAC-LC with at most two channels; other sound becomes AAC. */
  readonly audio: { readonly streamIndex: number; readonly copyable: boolean } | null;
  /** Of the source: a copy cannot be much larger. */
  readonly sizeBytes: number;
  readonly outputPath: string;
}

export function copyToMp4Args(copy: CopyToMp4): FfmpegCommand {
  const sound =
    copy.audio === null
      ? ['-an']
      : [
          '-map',
          `0:${copy.audio.streamIndex}`,
          ...(copy.audio.copyable ? ['-c:a', 'copy'] : ['-af', 'aresample=async=1', ...AAC]),
        ];
  return {
    inputs: [{ options: [...UPLOAD_INPUT_FLAGS, '-fflags', '+genpts'], path: copy.sourcePath }],
    outputs: [
      {
        options: [
          '-map',
          `0:${copy.videoStreamIndex}`,
          '-c:v',
          'copy',
          ...sound,
          '-sn',
          '-dn',
          ...NO_METADATA,
          '-movflags',
          '+faststart',
          '-fs',
          String(SIZE_FLOOR_BYTES + copy.sizeBytes * 2),
          '-f',
          'mp4',
        ],
        path: copy.outputPath,
      },
    ],
  };
}
