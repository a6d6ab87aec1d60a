import { listStreams } from '../db/outputs.ts';
import { enterSteps, type KnownStep } from '../db/progress.ts';
import type { Run } from '../db/runs.ts';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import { audioPiece, chunkPiece, indexedCopyPiece } from '../domain/recipe.ts';
import type { RenditionPlan } from '../domain/rendition-ladder.ts';
import { weighSteps } from '../domain/step-weights.ts';
import type { Quality } from '../domain/video.ts';
import type { MissingPieces, VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { asActiveRun } from './fence.ts';
import { findSoundPieces, findUnjoined, ledgerOf, requirePlan } from './pieces.ts';

/** What compress has still to make. A rendition that is joined already needs no chunks any more. */
export async function listMissingChunks(
  deps: ActivityDeps,
  { videoId }: VideoRef,
): Promise<MissingPieces> {
  const run = await asActiveRun(deps, videoId, async (_tx, active) => active);
  const plan = requirePlan(run);
  const renditions = await findUnjoined(deps, run);
  const missing = await findMissing(deps, { run, plan, renditions });
  await asActiveRun(deps, videoId, (tx, active) =>
    enterSteps(tx, active.id, judgeSteps(active, plan, { ...missing, renditions }), {
      begin: true,
    }),
  );
  return missing;
}

async function findMissing(
  deps: ActivityDeps,
  work: {
    readonly run: Run;
    readonly plan: EncodingPlan;
    readonly renditions: readonly RenditionPlan[];
  },
): Promise<MissingPieces> {
  const { run, plan, renditions } = work;
  if (renditions.length === 0) return { indexedCopy: false, chunks: [], audio: false };
  const wanted = plan.chunks.flatMap((chunk) =>
    renditions.map((rendition) => ({
      chunk,
      rendition,
      piece: chunkPiece(plan, chunk, rendition, run.settings),
    })),
  );
  const audio = audioPiece(plan);
  const copy = indexedCopyPiece(plan);
  const done = await findSoundPieces(deps, ledgerOf(run), [
    audio,
    copy,
    ...wanted.map(({ piece }) => piece),
  ]);
  const chunks = plan.chunks
    .map((chunk) => ({
      index: chunk.index,
      count: plan.chunks.length,
      qualities: wanted
        .filter((entry) => entry.chunk === chunk && !done.has(entry.piece.name))
        .map(({ rendition }) => rendition.quality),
    }))
    .filter(({ qualities }) => qualities.length > 0);
  return {
    indexedCopy: plan.needsIndex && chunks.length > 0 && !done.has(copy.name),
    chunks,
    audio: plan.audio !== null && !done.has(audio.name),
  };
}

/** What is in the ledger counts as done, whoever made it. */
function judgeSteps(
  run: Run,
  plan: EncodingPlan,
  missing: MissingPieces & { readonly renditions: readonly RenditionPlan[] },
): readonly KnownStep[] {
  const toMake = new Set([
    ...missing.chunks.map(({ index }) => `chunk/${index}`),
    ...(missing.indexedCopy ? ['indexed-copy'] : []),
    ...(missing.audio ? ['audio'] : []),
    ...missing.renditions.map(({ quality }) => `rendition/${quality}`),
  ]);
  return weighSteps(plan, run.settings).map((step) => ({
    ...step,
    isDone: /^(indexed-copy|chunk|audio|rendition)/.test(step.name)
      ? !toMake.has(step.name)
      : undefined,
  }));
}

/** Entered together with the tallest rendition, or by convert. */
const ALIASES = ['compressed', 'processed'] as const;

/** What ladder has still to join or to enter for this version. */
export async function listMissingRenditions(
  deps: ActivityDeps,
  { videoId }: VideoRef,
): Promise<{ qualities: readonly Quality[] }> {
  const { run, streams } = await asActiveRun(deps, videoId, async (tx, active) => ({
    run: active,
    streams: await listStreams(tx, videoId, active.version),
  }));
  const plan = requirePlan(run);
  const unjoined = new Set((await findUnjoined(deps, run)).map(({ quality }) => quality));
  const entered = new Set(streams.map(({ output }) => output));
  const needed = plan.renditions.filter(
    ({ quality }, index) =>
      unjoined.has(quality) ||
      !entered.has(quality) ||
      (index === 0 && ALIASES.some((alias) => !entered.has(alias))),
  );
  return { qualities: needed.map(({ quality }) => quality) };
}
