import type { Sample } from './product.ts';

/** How far off the time that a viewer was told was, when the run was at `percent`. */
export interface EtaError {
  readonly percent: number;
  readonly toldSeconds: number | null;
  readonly trueSeconds: number;
  /** Of the truth; infinite where nothing was told. */
  readonly error: number;
}

export const ETA_AT = [25, 50, 75] as const;

/** Judges what was told when each of the marks was first reached. @param endMs when the run was over */
export function judgeEta(samples: readonly Sample[], endMs: number): readonly EtaError[] {
  return ETA_AT.map((percent) => {
    const sample = samples.find((each) => each.percent >= percent);
    const toldSeconds = sample?.etaSeconds ?? null;
    const trueSeconds = (endMs - (sample?.atMs ?? endMs)) / 1000;
    const error =
      toldSeconds === null || trueSeconds <= 0
        ? Number.POSITIVE_INFINITY
        : Math.abs(toldSeconds - trueSeconds) / trueSeconds;
    return { percent, toldSeconds, trueSeconds, error };
  });
}
