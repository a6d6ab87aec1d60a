/** A run whose tools have been silent for this long has none: it waits. */
export const TOOL_SILENCE_SECONDS = 15;

/** How fast a run has been and what is left of it, in percent of the whole job. */
export interface Pace {
  /** Right now. */
  readonly donePercent: number;
  /** When the encode began; null before that. */
  readonly startPercent: number | null;
  /** For how long the run has worked since then; waiting does not count. */
  readonly workedSeconds: number;
}

/** Below these a guess of the rest would be wild. */
const LEAST_PERCENT = 3;
const LEAST_SECONDS = 2;

/**
 * How long the rest will take if it goes on as it went: working time, with as much at the same time as so far.
 * @returns seconds; null while there is nothing to learn from
 */
export function estimateRestSeconds({
  donePercent,
  startPercent,
  workedSeconds,
}: Pace): number | null {
  if (startPercent === null) return null;
  const madePercent = donePercent - startPercent;
  if (madePercent < LEAST_PERCENT || workedSeconds < LEAST_SECONDS) return null;
  return (workedSeconds * Math.max(0, 100 - donePercent)) / madePercent;
}
