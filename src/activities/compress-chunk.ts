import path from 'node:path';
import { findPieces } from '../db/pieces.ts';
import type { Chunk } from '../domain/chunk-grid.ts';
import { type EncodeThreads, estimateEncodeMemoryMb } from '../domain/encoding-memory.ts';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import { chunkPiece, indexedCopyPiece } from '../domain/recipe.ts';
import type { RenditionPlan } from '../domain/rendition-ladder.ts';
import { type EncodeChunk, encodeChunkArgs } from '../media/encode-args.ts';
import { COPIED_STREAM_INDEX } from '../media/index-source-args.ts';
import { verifyChunk } from '../media/verify.ts';
import { framesPerSecond } from '../domain/frame-rate.ts';
import { AppError } from '../domain/errors.ts';
import type { ChunkWork } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import type { EncoderRequest } from './encoder-admission.ts';
import { explainShortfall, framesOf } from './explain-shortfall.ts';
import { doHeavyWork, type HeavySpec, type HeavyWork } from './heavy-work.ts';
import {
  fetchPiece,
  fetchSource,
  findSoundPieces,
  findUnjoined,
  keepPiece,
  ledgerOf,
  requirePlan,
} from './pieces.ts';

/**
 * Encodes those renditions of one chunk that the ledger does not have: one ffmpeg, one decode, scaled in a cascade.
 *
 * Each rendition is checked and entered by itself, so a retry makes only what is still missing.
 * @throws `plan-changed` when the source turned out to be shorter, or not to be divided
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
    retriesWithLessMemory: !work.lowMemory,
  };
  return doHeavyWork(deps, spec, async (attempt) => {
    const plan = requirePlan(attempt.run);
    const chunk = plan.chunks[work.chunk];
    if (chunk === undefined)
      throw new AppError('piece-missing', { detail: `The plan has no chunk ${work.chunk}.` });
    const missing = await findMissing(deps, attempt, { plan, chunk });
    if (missing.length === 0) return { text: 'all there already' };
    const done = await countDone(deps, attempt, plan);
    const room = deps.encoders.admit({
      ...describeEncoder(attempt, plan, missing),
      hasSiblings: plan.chunks.length - done > 1,
      lowMemory: work.lowMemory,
    });
    try {
      const picture = await fetchPicture(deps, attempt, plan);
      await encode(deps, attempt, {
        plan,
        chunk,
        picture,
        renditions: missing,
        threads: room.threads,
      }).catch(async (error: unknown) => {
        if (!mayBeShort(error)) throw error;
        const piece = { ...chunk, frames: framesOf(error) };
        const sourcePath = plan.needsIndex ? await fetchSource(deps, attempt) : picture.sourcePath;
        return explainShortfall(deps, attempt, { ...piece, plan, sourcePath, cause: error });
      });
    } finally {
      room.release();
    }
    return { text: `encoded ${missing.map(({ quality }) => quality).join(' ')}` };
  });
}

async function findMissing(
  deps: ActivityDeps,
  { run }: HeavyWork,
  { plan, chunk }: { plan: EncodingPlan; chunk: Chunk },
): Promise<readonly RenditionPlan[]> {
  const nameOf = (rendition: RenditionPlan) => chunkPiece(plan, chunk, rendition, run.settings);
  const wanted = await findUnjoined(deps, run);
  const done = await findSoundPieces(deps, ledgerOf(run), wanted.map(nameOf));
  return wanted.filter((rendition) => !done.has(nameOf(rendition).name));
}

/** What admission needs to know of this piece. A run without a probe of its own counts as 10 bit. */
function describeEncoder(
  { run }: HeavyWork,
  { video }: EncodingPlan,
  renditions: readonly RenditionPlan[],
): Omit<EncoderRequest, 'hasSiblings'> {
  const source = run.mediaInfo?.video;
  const sourcePixels =
    (source?.codedWidthPx ?? video.widthPx) * (source?.codedHeightPx ?? video.heightPx);
  return {
    runId: run.id,
    sharedThreads: run.settings.threads,
    estimateMb: (threads) =>
      estimateEncodeMemoryMb({
        sourcePixels,
        bitDepth: source?.bitDepth ?? 10,
        toneMap: video.toneMap,
        renditions,
        preset: run.settings.preset,
        threads,
      }),
  };
}

interface ChunkEncode {
  readonly plan: EncodingPlan;
  readonly chunk: Chunk;
  readonly picture: Picture;
  readonly renditions: readonly RenditionPlan[];
  readonly threads: EncodeThreads;
}

/** Where a source ends there is nothing to read, which the tool says in its own words. */
function mayBeShort(error: unknown): error is AppError {
  const codes: readonly string[] = ['chunk-frames-wrong', 'source-truncated', 'source-unreadable'];
  return error instanceof AppError && codes.includes(error.code);
}

async function encode(deps: ActivityDeps, attempt: HeavyWork, work: ChunkEncode): Promise<void> {
  const { plan, chunk } = work;
  const outputs = work.renditions.map((rendition) => ({
    ...rendition,
    outputPath: path.join(attempt.folder, `${rendition.quality}.mp4`),
  }));
  const command = encodeChunkArgs({
    ...work.picture,
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
        widthPx: output.widthPx,
        heightPx: output.heightPx,
      },
      attempt.probeLimits(),
    );
    const piece = chunkPiece(plan, chunk, output, attempt.run.settings);
    await keepPiece(deps, attempt, { piece, path: output.outputPath, facts });
  }
}

type Picture = Pick<EncodeChunk, 'sourcePath' | 'videoStreamIndex' | 'clock'>;

/** What chunks are made from: the source, or its copy. @throws `piece-missing` when that copy is not there */
async function fetchPicture(
  deps: ActivityDeps,
  attempt: HeavyWork,
  plan: EncodingPlan,
): Promise<Picture> {
  if (!plan.needsIndex) {
    const sourcePath = await fetchSource(deps, attempt);
    const clock = { firstSeconds: plan.startSeconds, zeroSeconds: plan.startSeconds };
    return { sourcePath, videoStreamIndex: plan.video.streamIndex, clock };
  }
  const copy = indexedCopyPiece(plan);
  const piece = (await findSoundPieces(deps, ledgerOf(attempt.run), [copy])).get(copy.name);
  if (piece === undefined) throw new AppError('piece-missing', { piece: copy.name });
  return {
    sourcePath: await fetchPiece(deps, attempt, piece, 'indexed.mkv'),
    videoStreamIndex: COPIED_STREAM_INDEX,
    clock: { firstSeconds: piece.facts.startSeconds ?? 0, zeroSeconds: 0 },
  };
}

/** How many chunks are in the ledger already, by the smallest rendition's. */
async function countDone(
  deps: ActivityDeps,
  { run }: HeavyWork,
  plan: EncodingPlan,
): Promise<number> {
  const rendition = plan.renditions.at(-1);
  if (rendition === undefined) return 0;
  const pieces = plan.chunks.map((chunk) => chunkPiece(plan, chunk, rendition, run.settings));
  const done = await deps.database.run((em) => findPieces(em, ledgerOf(run), pieces));
  return done.size;
}
