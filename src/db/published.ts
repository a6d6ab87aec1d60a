import type { FragmentIndex } from '../domain/fragment-index.ts';
import type { VideoId } from '../domain/ids.ts';
import { isSameTime } from '../domain/thumbnail-times.ts';
import type { Output } from '../domain/video.ts';
import { Thumbnail } from './entities/thumbnail.ts';
import { VideoStream } from './entities/video-stream.ts';
import type { EntityManager } from './orm.ts';
import type { VideoRecord } from './videos.ts';

/** A playable file of the published version. */
export interface StreamRecord {
  readonly output: Output;
  readonly objectKey: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly bitrateBps: number;
  readonly codecs: string;
  /** Players can fetch it piece by piece. */
  readonly hasFragments: boolean;
  readonly createdAt: Date;
}

export interface ThumbnailRecord {
  readonly position: number;
  readonly timestampSeconds: number;
  readonly objectKey: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly isDefault: boolean;
}

/** What viewers get of a video: streams and thumbnails of its published version. */
export interface PublishedMedia {
  readonly streams: readonly StreamRecord[];
  readonly thumbnails: readonly ThumbnailRecord[];
}

/** Of many videos in two queries; empty where nothing is published. */
export async function listPublishedMedia(
  em: EntityManager,
  videos: readonly VideoRecord[],
): Promise<ReadonlyMap<VideoId, PublishedMedia>> {
  const live = { videoId: { $in: videos.map((video) => video.id) }, retiredAt: null };
  const options = { disableIdentityMap: true } as const;
  const streams = await em.find(VideoStream, live, options);
  const thumbnails = await em.find(Thumbnail, live, { ...options, orderBy: { position: 'asc' } });
  return new Map(
    videos.map((video) => {
      const isPublished = (row: { videoId: number; version: number }): boolean =>
        row.videoId === video.id && row.version === video.version;
      const media = {
        streams: streams.filter(isPublished).map(toStreamRecord),
        thumbnails: markChosen(video, thumbnails.filter(isPublished).map(toThumbnailRecord)),
      };
      return [video.id, media] as const;
    }),
  );
}

/** The chosen one stands for the video where the version has it, else the one that the version itself names. */
function markChosen(
  { defaultThumbnailSeconds: chosen }: VideoRecord,
  thumbnails: readonly ThumbnailRecord[],
): readonly ThumbnailRecord[] {
  if (chosen === null) return thumbnails;
  const isChosen = ({ timestampSeconds }: ThumbnailRecord): boolean =>
    isSameTime(timestampSeconds, chosen);
  if (!thumbnails.some(isChosen)) return thumbnails;
  return thumbnails.map((thumbnail) => ({ ...thumbnail, isDefault: isChosen(thumbnail) }));
}

/** A file of the published version by its name. */
export async function findPublishedStream(
  em: EntityManager,
  video: VideoRecord,
  output: Output,
): Promise<StreamRecord | undefined> {
  return video.version === null ? undefined : findStreamOfVersion(em, video, video.version, output);
}

/** A file of the published version, or of an older one that is not cleared away yet. */
export async function findStreamOfVersion(
  em: EntityManager,
  video: VideoRecord,
  version: number,
  output: Output,
): Promise<StreamRecord | undefined> {
  const where = { ...ofVersion(video, version), output };
  const stream = await em.findOne(VideoStream, where, { disableIdentityMap: true });
  return stream === null ? undefined : toStreamRecord(stream);
}

/** Names of everything that the published version has. */
export async function listPublishedOutputs(
  em: EntityManager,
  video: VideoRecord,
): Promise<readonly Output[]> {
  if (video.version === null) return [];
  const streams = await em.find(VideoStream, ofVersion(video, video.version), {
    fields: ['output'],
    disableIdentityMap: true,
  });
  return streams.map((stream) => stream.output);
}

export async function findPublishedThumbnail(
  em: EntityManager,
  video: VideoRecord,
  position: number,
): Promise<ThumbnailRecord | undefined> {
  if (video.version === null) return undefined;
  const where = { ...ofVersion(video, video.version), position };
  const thumbnail = await em.findOne(Thumbnail, where, { disableIdentityMap: true });
  return thumbnail === null ? undefined : toThumbnailRecord(thumbnail);
}

/** A packaged rendition as playlists describe it. */
export interface PackagedStream {
  readonly output: Output;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly fragments: FragmentIndex;
}

/** The packaged renditions of the published version, or of an older one that is not cleared away yet. */
export async function listPackagedStreams(
  em: EntityManager,
  video: VideoRecord,
  version: number,
): Promise<readonly PackagedStream[]> {
  const streams = await em.find(VideoStream, ofVersion(video, version), {
    fields: ['output', 'widthPx', 'heightPx', 'fragments'],
    disableIdentityMap: true,
  });
  return streams.flatMap(({ output, widthPx, heightPx, fragments }) =>
    fragments ? [{ output, widthPx, heightPx, fragments }] : [],
  );
}

/**
 * What a run that is not over has made is not to be seen yet: only what is published, or was. What the video's row says is published
 * may have been replaced since it was read, and is served all the same.
 */
function ofVersion({ id: videoId, version: published }: VideoRecord, version: number) {
  return { videoId, version, ...(version === published ? {} : { retiredAt: { $ne: null } }) };
}

function toStreamRecord(stream: VideoStream): StreamRecord {
  return {
    output: stream.output,
    objectKey: stream.objectKey,
    sizeBytes: stream.sizeBytes,
    sha256: stream.sha256,
    widthPx: stream.widthPx,
    heightPx: stream.heightPx,
    bitrateBps: stream.bitrateBps,
    codecs: stream.codecs,
    hasFragments: stream.hasFragments,
    createdAt: stream.createdAt,
  };
}

function toThumbnailRecord(thumbnail: Thumbnail): ThumbnailRecord {
  return {
    position: thumbnail.position,
    timestampSeconds: thumbnail.timestampSeconds,
    objectKey: thumbnail.objectKey,
    sizeBytes: thumbnail.sizeBytes,
    sha256: thumbnail.sha256,
    isDefault: thumbnail.isDefault,
  };
}
