import { listStreams } from '../db/outputs.ts';
import type { Run, RunVideo } from '../db/runs.ts';
import { audioPiece, chunkPiece, renditionPiece } from '../domain/recipe.ts';
import type { RenditionPlan } from '../domain/rendition-ladder.ts';
import type { Quality } from '../domain/video.ts';
import type { MissingPieces, VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { asActiveRun } from './fence.ts';
import { findSoundPieces, ownerOf, requirePlan } from './pieces.ts';

/** What compress has still to make. A rendition that is joined already needs no chunks any more. */
export async function listMissingChunks(
  deps: ActivityDeps,
  { videoId }: VideoRef,
): Promise<MissingPieces> {
  const { run, video } = await asActiveRun(deps, videoId, async (_tx, active, owned) => ({
    run: active,
    video: owned,
  }));
  const plan = requirePlan(run);
  const renditions = await findUnjoined(deps, run, video);
  if (renditions.length === 0) return { chunks: [], audio: false };

  const wanted = plan.chunks.flatMap((chunk) =>
    renditions.map((rendition) => ({
      chunk,
      rendition,
      piece: chunkPiece(plan, chunk, rendition, run.settings),
    })),
  );
  const audio = audioPiece(plan);
  const done = await findSoundPieces(deps, ownerOf(video), [
    audio,
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
  return { chunks, audio: plan.audio !== null && !done.has(audio.name) };
}

/** What ladder has still to join or to enter for this version. */
export async function listMissingRenditions(
  deps: ActivityDeps,
  { videoId }: VideoRef,
): Promise<{ qualities: readonly Quality[] }> {
  const { run, video, streams } = await asActiveRun(deps, videoId, async (tx, active, owned) => ({
    run: active,
    video: owned,
    streams: await listStreams(tx, videoId, active.version),
  }));
  const plan = requirePlan(run);
  const unjoined = new Set((await findUnjoined(deps, run, video)).map(({ quality }) => quality));
  const entered = new Set(streams.map(({ output }) => output));
  const needed = plan.renditions.filter(
    ({ quality }) => unjoined.has(quality) || !entered.has(quality),
  );
  return { qualities: needed.map(({ quality }) => quality) };
}

async function findUnjoined(
  deps: ActivityDeps,
  run: Run,
  video: RunVideo,
): Promise<readonly RenditionPlan[]> {
  const plan = requirePlan(run);
  const pieces = plan.renditions.map((rendition) => renditionPiece(plan, rendition, run.settings));
  const done = await findSoundPieces(deps, ownerOf(video), pieces);
  return plan.renditions.filter((_rendition, index) => !done.has(pieces[index]?.name ?? ''));
}
