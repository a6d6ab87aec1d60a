import type { Database } from '../db/database.ts';
import {
  findPublishedStream,
  findPublishedThumbnail,
  findStreamOfVersion,
  listPackagedStreams,
  listPublishedOutputs,
  type PackagedStream,
  type StreamRecord,
} from '../db/published.ts';
import type { VideoRecord } from '../db/videos.ts';
import { AppError } from '../domain/errors.ts';
import type { FragmentIndex } from '../domain/fragment-index.ts';
import type { VideoId } from '../domain/ids.ts';
import { originalKey } from '../domain/object-keys.ts';
import { sanitizeFileName } from '../domain/stored-name.ts';
import {
  isTerminal,
  OUTPUTS,
  type Output,
  QUALITIES,
  type Quality,
  type VideoState,
} from '../domain/video.ts';
import type { EntityManager } from '../db/orm.ts';
import type { AddressOptions, ByteRange, ObjectStore } from '../storage/object-store.ts';
import { requireVideo } from './require-video.ts';
import { isAdmin, type Viewer } from './viewer.ts';

/** A stored file that a viewer may have, seen to be there in full size. */
export interface MediaFile {
  readonly sizeBytes: number;
  /** Hex, of the bytes. */
  readonly sha256: string;
  readonly lastModified: Date;
  readonly contentType: string;
  /** To be saved under; null where there is none to suggest. */
  readonly fileName: string | null;
  /** Of the video it belongs to; null where that is not known, and for pictures. */
  readonly durationSeconds: number | null;
  /** Where the store itself gives it to viewers; undefined where it does not. */
  locate(as: LocateOptions): Promise<MediaAddress | undefined>;
  /** Chunks are valid until the next is asked for. Nothing is opened before the first. */
  read(range: ByteRange, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export type LocateOptions = Omit<AddressOptions, 'contentType'>;

/** Where a viewer finds a file without us, and the validators that he finds there. */
export interface MediaAddress {
  readonly url: string;
  /** With its quotes; absent where the store keeps none. */
  readonly etag?: string | undefined;
  readonly lastModified: Date;
}

export interface MediaLibrary {
  /**
   * @param quality as in the address: a rendition, `compressed`, `processed` or `original`
   * @throws `video-not-found`, `quality-not-available` (with `available` and `videoStatus`), `original-not-kept` (the same),
   *   `storage-object-missing`
   */
  findStream(viewer: Viewer, videoId: VideoId, quality: string): Promise<MediaFile>;
  /** As `findStream`, of the newest version and under a name to save it as. */
  findDownload(viewer: Viewer, videoId: VideoId, quality: string): Promise<MediaFile>;
  /** A rendition of one version: the published one, or an older one while it is kept. Its bytes never change. */
  findVersion(
    viewer: Viewer,
    videoId: VideoId,
    rendition: { readonly version: number; readonly quality: string },
  ): Promise<MediaFile>;
  /**
   * What playlists are written from.
   * @param version the published one when left out
   * @throws `video-not-found`, `quality-not-available`
   */
  findPackage(viewer: Viewer, videoId: VideoId, version?: number): Promise<PackagedVideo>;
  /** @throws `video-not-found`, `thumbnail-not-found`, `storage-object-missing` */
  findThumbnail(viewer: Viewer, videoId: VideoId, position: number): Promise<MediaFile>;
}

/** The renditions of one version that players can fetch piece by piece. */
export interface PackagedVideo {
  readonly videoId: VideoId;
  readonly version: number;
  /** Tallest first, at least one. */
  readonly renditions: readonly PackagedRendition[];
}

export interface PackagedRendition {
  readonly quality: Quality;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly fragments: FragmentIndex;
}

/** These may carry places and devices: for the owner and administrators only. */
const SOURCE_QUALITIES: readonly string[] = ['original', 'processed'];

/** An object with what an answer says of it. */
export interface Servable {
  readonly objectKey: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly lastModified: Date;
  readonly contentType: string;
  readonly fileName: string | null;
  readonly durationSeconds: number | null;
}

/** What viewers can fetch of a video, as the database knows it and the store has it. */
export function createMediaLibrary({
  database,
  store,
}: {
  database: Database;
  store: ObjectStore;
}): MediaLibrary {
  return {
    async findStream(viewer, videoId, quality) {
      const found = await database.run(async (em) => {
        const video = await requireVideo(em, videoId, viewer);
        return (
          (await findServable(em, video, { quality, viewer })) ?? refuse(em, video, viewer, quality)
        );
      });
      return openMedia(store, found);
    },

    async findDownload(viewer, videoId, quality) {
      const found = await database.run(async (em) => {
        const video = await requireVideo(em, videoId, viewer);
        const servable = await findServable(em, video, { quality, viewer });
        if (servable === undefined) return refuse(em, video, viewer, quality);
        const fileName = sanitizeFileName(
          `${video.title.replaceAll(/[/\\]/g, '_')} ${quality}.mp4`,
        );
        return { ...servable, fileName: servable.fileName ?? fileName };
      });
      return openMedia(store, found);
    },

    async findVersion(viewer, videoId, { version, quality }) {
      const found = await database.run(async (em) => {
        const video = await requireVideo(em, videoId, viewer);
        const stream = isQuality(quality)
          ? await findStreamOfVersion(em, video, version, quality)
          : undefined;
        return stream === undefined ? refuse(em, video, viewer) : describeStream(video, stream);
      });
      return openMedia(store, found);
    },

    findPackage(viewer, videoId, asked) {
      return database.run(async (em) => {
        const video = await requireVideo(em, videoId, viewer);
        const version = asked ?? video.version;
        const streams = version === null ? [] : await listPackagedStreams(em, video, version);
        const renditions = sortRenditions(streams);
        if (version === null || renditions.length === 0) return refuse(em, video, viewer);
        return { videoId, version, renditions };
      });
    },

    async findThumbnail(viewer, videoId, position) {
      const found = await database.run(async (em) => {
        const video = await requireVideo(em, videoId, viewer);
        const thumbnail = await findPublishedThumbnail(em, video, position);
        if (thumbnail === undefined) throw new AppError('thumbnail-not-found');
        const lastModified = video.completedAt ?? video.createdAt;
        return describePicture({ ...thumbnail, lastModified });
      });
      return openMedia(store, found);
    },
  };
}

async function findServable(
  em: EntityManager,
  video: VideoRecord,
  { quality, viewer }: { quality: string; viewer: Viewer },
): Promise<Servable | undefined> {
  if (SOURCE_QUALITIES.includes(quality) && !maySeeSource(viewer, video)) return undefined;
  if (quality === 'original') return video.originalAvailable ? describeOriginal(video) : undefined;
  if (!isOutput(quality)) return undefined;
  const stream = await findPublishedStream(em, video, quality);
  return stream && describeStream(video, stream);
}

function describeStream(
  { durationSeconds }: VideoRecord,
  { objectKey, sizeBytes, sha256, createdAt }: StreamRecord,
): Servable {
  return {
    objectKey,
    sizeBytes,
    sha256,
    lastModified: createdAt,
    contentType: 'video/mp4',
    fileName: null,
    durationSeconds,
  };
}

/** Pictures that we have made: thumbnails, sheets, posters. */
export function describePicture(
  picture: Pick<Servable, 'objectKey' | 'sizeBytes' | 'sha256' | 'lastModified'>,
): Servable {
  return { ...picture, contentType: 'image/jpeg', fileName: null, durationSeconds: null };
}

function sortRenditions(streams: readonly PackagedStream[]): readonly PackagedRendition[] {
  return QUALITIES.toReversed().flatMap((quality) => {
    const stream = streams.find(({ output }) => output === quality);
    if (stream === undefined) return [];
    const { widthPx, heightPx, fragments } = stream;
    return [{ quality, widthPx, heightPx, fragments }];
  });
}

async function refuse(
  em: EntityManager,
  video: VideoRecord,
  viewer: Viewer,
  quality?: string,
): Promise<never> {
  const published = await listPublishedOutputs(em, video);
  const isGone = quality === 'original' && !video.originalAvailable && maySeeSource(viewer, video);
  const present = [
    ...OUTPUTS.filter((output) => published.includes(output)),
    ...(video.originalAvailable ? ['original'] : []),
  ];
  const available = present.filter(
    (quality) => maySeeSource(viewer, video) || !SOURCE_QUALITIES.includes(quality),
  );
  throw new AppError(isGone ? 'original-not-kept' : 'quality-not-available', {
    available,
    videoStatus: video.status,
    ...describeStatus(video.status),
  });
}

function describeStatus(status: VideoState): { detail?: string } {
  if (status === 'completed') return {};
  return {
    detail: isTerminal(status)
      ? `The video is ${status}.`
      : `The video is not ready yet: it is ${status}.`,
  };
}

function describeOriginal(video: VideoRecord): Servable {
  return {
    objectKey: originalKey(video.storedName),
    sizeBytes: video.originalSizeBytes,
    sha256: video.originalSha256,
    lastModified: video.createdAt,
    contentType: video.originalContentType,
    fileName: video.originalFileName,
    durationSeconds: video.durationSeconds,
  };
}

/** A player asks for range after range: what an object was this long ago it still is, or reading it fails. */
const SEEN_MS = 10_000;

/** An object that is not what the row says is never served as if it were. */
export async function openMedia(store: ObjectStore, servable: Servable): Promise<MediaFile> {
  const { objectKey, sizeBytes } = servable;
  const facts = await store.stat(objectKey, { maxAgeMs: SEEN_MS });
  if (facts?.sizeBytes !== sizeBytes) {
    throw new AppError('storage-object-missing', {
      objectKey,
      sizeBytes,
      foundBytes: facts?.sizeBytes ?? null,
    });
  }
  return {
    ...servable,
    async locate(as) {
      const { contentType } = servable;
      const url = await store.addressOf(objectKey, { ...as, contentType });
      return url === undefined
        ? undefined
        : { url, etag: facts.etag, lastModified: facts.modifiedAt };
    },
    read: (range, signal) => store.read(objectKey, range, signal),
  };
}

function maySeeSource(viewer: Viewer, video: VideoRecord): boolean {
  return video.ownerId === viewer.userId || isAdmin(viewer);
}

function isQuality(quality: string): quality is Quality {
  return QUALITIES.some((known) => known === quality);
}

function isOutput(quality: string): quality is Output {
  return OUTPUTS.some((output) => output === quality);
}
