import type { Stage } from './video.ts';

/**
 * How far a run is, from its stage and how far that stage is.
 *
 * Shares of the whole job, from what each step costs on a ladder of five; they add up to 100.
 */
const SHARES: Readonly<Partial<Record<Stage, number>>> = {
  probe: 1,
  convert: 2,
  compress: 88,
  ladder: 5,
  thumbnails: 3,
  publish: 1,
};

/**
 * @param fraction of the stage, 0 to 1
 * @returns percent, 0 to 99.9: only a completed run is at 100
 */
export function progressPercent(stage: Stage, fraction: number): number {
  const order = Object.keys(SHARES) as Stage[];
  const before = order
    .slice(0, Math.max(0, order.indexOf(stage)))
    .reduce((sum, done) => sum + (SHARES[done] ?? 0), 0);
  const within = (SHARES[stage] ?? 0) * Math.min(1, Math.max(0, fraction));
  return Math.min(99.9, Number((before + within).toFixed(1)));
}
