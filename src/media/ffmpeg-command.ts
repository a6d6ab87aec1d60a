/**
 * From intents to ffmpeg's arguments. Pure: what is asked for, in; which words are said to ffmpeg, out.
 *
 * Paths are absolute and of our own making, never a user's name. Input options stand before their `-i`, output options before
 * their file, as ffmpeg wants it.
 */
export interface FfmpegCommand {
  readonly inputs: readonly FfmpegFile[];
  readonly filterGraph?: string;
  readonly outputs: readonly FfmpegFile[];
}

export interface FfmpegFile {
  readonly options: readonly string[];
  readonly path: string;
}

/** Places, devices and chapters of the source: no output gets them. */
export const NO_METADATA: readonly string[] = ['-map_metadata', '-1', '-map_chapters', '-1'];

/** The sound of every output that does not keep its source's. */
export const AAC: readonly string[] = ['-c:a', 'aac', '-b:a', '128k', '-ac', '2', '-ar', '48000'];

/** Added to every bound of an output's size, so that short ones have room. */
export const SIZE_FLOOR_BYTES = 64 * 1024 * 1024;

/** Microseconds, never an exponent. */
export function formatSeconds(seconds: number): string {
  return String(Number(seconds.toFixed(6)));
}
