const DEFAULT_FRACTIONS = [0, 0.25, 0.5, 0.75];
/** More would make the pictures cost more than the video. */
export const MAX_THUMBNAILS = 20;

/**
 * Where the thumbnails are taken, in seconds: the asked times, else 0, 25, 50 and 75 %; clamped to the last frame; each once.
 * @returns also how many of the asked times lay beyond the end
 */
export function planThumbnailTimes(
  asked: readonly number[] | null,
  durationSeconds: number,
  frameSeconds: number,
): { readonly times: readonly number[]; readonly moved: number } {
  const wanted = asked ?? DEFAULT_FRACTIONS.map((fraction) => fraction * durationSeconds);
  return {
    times: [
      ...new Set(wanted.map((time) => clampThumbnailTime(time, durationSeconds, frameSeconds))),
    ],
    moved: (asked ?? []).filter((time) => time > durationSeconds).length,
  };
}

/** The picture that stands for the video: the middle one. */
export function defaultThumbnailIndex(count: number): number {
  return Math.floor(count / 2);
}

/** Where a thumbnail is taken that is asked for afterwards: at the asked time, or at the last frame where that lies beyond it. */
export function clampThumbnailTime(
  askedSeconds: number,
  durationSeconds: number,
  frameSeconds: number,
): number {
  const latest = Math.max(0, durationSeconds - frameSeconds);
  return Number(Math.min(askedSeconds, latest).toFixed(3));
}

/** Times are kept to the millisecond, and frames lie 8 ms apart and more. */
const SAME_SECONDS = 0.001;

export function isSameTime(aSeconds: number, bSeconds: number): boolean {
  return Math.abs(aSeconds - bSeconds) < SAME_SECONDS;
}
