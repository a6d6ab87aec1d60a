import { findPieces } from '../db/pieces.ts';
import { findEarlierPlans, type Run } from '../db/runs.ts';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import { chunkPiece, renditionPiece } from '../domain/recipe.ts';
import { dividedAs } from '../domain/revise-plan.ts';
import type { ActivityDeps } from './deps.ts';
import { ledgerOf } from './pieces.ts';

/** Whose plans are looked at for finished work. */
const EARLIER_RUNS = 5;

/** Of the ways in which this video was ever divided into pieces, the one of which most is finished; the plan's own where nothing is. */
export async function chooseDivision(
  deps: ActivityDeps,
  run: Run,
  plan: EncodingPlan,
): Promise<EncodingPlan> {
  const earlier = await deps.database.run((em) => findEarlierPlans(em, run, EARLIER_RUNS));
  const divided = earlier.flatMap((each) => dividedAs(plan, each, run.settings) ?? []);
  let chosen = { plan, frames: 0 };
  for (const candidate of [plan, ...divided]) {
    const frames = await countFinishedFrames(deps, run, candidate);
    if (frames > chosen.frames) chosen = { plan: candidate, frames };
  }
  return chosen.plan;
}

/** Of all renditions together. */
async function countFinishedFrames(
  deps: ActivityDeps,
  run: Run,
  plan: EncodingPlan,
): Promise<number> {
  const pieces = plan.renditions.flatMap((rendition) => [
    { ...renditionPiece(plan, rendition, run.settings), frames: plan.frames },
    ...plan.chunks.map((chunk) => ({
      ...chunkPiece(plan, chunk, rendition, run.settings),
      frames: chunk.endFrame - chunk.firstFrame,
    })),
  ]);
  const finished = await deps.database.run((em) => findPieces(em, ledgerOf(run), pieces));
  return pieces.reduce((sum, { name, frames }) => sum + (finished.has(name) ? frames : 0), 0);
}
