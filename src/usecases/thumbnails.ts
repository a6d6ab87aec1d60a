import { addWish, countPendingWishes, listShownWishes } from '../db/picture-wishes.ts';
import { chooseThumbnail } from '../db/pictures.ts';
import { listPublishedMedia, type ThumbnailRecord } from '../db/published.ts';
import { lockVideo } from '../db/runs.ts';
import type { EntityManager } from '../db/orm.ts';
import type { VideoRecord } from '../db/videos.ts';
import { AppError } from '../domain/errors.ts';
import type { VideoId } from '../domain/ids.ts';
import { clampThumbnailTime, isSameTime, MAX_THUMBNAILS } from '../domain/thumbnail-times.ts';
import type { UseCaseDeps } from './deps.ts';
import { thumbnailUrl, type VideoView } from './present-video.ts';
import { requireVideo } from './require-video.ts';
import { getVideo } from './videos.ts';
import type { Viewer } from './viewer.ts';

type Deps = Pick<UseCaseDeps, 'database' | 'workflows' | 'now'>;

/** What became of asking for thumbnails: one entry per time, each once. */
export interface ThumbnailsAsked {
  readonly thumbnails: readonly ThumbnailAsked[];
  readonly warnings: readonly { readonly code: string; readonly detail: string }[];
}

export interface ThumbnailAsked {
  readonly timestampSeconds: number;
  readonly state: 'ready' | 'pending';
  readonly url: string | null;
}

/**
 * Asks for more thumbnails of the published version; a worker makes them. The same time again is the same thumbnail.
 *
 * Times beyond the end are moved to the last frame, with a warning.
 * @throws `video-not-found`, `video-not-published`, `picture-limit-reached`
 */
export async function addThumbnails(
  deps: Deps,
  viewer: Viewer,
  videoId: VideoId,
  timestampsSeconds: readonly number[],
): Promise<ThumbnailsAsked> {
  const { video, asked, warnings } = await deps.database.transact(async (tx) => {
    await requireVideo(tx, videoId, viewer);
    await lockVideo(tx, videoId);
    const found = await requirePublished(tx, viewer, videoId);
    const times = clampAll(found, timestampsSeconds);
    const present = await listThumbnails(tx, found);
    const missing = times.seconds.filter((time) => findAt(present, time) === undefined);
    await refuseTooMany(tx, videoId, { present: present.length, missing });
    for (const time of missing) await addWish(tx, videoId, 'thumbnail', time);
    const entries = times.seconds.map((time) => describe(videoId, time, findAt(present, time)));
    return { video: found, asked: entries, warnings: times.warnings };
  });
  // Where Temporal is away the wish is in the database, and reconcile starts it.
  if (asked.some(({ state }) => state === 'pending')) await deps.workflows.startPictures(video);
  return { thumbnails: asked, warnings };
}

/**
 * Makes a thumbnail the one that stands for the video; it stays so through later versions.
 * @throws `video-not-found`, `video-not-published`, `thumbnail-not-found`
 */
export async function chooseDefaultThumbnail(
  deps: Deps,
  viewer: Viewer,
  videoId: VideoId,
  choice: { readonly number: number } | { readonly timestampSeconds: number },
): Promise<VideoView> {
  await deps.database.run(async (em) => {
    const thumbnails = await listThumbnails(em, await requirePublished(em, viewer, videoId));
    const chosen =
      'number' in choice
        ? thumbnails.find(({ position }) => position === choice.number)
        : findAt(thumbnails, choice.timestampSeconds);
    if (chosen === undefined) throw new AppError('thumbnail-not-found');
    await chooseThumbnail(em, videoId, chosen.timestampSeconds);
  });
  return getVideo(deps, viewer, videoId);
}

/** @throws `video-not-found`, `video-not-published` */
export async function requirePublished(
  em: EntityManager,
  viewer: Viewer,
  videoId: VideoId,
): Promise<VideoRecord & { readonly version: number; readonly durationSeconds: number }> {
  const video = await requireVideo(em, videoId, viewer);
  const { version, durationSeconds } = video;
  if (version === null || durationSeconds === null)
    throw new AppError('video-not-published', { videoStatus: video.status });
  return { ...video, version, durationSeconds };
}

function clampAll(
  { durationSeconds, frameRate }: VideoRecord & { readonly durationSeconds: number },
  asked: readonly number[],
): { seconds: readonly number[]; warnings: ThumbnailsAsked['warnings'] } {
  const frameSeconds = frameRate === null ? 0 : 1 / frameRate;
  const seconds: number[] = [];
  const beyond: number[] = [];
  for (const time of asked) {
    const clamped = clampThumbnailTime(time, durationSeconds, frameSeconds);
    if (time > durationSeconds) beyond.push(time);
    if (!seconds.some((other) => isSameTime(other, clamped))) seconds.push(clamped);
  }
  if (beyond.length === 0) return { seconds, warnings: [] };
  const detail = `The video lasts ${durationSeconds} s: its last picture is taken for ${beyond.map((time) => `${time} s`).join(', ')}.`;
  return { seconds, warnings: [{ code: 'thumbnail-time-clamped', detail }] };
}

/** What is being made counts, so that many requests at once do not get past the limit. */
async function refuseTooMany(
  tx: EntityManager,
  videoId: VideoId,
  { present, missing }: { present: number; missing: readonly number[] },
): Promise<void> {
  const wishes = await listShownWishes(tx, [videoId]);
  const isWished = (time: number): boolean =>
    wishes.some((wish) => wish.failure === null && wish.atSeconds === time);
  const added = missing.filter((time) => !isWished(time)).length;
  if (added === 0) return;
  const pending = await countPendingWishes(tx, videoId, 'thumbnail');
  if (present + pending + added <= MAX_THUMBNAILS) return;
  throw new AppError('picture-limit-reached', {
    detail: `A video has at most ${MAX_THUMBNAILS} thumbnails; this one has ${present}, and ${pending} are being made.`,
  });
}

async function listThumbnails(
  em: EntityManager,
  video: VideoRecord,
): Promise<readonly ThumbnailRecord[]> {
  const media = await listPublishedMedia(em, [video]);
  return media.get(video.id)?.thumbnails ?? [];
}

function findAt(
  thumbnails: readonly ThumbnailRecord[],
  seconds: number,
): ThumbnailRecord | undefined {
  return thumbnails.find(({ timestampSeconds }) => isSameTime(timestampSeconds, seconds));
}

function describe(
  videoId: VideoId,
  timestampSeconds: number,
  present: ThumbnailRecord | undefined,
): ThumbnailAsked {
  if (present === undefined) return { timestampSeconds, state: 'pending', url: null };
  const url = thumbnailUrl(videoId, present.position);
  return { timestampSeconds: present.timestampSeconds, state: 'ready', url };
}
