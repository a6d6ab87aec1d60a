import path from 'node:path';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import { AppError, ERRORS } from '../domain/errors.ts';
import { indexedCopyPiece } from '../domain/recipe.ts';
import { allowedMissingFrames, framesUntil } from '../domain/revise-plan.ts';
import { countPackets } from '../media/ffprobe.ts';
import { COPIED_STREAM_INDEX, indexSourceArgs } from '../media/index-source-args.ts';
import type { PacketScan } from '../media/parse-probe.ts';
import type { VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { explainShortfall, framesOf } from './explain-shortfall.ts';
import { doHeavyWork, type HeavySpec, type HeavyWork } from './heavy-work.ts';
import { fetchSource, findSoundPieces, keepPiece, ledgerOf, requirePlan } from './pieces.ts';

/**
 * Copies the picture of a source without an index into a container that has one, for the chunks. It goes with them at publish.
 *
 * Where that does not work, the video is encoded in one piece straight from the source.
 * @throws `plan-changed`, `source-truncated`
 */
export function indexSource(deps: ActivityDeps, { videoId }: VideoRef): Promise<{ text: string }> {
  const spec: HeavySpec = {
    videoId,
    stage: 'compress',
    piece: 'indexed-copy',
    onProcessingQueue: true,
  };
  return doHeavyWork(deps, spec, async (attempt) => {
    const plan = requirePlan(attempt.run);
    if (!plan.needsIndex) return { text: 'not needed' };
    const piece = indexedCopyPiece(plan);
    const done = await findSoundPieces(deps, ledgerOf(attempt.run), [piece]);
    if (done.has(piece.name)) return { text: 'there already' };

    const sourcePath = await fetchSource(deps, attempt);
    const outputPath = path.join(attempt.folder, 'indexed.mkv');
    const scan = await copy(attempt, { plan, sourcePath, outputPath }).catch((error: unknown) => {
      if (!isUncopyable(error)) throw error;
      const piece = { firstFrame: 0, endFrame: plan.frames, frames: framesOf(error) };
      return explainShortfall(deps, attempt, { ...piece, plan, sourcePath, cause: error });
    });
    const { durationSeconds, pictureEndSeconds, frames } = scan;
    const facts = {
      frames,
      durationSeconds: durationSeconds ?? 0,
      startSeconds: (pictureEndSeconds ?? 0) - (durationSeconds ?? 0),
    };
    await keepPiece(deps, attempt, { piece, path: outputPath, facts });
    return { text: 'picture copied into a container with an index' };
  });
}

async function copy(
  attempt: HeavyWork,
  { plan, ...files }: { plan: EncodingPlan; sourcePath: string; outputPath: string },
): Promise<PacketScan> {
  const command = indexSourceArgs({
    ...files,
    videoStreamIndex: plan.video.streamIndex,
    startSeconds: plan.startSeconds,
    sizeBytes: attempt.run.source.sizeBytes,
  });
  await attempt.runFfmpeg(command);
  const scan = await countPackets(files.outputPath, COPIED_STREAM_INDEX, attempt.probeLimits());
  const frames = framesUntil(plan, scan.pictureEndSeconds ?? 0);
  if (plan.frames - frames <= allowedMissingFrames(plan)) return scan;
  throw new AppError('chunk-frames-wrong', {
    detail: 'The copy of the picture is shorter than planned.',
    expectedFrames: plan.frames,
    frames,
  });
}

function isUncopyable(error: unknown): error is AppError {
  return error instanceof AppError && ['encoder', 'source'].includes(ERRORS[error.code].fault);
}
