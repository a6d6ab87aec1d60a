import { savePlan } from '../db/runs.ts';
import { type EncodingPlan, sourceTruncated } from '../domain/encoding-plan.ts';
import { AppError, ERRORS } from '../domain/errors.ts';
import { framesPerSecond } from '../domain/frame-rate.ts';
import { truncated } from '../domain/plan-warnings.ts';
import {
  allowedMissingFrames,
  cutPlan,
  framesUntil,
  isExplainedByEnd,
  planInOnePiece,
  type ShortPiece,
} from '../domain/revise-plan.ts';
import { promisesLength } from '../domain/source-facts.ts';
import { countPackets } from '../media/ffprobe.ts';
import type { ActivityDeps } from './deps.ts';
import { asActiveRun } from './fence.ts';
import type { HeavyWork } from './heavy-work.ts';

/** A piece that came out with other frames than planned, or with none. */
export interface Shortfall extends ShortPiece {
  readonly plan: EncodingPlan;
  /** The source itself, also where the piece was made from its copy. */
  readonly sourcePath: string;
  /** What the check or the tool said. */
  readonly cause: AppError;
}

/**
 * Finds out why a piece is short, by counting the source's packets, and draws the consequence; always throws.
 *
 * A source that ends there: a little early, the plan is cut to it; much earlier than it says, the run fails, or the plan is cut and
 * says so (`ON_TRUNCATED`). One that does not: once more, then the video is encoded in one piece. A plan that was changed stays
 * with the run, so whoever goes on makes what it then wants.
 * @throws `plan-changed`, `source-truncated`, or the cause
 */
export async function explainShortfall(
  deps: ActivityDeps,
  attempt: HeavyWork,
  shortfall: Shortfall,
): Promise<never> {
  const { plan, cause, frames } = shortfall;
  const sourceFrames = await countSourceFrames(attempt, shortfall);
  if (sourceFrames === 0) throw cause;
  if (isExplainedByEnd(plan, shortfall, sourceFrames))
    return cutTo(deps, attempt, shortfall, sourceFrames);
  if (plan.chunks.length > 1) {
    if (attempt.encoderFaults === 0 && ERRORS[cause.code].fault === 'encoder') throw cause;
    return change(deps, attempt, plan, planInOnePiece(plan));
  }
  // All packets are there, but what follows the last picture cannot be decoded: for viewers the file ends there.
  const isEnd = frames > 0 && frames < plan.frames;
  return isEnd ? cutTo(deps, attempt, shortfall, frames) : Promise.reject(cause);
}

async function countSourceFrames(
  attempt: HeavyWork,
  { plan, sourcePath }: Shortfall,
): Promise<number> {
  const scan = await countPackets(sourcePath, plan.video.streamIndex, attempt.probeLimits());
  if (scan.pictureEndSeconds === null) return plan.frames;
  return framesUntil(plan, scan.pictureEndSeconds - plan.startSeconds);
}

async function cutTo(
  deps: ActivityDeps,
  attempt: HeavyWork,
  { plan }: Shortfall,
  frames: number,
): Promise<never> {
  const { settings, mediaInfo } = attempt.run;
  const isEarly = plan.frames - frames > allowedMissingFrames(plan);
  const isTruncated = isEarly && mediaInfo !== null && promisesLength(mediaInfo);
  if (!isTruncated) return change(deps, attempt, plan, cutPlan(plan, frames, settings));
  const rate = framesPerSecond(plan.frameRate);
  const cut = { saidSeconds: plan.durationSeconds, foundSeconds: frames / rate };
  if (settings.onTruncated === 'fail') throw sourceTruncated(cut);
  return change(deps, attempt, plan, cutPlan(plan, frames, settings, truncated(cut)));
}

/** Another piece's attempt may have come to the same end before: then its plan stays. */
async function change(
  deps: ActivityDeps,
  attempt: HeavyWork,
  seen: EncodingPlan,
  changed: EncodingPlan,
): Promise<never> {
  const { video } = attempt;
  await asActiveRun(deps, video.id, async (tx, run) => {
    if (run.plan === null || run.mediaInfo === null || !isSameWork(run.plan, seen)) return;
    await savePlan(tx, run, run.mediaInfo, changed);
  });
  deps.logger.warn(
    { videoId: video.id, frames: changed.frames, chunks: changed.chunks.length },
    'plan changed',
  );
  throw new AppError('plan-changed', {
    detail: `The plan was changed to ${changed.durationSeconds.toFixed(1)} s in ${changed.chunks.length} chunks.`,
  });
}

function isSameWork(a: EncodingPlan, b: EncodingPlan): boolean {
  return a.frames === b.frames && a.chunks.length === b.chunks.length;
}

/** How many frames a failed check has found; none where no check came to that. */
export function framesOf({ details }: AppError): number {
  const frames = details['frames'];
  return typeof frames === 'number' ? frames : 0;
}
