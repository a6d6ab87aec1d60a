import path from 'node:path';
import type { Chunk } from '../domain/chunk-grid.ts';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import { chunkPiece } from '../domain/recipe.ts';
import type { RenditionPlan } from '../domain/rendition-ladder.ts';
import { encodeChunkArgs } from '../media/ffmpeg-args.ts';
import { verifyChunk } from '../media/verify.ts';
import { framesPerSecond } from '../domain/frame-rate.ts';
import { AppError } from '../domain/errors.ts';
import type { ChunkWork } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { doHeavyWork, type HeavySpec, type HeavyWork } from './heavy-work.ts';
import {
  fetchSource,
  findSoundPieces,
  findUnjoined,
  keepPiece,
  ownerOf,
  requirePlan,
} from './pieces.ts';

/**
 * Encodes those renditions of one chunk that the ledger does not have: one ffmpeg, one decode, scaled in a cascade.
 *
 * Each rendition is checked and entered by itself, so a retry makes only what is still missing.
 */
export function compressChunk(deps: ActivityDeps, work: ChunkWork): Promise<{ text: string }> {
  const { videoId } = work;
  const piece = `chunk/${work.chunk}`;
  const spec: HeavySpec = {
    videoId,
    stage: 'compress',
    piece,
    chunk: work.chunk,
    onProcessingQueue: true,
  };
  return doHeavyWork(deps, spec, async (attempt) => {
    const plan = requirePlan(attempt.run);
    const chunk = plan.chunks[work.chunk];
    if (chunk === undefined)
      throw new AppError('piece-missing', { detail: `The plan has no chunk ${work.chunk}.` });
    const missing = await findMissing(deps, attempt, { plan, chunk });
    if (missing.length === 0) return { text: 'all there already' };
    await encode(deps, attempt, {
      plan,
      chunk,
      renditions: missing,
      threads: work.lowMemory ? 1 : attempt.run.settings.threads,
    });
    return { text: `encoded ${missing.map(({ quality }) => quality).join(' ')}` };
  });
}

async function findMissing(
  deps: ActivityDeps,
  { run, video }: HeavyWork,
  { plan, chunk }: { plan: EncodingPlan; chunk: Chunk },
): Promise<readonly RenditionPlan[]> {
  const nameOf = (rendition: RenditionPlan) => chunkPiece(plan, chunk, rendition, run.settings);
  const wanted = await findUnjoined(deps, run, video);
  const done = await findSoundPieces(deps, ownerOf(video), wanted.map(nameOf));
  return wanted.filter((rendition) => !done.has(nameOf(rendition).name));
}

async function encode(
  deps: ActivityDeps,
  attempt: HeavyWork,
  work: { plan: EncodingPlan; chunk: Chunk; renditions: readonly RenditionPlan[]; threads: number },
): Promise<void> {
  const { plan, chunk } = work;
  const outputs = work.renditions.map((rendition) => ({
    ...rendition,
    outputPath: path.join(attempt.folder, `${rendition.quality}.mp4`),
  }));
  const command = encodeChunkArgs({
    sourcePath: await fetchSource(deps, attempt),
    videoStreamIndex: plan.video.streamIndex,
    frameRate: plan.frameRate,
    originSeconds: plan.originSeconds,
    firstFrame: chunk.firstFrame,
    endFrame: chunk.endFrame,
    gopFrames: plan.gopFrames,
    interlaced: plan.video.interlaced,
    toneMap: plan.video.toneMap,
    colorMatrix: plan.video.colorMatrix,
    preset: attempt.run.settings.preset,
    renditions: outputs,
    threads: work.threads,
  });
  const durationSeconds = (chunk.endFrame - chunk.firstFrame) / framesPerSecond(plan.frameRate);
  await attempt.runFfmpeg(command, { durationSeconds });

  for (const output of outputs) {
    const facts = await verifyChunk(
      output.outputPath,
      {
        frames: chunk.endFrame - chunk.firstFrame,
        frameRate: plan.frameRate,
        gopFrames: plan.gopFrames,
        isLast: chunk.endFrame === plan.frames,
        totalFrames: plan.frames,
        widthPx: output.widthPx,
        heightPx: output.heightPx,
      },
      attempt.probeLimits(),
    );
    const piece = chunkPiece(plan, chunk, output, attempt.run.settings);
    await keepPiece(deps, attempt, { piece, path: output.outputPath, facts });
  }
}
