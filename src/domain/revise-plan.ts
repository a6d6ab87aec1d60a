import { wholeGrid } from './chunk-grid.ts';
import type { EncodingPlan } from './encoding-plan.ts';
import { framesPerSecond } from './frame-rate.ts';
import { inOnePiece, type PlanWarning } from './plan-warnings.ts';
import type { RunSettings } from './run-settings.ts';
import { allowedMissingSeconds } from './source-facts.ts';
import { planThumbnailTimes } from './thumbnail-times.ts';

/**
 * What an encode finds out of a source changes the run's plan: it ends earlier, or it cannot be divided. What earlier runs found
 * out, and how they divided the work, later ones may keep. Pure.
 */

/** Frames of the plan that a source has whose picture ends here, in seconds after its first timestamp; at most all. */
export function framesUntil(plan: EncodingPlan, endSeconds: number): number {
  const frames = Math.round((endSeconds - plan.originSeconds) * framesPerSecond(plan.frameRate));
  return Math.min(plan.frames, Math.max(0, frames));
}

/** How many of the planned frames may be missing at the end without a word. */
export function allowedMissingFrames(plan: EncodingPlan): number {
  const rate = framesPerSecond(plan.frameRate);
  return Math.ceil(allowedMissingSeconds(plan.frames / rate) * rate);
}

/** Of a piece: what it should hold, and what it does. */
export interface ShortPiece {
  readonly firstFrame: number;
  readonly endFrame: number;
  readonly frames: number;
}

/**
 * True where a piece has as few frames as a source that ends after `sourceFrames` leaves it; a few less, since the last pictures
 * may want what was cut off.
 */
export function isExplainedByEnd(
  plan: EncodingPlan,
  piece: ShortPiece,
  sourceFrames: number,
): boolean {
  if (sourceFrames >= plan.frames) return false;
  const left = Math.max(0, Math.min(piece.endFrame, sourceFrames) - piece.firstFrame);
  const missing = left - piece.frames;
  return missing >= -1 && missing <= allowedMissingFrames(plan);
}

/** The plan of what is there: chunks that were whole stay as they are, so what was made of them is used. */
export function cutPlan(
  plan: EncodingPlan,
  frames: number,
  settings: Pick<RunSettings, 'thumbnailTimestamps'>,
  warning?: PlanWarning,
): EncodingPlan {
  const rate = framesPerSecond(plan.frameRate);
  const share = frames / plan.frames;
  const thumbnails = planThumbnailTimes(settings.thumbnailTimestamps, frames / rate, 1 / rate);
  return {
    ...plan,
    // An original that ends before it says so is nothing to hand out as the processed version.
    conversion: warning !== undefined && plan.conversion === 'none' ? 'encode' : plan.conversion,
    frames,
    durationSeconds: Number((frames / rate).toFixed(6)),
    chunks: plan.chunks
      .filter(({ firstFrame }) => firstFrame < frames)
      .map((chunk) => ({ ...chunk, endFrame: Math.min(chunk.endFrame, frames) })),
    thumbnailTimes: thumbnails.times,
    estimate: {
      ...plan.estimate,
      cpuSeconds: Math.ceil(plan.estimate.cpuSeconds * share),
      storedBytes: Math.ceil(plan.estimate.storedBytes * share),
    },
    warnings: warning === undefined ? plan.warnings : withWarning(plan, warning),
  };
}

/**
 * The plan divided as an earlier one was, so that what was finished by that one can be used: another budget of time, or another
 * choice of renditions, would divide it anew.
 * @returns undefined where the source is seen in another way now
 */
export function dividedAs(
  plan: EncodingPlan,
  earlier: EncodingPlan,
  settings: Pick<RunSettings, 'thumbnailTimestamps' | 'onTruncated'>,
): EncodingPlan | undefined {
  const found = (code: PlanWarning['code']): PlanWarning | undefined =>
    earlier.warnings.find((warning) => warning.code === code);
  const cut = found('source-truncated');
  const mayBeCut = cut === undefined || settings.onTruncated === 'keep';
  if (!isSameClock(plan, earlier) || earlier.frames > plan.frames || !mayBeCut) return undefined;
  const whole =
    earlier.frames === plan.frames ? plan : cutPlan(plan, earlier.frames, settings, cut);
  const onePiece = found('encoded-in-one-piece');
  return {
    ...whole,
    needsIndex: earlier.needsIndex,
    chunks: earlier.chunks,
    warnings: onePiece === undefined ? whole.warnings : withWarning(whole, onePiece),
  };
}

function isSameClock(a: EncodingPlan, b: EncodingPlan): boolean {
  return (
    framesPerSecond(a.frameRate) === framesPerSecond(b.frameRate) &&
    a.gopFrames === b.gopFrames &&
    a.startSeconds === b.startSeconds &&
    a.originSeconds === b.originSeconds
  );
}

/** The plan without chunks: where one of them has twice come out with other frames than it should. */
export function planInOnePiece(plan: EncodingPlan): EncodingPlan {
  return {
    ...plan,
    needsIndex: false,
    chunks: wholeGrid(plan.frames),
    warnings: withWarning(plan, inOnePiece('its chunks did not have the frames that they should')),
  };
}

function withWarning(plan: EncodingPlan, warning: PlanWarning): readonly PlanWarning[] {
  return [...plan.warnings.filter(({ code }) => code !== warning.code), warning];
}
