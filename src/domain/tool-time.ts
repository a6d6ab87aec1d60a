/**
 * How a budget of tool time and Temporal's start-to-close timeout hang together: start-to-close = budget + margin.
 *
 * The margin is room for fetching and storing; the wall time only ends an attempt that lost its own deadline. Activities take
 * the margin off again, so that an operator who raises start-to-close gives exactly that much more tool time.
 */
export const TRANSFER_MARGIN_SECONDS = 2 * 3600;
/** A probe reads an index; one that takes longer than this is stuck. */
export const PROBE_TOOL_SECONDS = 60;
/** Whole-file steps get one budget for every ten minutes of video. */
const WHOLE_FILE_UNIT_SECONDS = 600;

/** @returns seconds of tool time for a step that reads the whole file */
export function wholeFileBudget(timeoutSeconds: number, durationSeconds: number): number {
  return timeoutSeconds * Math.max(1, Math.ceil(durationSeconds / WHOLE_FILE_UNIT_SECONDS));
}
