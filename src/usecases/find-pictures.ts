import type { Database } from '../db/database.ts';
import type { EntityManager } from '../db/orm.ts';
import { addWish, countPendingWishes, findWishFor } from '../db/picture-wishes.ts';
import { countPosters, findPicture, listOwnPosters, type PictureRecord } from '../db/pictures.ts';
import { listPublishedMedia } from '../db/published.ts';
import { lockVideo } from '../db/runs.ts';
import type { VideoRecord } from '../db/videos.ts';
import { AppError } from '../domain/errors.ts';
import type { VideoId } from '../domain/ids.ts';
import { MAX_POSTERS } from '../domain/pictures.ts';
import type { StoryboardLayout } from '../domain/storyboard.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { VideoWorkflows } from '../temporal/video-workflows.ts';
import { describePicture, type MediaFile, openMedia } from './find-media.ts';
import { requireVideo } from './require-video.ts';
import { requirePublished } from './thumbnails.ts';
import type { Viewer } from './viewer.ts';
import { pollUntil } from './poll-until.ts';

export interface PictureLibraryDeps {
  readonly database: Database;
  readonly store: ObjectStore;
  readonly workflows: Pick<VideoWorkflows, 'startPictures'>;
  /** How long a request waits for a picture that is being made. */
  readonly waitMs: number;
}

/** Pictures of a video beside its thumbnails. Nothing is made here: workers do that. */
export interface PictureLibrary {
  /** @throws `video-not-found`, `picture-not-found` */
  findStoryboard(viewer: Viewer, videoId: VideoId, version?: number): Promise<Storyboard>;
  /** @throws `video-not-found`, `picture-not-found`, `storage-object-missing` */
  findSheet(
    viewer: Viewer,
    videoId: VideoId,
    sheet: { readonly version: number | undefined; readonly number: number },
  ): Promise<MediaFile>;
  /** The own poster, else the thumbnail that stands for the video. @throws `video-not-found`, `picture-not-found` */
  findPoster(viewer: Viewer, videoId: VideoId): Promise<MediaFile>;
  /**
   * The picture at a whole second of the published version. One that is not there is made, and waited for.
   * @throws `video-not-found`, `video-not-published`, `validation-failed` (beyond the end), `picture-limit-reached`,
   * `picture-pending`, and the code with which it could not be made
   */
  findPosterAt(
    viewer: Viewer,
    videoId: VideoId,
    second: number,
    signal: AbortSignal,
  ): Promise<MediaFile>;
}

export interface Storyboard {
  readonly videoId: VideoId;
  readonly version: number;
  readonly layout: StoryboardLayout;
}

export function createPictureLibrary(deps: PictureLibraryDeps): PictureLibrary {
  const { database, store } = deps;
  return {
    async findStoryboard(viewer, videoId, version) {
      const found = await database.run((em) =>
        requireSheet(em, viewer, videoId, { version, number: 0 }),
      );
      const { layout } = found.picture;
      if (layout === null) throw new AppError('picture-not-found');
      return { videoId, version: found.version, layout };
    },

    async findSheet(viewer, videoId, sheet) {
      const { picture } = await database.run((em) => requireSheet(em, viewer, videoId, sheet));
      return open(store, picture);
    },

    async findPoster(viewer, videoId) {
      const found = await database.run(async (em) => {
        const video = await requireVideo(em, videoId, viewer);
        const [own] = await listOwnPosters(em, [videoId]);
        return own ?? (await findDefaultThumbnail(em, video));
      });
      if (found === undefined) throw new AppError('picture-not-found');
      return open(store, found);
    },

    async findPosterAt(viewer, videoId, second, signal) {
      const look = () =>
        database.run(async (em) => {
          const video = await requirePublished(em, viewer, videoId);
          return findPosterOf(em, video, second);
        });
      const present = await look();
      if (present !== undefined) return open(store, present);
      const video = await database.transact((tx) => askForPoster(tx, viewer, videoId, second));
      if (video !== undefined) await deps.workflows.startPictures(video);

      const made = await pollUntil(
        async () => (await look()) ?? (await refuseFailed(database, videoId, second)),
        { deadlineMs: deps.waitMs, signal },
      );
      if (made === undefined)
        throw new AppError('picture-pending', { retryAfterSeconds: RETRY_AFTER_SECONDS });
      return open(store, made);
    },
  };
}

const RETRY_AFTER_SECONDS = 5;

interface StoredPicture {
  readonly objectKey: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly createdAt: Date;
}

function open(store: ObjectStore, picture: StoredPicture): Promise<MediaFile> {
  return openMedia(store, describePicture({ ...picture, lastModified: picture.createdAt }));
}

async function requireSheet(
  em: EntityManager,
  viewer: Viewer,
  videoId: VideoId,
  sheet: { readonly version: number | undefined; readonly number: number },
): Promise<{ version: number; picture: PictureRecord }> {
  const video = await requireVideo(em, videoId, viewer);
  const version = sheet.version ?? video.version;
  const place = { kind: 'storyboard', position: sheet.number } as const;
  const picture = version === null ? undefined : await findPicture(em, video, version, place);
  if (version === null || picture === undefined) throw new AppError('picture-not-found');
  return { version, picture };
}

async function findDefaultThumbnail(
  em: EntityManager,
  video: VideoRecord,
): Promise<StoredPicture | undefined> {
  const media = await listPublishedMedia(em, [video]);
  const thumbnail = media.get(video.id)?.thumbnails.find(({ isDefault }) => isDefault);
  return thumbnail && { ...thumbnail, createdAt: video.completedAt ?? video.createdAt };
}

function findPosterOf(
  em: EntityManager,
  video: VideoRecord & { readonly version: number },
  second: number,
): Promise<PictureRecord | undefined> {
  return findPicture(em, video, video.version, { kind: 'poster', position: second });
}

/**
 * Two requests for the same second make one picture; what is being made counts towards the limit.
 * @returns undefined when the picture has been entered since somebody looked
 */
async function askForPoster(
  tx: EntityManager,
  viewer: Viewer,
  videoId: VideoId,
  second: number,
): Promise<VideoRecord | undefined> {
  await requireVideo(tx, videoId, viewer);
  await lockVideo(tx, videoId);
  const video = await requirePublished(tx, viewer, videoId);
  if (second > 0 && second >= video.durationSeconds)
    throw new AppError('validation-failed', {
      detail: `The video lasts ${video.durationSeconds} s.`,
    });
  const asked = await findWishFor(tx, videoId, 'poster', second);
  if (asked?.failure === null) return video;
  if ((await findPosterOf(tx, video, second)) !== undefined) return undefined;
  const present = await countPosters(tx, videoId, video.version);
  const pending = await countPendingWishes(tx, videoId, 'poster');
  if (present + pending >= MAX_POSTERS)
    throw new AppError('picture-limit-reached', {
      detail: `A video has pictures of at most ${MAX_POSTERS} seconds.`,
    });
  await addWish(tx, videoId, 'poster', second);
  return video;
}

async function refuseFailed(
  database: Database,
  videoId: VideoId,
  second: number,
): Promise<undefined> {
  const wish = await database.run((em) => findWishFor(em, videoId, 'poster', second));
  if (wish?.failure) throw new AppError(wish.failure.code, { detail: wish.failure.detail });
  return undefined;
}
