import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { listStreams } from '../db/outputs.ts';
import { fulfilWish } from '../db/picture-wishes.ts';
import { addThumbnail, replaceOwnPoster, savePoster } from '../db/pictures.ts';
import { withoutOwner } from '../db/pieces.ts';
import type { EntityManager } from '../db/orm.ts';
import { findPublishedPlan, lockVideo } from '../db/runs.ts';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import { AppError } from '../domain/errors.ts';
import type { VideoId } from '../domain/ids.ts';
import { addedThumbnailKey, posterKey } from '../domain/object-keys.ts';
import { isPosterFormat } from '../domain/pictures.ts';
import { pictureSource } from '../domain/recipe.ts';
import {
  makeOwnPoster,
  OWN_POSTER_MEMORY_MB,
  PICTURE_BUDGET_MS,
  PICTURE_DATA_BYTES,
} from '../media/posters.ts';
import { extractThumbnail } from '../media/thumbnails.ts';
import type { PictureOutcome, PictureTask } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { doPictureWork, type PictureWork } from './picture-work.ts';
import { deleteIfUnowned } from './pieces.ts';

/**
 * Makes one picture that was asked for: a thumbnail or a poster out of the published version, or a poster out of somebody's file.
 *
 * Idempotent: the wish goes in the transaction that enters the picture, so a second attempt finds nothing to do. A picture
 * of a version that has been replaced meanwhile is made again from the new one.
 */
export function makePicture(deps: ActivityDeps, { wishId }: PictureTask): Promise<PictureOutcome> {
  return doPictureWork(deps, wishId, async (attempt) => {
    if (attempt.wish.kind === 'own-poster') return makePoster(deps, attempt);
    for (let tries = 1; tries <= MOST_TRIES; tries += 1) {
      const outcome = await takeFrame(deps, attempt, tries);
      if (outcome !== 'moved') return { outcome };
    }
    throw new Error('the video was published again and again');
  });
}

const MOST_TRIES = 3;

/** The version that a frame is taken from. */
interface Source {
  readonly version: number;
  readonly plan: EncodingPlan;
  readonly objectKey: string;
}

async function takeFrame(
  deps: ActivityDeps,
  { wish, folder, signal, runFfmpeg }: PictureWork,
  tries: number,
): Promise<'made' | 'gone' | 'moved'> {
  const { videoId, kind, atSeconds } = wish;
  const source = await findSource(deps, videoId);
  const sourcePath = path.join(folder, `rendition-${tries}.mp4`);
  await deps.store.fetchToFile(source.objectKey, sourcePath, signal);
  const picture = await extractThumbnail(runFfmpeg, {
    sourcePath,
    frameRate: source.plan.frameRate,
    frames: source.plan.frames,
    timestampSeconds: atSeconds,
    outputPath: path.join(folder, `picture-${tries}.jpg`),
  });
  const { version } = source;
  const key =
    kind === 'thumbnail'
      ? addedThumbnailKey(videoId, version, randomUUID())
      : posterKey(videoId, randomUUID(), 'jpg');
  return enter(deps, { key, file: picture.path, signal }, async (tx, stored) => {
    const video = await lockVideo(tx, videoId);
    if (video === undefined) return 'gone';
    if (video.version !== version) return 'moved';
    if (!(await fulfilWish(tx, wish.id))) return 'gone';
    const facts = { ...stored, objectKey: key };
    const isEntered =
      kind === 'poster'
        ? await savePoster(tx, videoId, { version, second: atSeconds }, facts)
        : await addThumbnail(tx, videoId, version, { ...facts, timestampSeconds: atSeconds });
    return isEntered ? 'made' : 'gone';
  });
}

/** @throws `video-not-published` */
async function findSource(deps: ActivityDeps, videoId: VideoId): Promise<Source> {
  return deps.database.run(async (em) => {
    const published = await findPublishedPlan(em, videoId);
    if (published === undefined) throw new AppError('video-not-published');
    const { version, plan } = published;
    const from = pictureSource(plan);
    const streams = await listStreams(em, videoId, version);
    const stream = streams.find(({ output }) => output === from);
    if (stream === undefined) throw new AppError('video-not-published');
    return { version, plan, objectKey: stream.objectKey };
  });
}

/** With room for its memory, as an encoder. */
async function makePoster(deps: ActivityDeps, attempt: PictureWork): Promise<PictureOutcome> {
  const room = deps.encoders.admit({
    // Runs have theirs from 1 on.
    runId: -attempt.wish.id,
    sharedThreads: 1,
    hasSiblings: false,
    lowMemory: true,
    estimateMb: () => OWN_POSTER_MEMORY_MB,
  });
  try {
    return await decodePoster(deps, attempt);
  } finally {
    room.release();
  }
}

async function decodePoster(
  deps: ActivityDeps,
  { wish, folder, signal, runFfmpeg }: PictureWork,
): Promise<PictureOutcome> {
  const { videoId, uploadKey } = wish;
  const format = uploadKey?.split('.').at(-1);
  if (uploadKey === null || !isPosterFormat(format)) throw new AppError('poster-unreadable');
  const sourcePath = path.join(folder, 'upload');
  const outputPath = path.join(folder, 'poster.jpg');
  await deps.store.fetchToFile(uploadKey, sourcePath, signal);
  await makeOwnPoster(
    (command) => runFfmpeg(command, { budgetMs: PICTURE_BUDGET_MS, dataBytes: PICTURE_DATA_BYTES }),
    { sourcePath, format, outputPath },
  );
  const key = posterKey(videoId, randomUUID(), 'jpg');
  let orphans: readonly string[] = [];
  const outcome = await enter(deps, { key, file: outputPath, signal }, async (tx, stored) => {
    if ((await lockVideo(tx, videoId)) === undefined) return 'gone';
    if (!(await fulfilWish(tx, wish.id))) return 'gone';
    const replaced = await replaceOwnPoster(tx, videoId, { ...stored, objectKey: key });
    orphans = await withoutOwner(tx, [uploadKey, ...replaced]);
    return 'made';
  });
  // What stays behind here has no owner, and is swept.
  if (outcome === 'made') await deps.store.delete(orphans).catch(() => undefined);
  return { outcome };
}

/** Stores a picture and enters it; one that is not entered does not stay. */
async function enter<Outcome extends string>(
  deps: ActivityDeps,
  { key, file, signal }: { key: string; file: string; signal: AbortSignal },
  write: (
    tx: EntityManager,
    stored: { sizeBytes: number; sha256: string },
  ) => Promise<Outcome | 'made'>,
): Promise<Outcome | 'made'> {
  const { sizeBytes, sha256 } = await deps.store.putFile(key, file, { signal });
  let outcome: Outcome | 'made' | undefined;
  try {
    outcome = await deps.database.transact((tx) => write(tx, { sizeBytes, sha256 }));
    return outcome;
  } finally {
    if (outcome !== 'made') await deleteIfUnowned(deps, [key]).catch(() => undefined);
  }
}
