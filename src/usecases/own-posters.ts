import { fileTypeFromBuffer } from 'file-type';
import type { Database } from '../db/database.ts';
import { findWish, removePosterWish, replacePosterWish } from '../db/picture-wishes.ts';
import { removeOwnPoster } from '../db/pictures.ts';
import { withoutOwner } from '../db/pieces.ts';
import { lockVideo } from '../db/runs.ts';
import { AppError } from '../domain/errors.ts';
import type { VideoId } from '../domain/ids.ts';
import { posterKey } from '../domain/object-keys.ts';
import { isPosterFormat, MAX_POSTER_BYTES } from '../domain/pictures.ts';
import type { ObjectSink, ObjectStore } from '../storage/object-store.ts';
import type { VideoWorkflows } from '../temporal/video-workflows.ts';
import { pollUntil } from './poll-until.ts';
import { requireVideo } from './require-video.ts';
import { SNIFF_BYTES } from './sniff-container.ts';
import type { Viewer } from './viewer.ts';

export interface OwnPostersDeps {
  readonly database: Database;
  readonly store: ObjectStore;
  readonly workflows: Pick<VideoWorkflows, 'startPictures'>;
  /** Unguessable: lower-case letters and digits. */
  readonly randomName: () => string;
  /** How long an upload waits until its poster is made. */
  readonly waitMs: number;
}

/**
 * Posters that people upload.
 *
 * The file is stored and named by a row before anything is answered. It is never served: a worker makes a JPEG of ours out of
 * it, and then it goes. What a crash leaves between storing and naming has no owner and is swept.
 */
export interface OwnPosters {
  /** @throws `video-not-found` */
  receive(viewer: Viewer, videoId: VideoId): Promise<IncomingPoster>;
  /** Takes the own poster away, also one that is still being made. Idempotent. @throws `video-not-found` */
  remove(viewer: Viewer, videoId: VideoId): Promise<void>;
}

/** One file on its way. The caller ends it by `submit` or `abort`; calls come one after the other. */
export interface IncomingPoster {
  /** @throws `request-too-large`, `poster-not-a-picture` (as soon as they are known), `disk-full`, `storage-unavailable` */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Keeps the file and has the poster made of it. Waits for that, but not for long.
   * @returns `pending` when it will be made later
   * @throws `upload-file-empty`, `poster-not-a-picture`, `video-not-found`; `poster-unreadable`, `source-too-large-picture` once
   * it is known that there will be none
   */
  submit(signal: AbortSignal): Promise<'made' | 'pending'>;
  /** Throws away what arrived. Idempotent. */
  abort(): Promise<void>;
}

export function createOwnPosters(deps: OwnPostersDeps): OwnPosters {
  return {
    async receive(viewer, videoId) {
      await deps.database.run((em) => requireVideo(em, videoId, viewer));
      return receivePoster(deps, viewer, videoId);
    },

    async remove(viewer, videoId) {
      const orphans = await deps.database.transact(async (tx) => {
        await requireVideo(tx, videoId, viewer);
        await lockVideo(tx, videoId);
        const keys = [
          ...(await removePosterWish(tx, videoId)),
          ...(await removeOwnPoster(tx, videoId)),
        ];
        return withoutOwner(tx, keys);
      });
      await deps.store.delete(orphans);
    },
  };
}

function receivePoster(deps: OwnPostersDeps, viewer: Viewer, videoId: VideoId): IncomingPoster {
  let head: Uint8Array[] = [];
  let sizeBytes = 0;
  let opened: { readonly key: string; readonly sink: ObjectSink } | undefined;

  /** Before this nothing has touched the disk. */
  const open = async () => {
    const bytes = Buffer.concat(head);
    head = [];
    const format = (await fileTypeFromBuffer(bytes.subarray(0, SNIFF_BYTES)))?.ext;
    if (!isPosterFormat(format)) throw new AppError('poster-not-a-picture');
    const key = posterKey(videoId, deps.randomName(), format);
    const contentType = `image/${format === 'jpg' ? 'jpeg' : format}`;
    opened = {
      key,
      sink: await deps.store.openSink(key, { contentType, maxBytes: MAX_POSTER_BYTES }),
    };
    await opened.sink.write(bytes);
    return opened;
  };

  return {
    async write(chunk) {
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_POSTER_BYTES) throw posterTooLarge();
      if (opened !== undefined) return opened.sink.write(chunk);
      head.push(chunk.slice());
      if (sizeBytes >= SNIFF_BYTES) await open();
    },

    async submit(signal) {
      if (sizeBytes === 0) throw new AppError('upload-file-empty');
      const { key, sink } = opened ?? (await open());
      await sink.commit();
      const kept = await keep(deps, { viewer, videoId, key });
      await deps.workflows.startPictures(kept.video);
      return waitForPoster(deps, kept.wishId, signal);
    },

    async abort() {
      head = [];
      await opened?.sink.abort();
    },
  };
}

/** The same sentence wherever a size is refused. */
export function posterTooLarge(): AppError {
  const detail = `A poster takes at most ${MAX_POSTER_BYTES} bytes.`;
  return new AppError('request-too-large', { detail });
}

/** Names the file by a row. On an error the file goes. */
async function keep(
  { database, store }: OwnPostersDeps,
  { viewer, videoId, key }: { viewer: Viewer; videoId: VideoId; key: string },
) {
  try {
    const kept = await database.transact(async (tx) => {
      const video = await requireVideo(tx, videoId, viewer);
      if ((await lockVideo(tx, videoId)) === undefined) throw new AppError('video-not-found');
      const { wishId, replaced } = await replacePosterWish(tx, videoId, key);
      return { video, wishId, orphans: await withoutOwner(tx, replaced) };
    });
    await store.delete(kept.orphans).catch(() => undefined);
    return kept;
  } catch (error) {
    // Where the answer of the commit was lost, the row may be there: then the sweep decides, which asks the database.
    if (error instanceof AppError && error.code === 'video-not-found') await store.delete([key]);
    throw error;
  }
}

async function waitForPoster(
  { database, waitMs }: OwnPostersDeps,
  wishId: number,
  signal: AbortSignal,
): Promise<'made' | 'pending'> {
  const look = async (): Promise<'made' | undefined> => {
    const wish = await database.run((em) => findWish(em, wishId));
    if (wish === undefined) return 'made';
    if (wish.failure !== null)
      throw new AppError(wish.failure.code, { detail: wish.failure.detail });
    return undefined;
  };
  return (await pollUntil(look, { deadlineMs: waitMs, signal })) ?? 'pending';
}
