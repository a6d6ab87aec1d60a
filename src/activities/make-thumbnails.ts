import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { listStreams, saveThumbnails, type ThumbnailFacts } from '../db/outputs.ts';
import { listKeptTimes } from '../db/pictures.ts';
import type { FinishedPiece } from '../db/pieces.ts';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import { AppError } from '../domain/errors.ts';
import type { VideoId } from '../domain/ids.ts';
import { addedThumbnailKey, thumbnailKey } from '../domain/object-keys.ts';
import { PICTURE_WARNINGS } from '../domain/pictures.ts';
import { pictureSource, thumbnailPiece } from '../domain/recipe.ts';
import { isSameTime } from '../domain/thumbnail-times.ts';
import { extractThumbnail } from '../media/thumbnails.ts';
import type { VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { asActiveRun } from './fence.ts';
import { doHeavyWork, type HeavySpec, type HeavyWork } from './heavy-work.ts';
import { findSoundPieces, keepPiece, ledgerOf, requirePlan } from './pieces.ts';
import { warnOfPictures } from './picture-faults.ts';

/**
 * Takes the thumbnails out of a finished rendition; the middle one is the default.
 *
 * A fault of the pictures becomes a warning: they never fail a video. The encoder is tried again first; faults of the platform are
 * waited out as everywhere.
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
      const times = await chooseTimes(deps, videoId, plan);
      const thumbnails = await makeAll(deps, attempt, { plan, times });
      const planned = plan.thumbnailTimes.length;
      await asActiveRun(deps, videoId, (tx, run) =>
        saveThumbnails(tx, videoId, run.version, thumbnails, planned),
      );
      return { count: thumbnails.length };
    } catch (error) {
      await warnOfPictures(deps, attempt, error, PICTURE_WARNINGS.thumbnails);
      return { count: 0 };
    }
  });
}

/** Those of the plan, then those that people have added to the published version, or chosen from it. */
async function chooseTimes(
  deps: ActivityDeps,
  videoId: VideoId,
  plan: EncodingPlan,
): Promise<readonly number[]> {
  const kept = await deps.database.run((em) => listKeptTimes(em, videoId));
  const isPlanned = (time: number): boolean =>
    plan.thumbnailTimes.some((planned) => isSameTime(planned, time));
  return [...plan.thumbnailTimes, ...kept.filter((time) => !isPlanned(time))];
}

async function makeAll(
  deps: ActivityDeps,
  attempt: HeavyWork,
  { plan, times }: { plan: EncodingPlan; times: readonly number[] },
): Promise<readonly ThumbnailFacts[]> {
  const { run, video, folder, signal } = attempt;
  const from = pictureSource(plan);
  const pieces = times.map((atSeconds, index) => thumbnailPiece(plan, { index, atSeconds }, from));
  const done = await findSoundPieces(deps, ledgerOf(run), pieces);

  const streams = await deps.database.run((em) => listStreams(em, video.id, run.version));
  const stream = streams.find(({ output }) => output === from);
  if (stream === undefined) throw new AppError('piece-missing', { piece: `rendition/${from}` });
  const sourcePath = path.join(folder, 'rendition.mp4');
  await deps.store.fetchToFile(stream.objectKey, sourcePath, signal);

  const thumbnails: ThumbnailFacts[] = [];
  for (const [index, piece] of pieces.entries()) {
    const timestampSeconds = times[index] ?? 0;
    const kept =
      done.get(piece.name) ??
      (await makeOne(deps, attempt, { plan, index, timestampSeconds, sourcePath, piece }));
    thumbnails.push({
      timestampSeconds,
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
    timestampSeconds: number;
    sourcePath: string;
    piece: ReturnType<typeof thumbnailPiece>;
  },
): Promise<FinishedPiece> {
  const { plan, index, timestampSeconds, sourcePath, piece } = work;
  const picture = await extractThumbnail(attempt.runFfmpeg, {
    sourcePath,
    frameRate: plan.frameRate,
    frames: plan.frames,
    timestampSeconds,
    outputPath: path.join(attempt.folder, `${index}.jpg`),
  });
  const { video, run } = attempt;
  // What people keep may change between two attempts, so that another time has this index.
  const key =
    index < plan.thumbnailTimes.length
      ? thumbnailKey(video.id, run.version, index)
      : addedThumbnailKey(video.id, run.version, randomUUID());
  return keepPiece(deps, attempt, { piece, path: picture.path, facts: {}, key });
}
