const HOUR = 3_600;
/** What S3 takes at most. */
const WEEK = 7 * 86_400;

/**
 * How long an address that a viewer is sent to must last, in seconds: players go on with it when somebody seeks, late and after
 * pauses. An hour at least, and twice the length of the video.
 * @param durationSeconds null where it is not known, or there is none
 */
export function addressSeconds(durationSeconds: number | null): number {
  return Math.min(WEEK, Math.max(HOUR, Math.ceil(2 * (durationSeconds ?? 0))));
}
