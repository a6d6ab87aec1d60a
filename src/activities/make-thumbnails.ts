import path from 'node:path';
import { listStreams, saveThumbnails, type ThumbnailFacts } from '../db/outputs.ts';
import type { FinishedPiece } from '../db/pieces.ts';
import { addRunWarning } from '../db/runs.ts';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import { AppError, ERRORS } from '../domain/errors.ts';
import { thumbnailKey } from '../domain/object-keys.ts';
import { pictureSource, thumbnailPiece } from '../domain/recipe.ts';
import { extractThumbnail } from '../media/thumbnails.ts';
import type { VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { asActiveRun } from './fence.ts';
import { doHeavyWork, type HeavySpec, type HeavyWork } from './heavy-work.ts';
import { findSoundPieces, keepPiece, ownerOf, requirePlan } from './pieces.ts';

/**
 * Takes the thumbnails out of a finished rendition; the middle one is the default.
 *
 * A fault of the pictures becomes a warning: they never fail a video. Faults of the platform are waited out as everywhere.
 * @throws `piece-missing` when the rendition is not there
 */
export function makeThumbnails(
  deps: ActivityDeps,
  { videoId }: VideoRef,
): Promise<{ count: number }> {
  const spec: HeavySpec = {
    videoId,
    stage: 'thumbnails',
    piece: 'thumbnails',
    onProcessingQueue: true,
  };
  return doHeavyWork(deps, spec, async (attempt) => {
    const plan = requirePlan(attempt.run);
    try {
      const thumbnails = await makeAll(deps, attempt, plan);
      await asActiveRun(deps, videoId, (tx, run) =>
        saveThumbnails(tx, videoId, run.version, thumbnails),
      );
      return { count: thumbnails.length };
    } catch (error) {
      if (attempt.signal.aborted || !isFaultOfPictures(error)) throw error;
      deps.logger.warn({ videoId, err: error }, 'pictures failed');
      await asActiveRun(deps, videoId, (tx, run) =>
        addRunWarning(tx, run, {
          code: 'pictures-failed',
          detail: 'The thumbnails could not be made.',
        }),
      );
      return { count: 0 };
    }
  });
}

function isFaultOfPictures(error: unknown): error is AppError {
  if (!(error instanceof AppError)) return false;
  return ['encoder', 'source', 'timeout'].includes(ERRORS[error.code].fault);
}

async function makeAll(
  deps: ActivityDeps,
  attempt: HeavyWork,
  plan: EncodingPlan,
): Promise<readonly ThumbnailFacts[]> {
  const { run, video, folder, signal } = attempt;
  const from = pictureSource(plan);
  const pieces = plan.thumbnailTimes.map((_time, index) => thumbnailPiece(plan, index, from));
  const done = await findSoundPieces(deps, ownerOf(video), pieces);

  const streams = await deps.database.run((em) => listStreams(em, video.id, run.version));
  const stream = streams.find(({ output }) => output === from);
  if (stream === undefined) throw new AppError('piece-missing', { piece: `rendition/${from}` });
  const sourcePath = path.join(folder, 'rendition.mp4');
  await deps.store.fetchToFile(stream.objectKey, sourcePath, signal);

  const thumbnails: ThumbnailFacts[] = [];
  for (const [index, piece] of pieces.entries()) {
    const kept =
      done.get(piece.name) ?? (await makeOne(deps, attempt, { plan, index, sourcePath, piece }));
    thumbnails.push({
      timestampSeconds: plan.thumbnailTimes[index] ?? 0,
      objectKey: kept.objectKey,
      sizeBytes: kept.sizeBytes,
      sha256: kept.sha256,
    });
  }
  return thumbnails;
}

async function makeOne(
  deps: ActivityDeps,
  attempt: HeavyWork,
  work: {
    plan: EncodingPlan;
    index: number;
    sourcePath: string;
    piece: ReturnType<typeof thumbnailPiece>;
  },
): Promise<FinishedPiece> {
  const { plan, index, sourcePath, piece } = work;
  const picture = await extractThumbnail(attempt.runFfmpeg, {
    sourcePath,
    frameRate: plan.frameRate,
    frames: plan.frames,
    timestampSeconds: plan.thumbnailTimes[index] ?? 0,
    outputPath: path.join(attempt.folder, `${index}.jpg`),
  });
  const key = thumbnailKey(attempt.video.id, attempt.run.version, index);
  return keepPiece(deps, attempt, { piece, path: picture.path, facts: {}, key });
}
