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
  const latest = Math.max(0, durationSeconds - frameSeconds);
  const wanted = asked ?? DEFAULT_FRACTIONS.map((fraction) => fraction * durationSeconds);
  return {
    times: [...new Set(wanted.map((time) => Number(Math.min(time, latest).toFixed(3))))],
    moved: (asked ?? []).filter((time) => time > durationSeconds).length,
  };
}

/** The picture that stands for the video: the middle one. */
export function defaultThumbnailIndex(count: number): number {
  return Math.floor(count / 2);
}
