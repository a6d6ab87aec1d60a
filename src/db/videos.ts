import type { FilterQuery } from '@mikro-orm/core';
import type { PlanWarning } from '../domain/encoding-plan.ts';
import type { Failure } from '../domain/failure.ts';
import type { UserId, VideoId } from '../domain/ids.ts';
import type { SkippedRendition } from '../domain/rendition-ladder.ts';
import type { Output, Priority, Profile, RunKind, RunState, Stage, VideoState, Visibility } from '../domain/video.ts';
import { Thumbnail } from './entities/thumbnail.ts';
import { VideoStream } from './entities/video-stream.ts';
import { Video } from './entities/video.ts';
import type { EntityManager } from './orm.ts';

/** A row of `videos`, plain. */
export interface VideoRecord {
  readonly id: VideoId;
  readonly ownerId: UserId;
  readonly title: string;
  readonly description: string;
  readonly categoryId: number | null;
  readonly tags: readonly string[];
  readonly visibility: Visibility;
  readonly profile: Profile;
  readonly priority: Priority;
  readonly thumbnailTimestamps: readonly number[] | null;
  readonly status: VideoState;
  readonly storedName: string;
  readonly originalFileName: string;
  readonly originalContentType: string;
  readonly originalSizeBytes: number;
  readonly originalSha256: string;
  readonly originalAvailable: boolean;
  readonly durationSeconds: number | null;
  readonly widthPx: number | null;
  readonly heightPx: number | null;
  readonly frameRate: number | null;
  readonly version: number | null;
  readonly skipped: readonly SkippedRendition[];
  readonly warnings: readonly PlanWarning[];
  readonly failure: Failure | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly completedAt: Date | null;
}

/** What an upload knows of its video. */
export interface NewVideo {
  readonly ownerId: number;
  readonly title: string;
  readonly description: string;
  readonly categoryId: number | null;
  readonly tags: readonly string[];
  readonly visibility: Visibility;
  readonly profile: Profile;
  readonly priority: Priority;
  readonly thumbnailTimestamps: readonly number[] | null;
  readonly storedName: string;
  readonly originalFileName: string;
  readonly originalContentType: string;
  readonly originalSizeBytes: number;
  readonly originalSha256: string;
  /** When the upload arrived; now if left out. */
  readonly createdAt?: Date;
}

/**
 * Makes the row of an upload, state `pending`. Idempotent by `storedName`: a second call changes nothing, also where the
 * video was deleted meanwhile.
 * @returns undefined when the row was there already
 */
export async function insertVideo(em: EntityManager, video: NewVideo): Promise<VideoId | undefined> {
  const { createdAt, ...columns } = video;
  const created = createdAt === undefined ? {} : { createdAt, updatedAt: createdAt };
  const rows = await em
    .createQueryBuilder(Video)
    .insert({ ...columns, ...created, tags: [...video.tags] })
    .onConflict('storedName')
    .ignore()
    .returning('id')
    .execute<{ id: number }[]>('all');
  return rows[0]?.id as VideoId | undefined;
}

/** @returns undefined when there is none, or it was deleted */
export async function findVideo(em: EntityManager, id: VideoId): Promise<VideoRecord | undefined> {
  const video = await em.findOne(Video, { id, deletedAt: null }, { disableIdentityMap: true });
  return video === null ? undefined : toRecord(video);
}

/** Also a deleted one's id: the tombstone keeps a late manifest from coming back. */
export async function findVideoIdByStoredName(em: EntityManager, storedName: string): Promise<VideoId | undefined> {
  const video = await em.findOne(Video, { storedName }, { fields: ['id'], disableIdentityMap: true });
  return video?.id as VideoId | undefined;
}

export interface VideoFilter {
  /** Undefined: everybody's. */
  readonly ownerId: number | undefined;
  readonly status: VideoState | undefined;
  readonly categoryId: number | undefined;
  readonly tag: string | undefined;
  /** Looked for in title and description, whatever the case. */
  readonly text: string | undefined;
  /** Only videos older than this one. */
  readonly beforeId: number | undefined;
}

/** Newest first. */
export async function listVideos(em: EntityManager, filter: VideoFilter, limit: number): Promise<readonly VideoRecord[]> {
  const where: FilterQuery<Video>[] = [{ deletedAt: null }];
  if (filter.ownerId !== undefined) where.push({ ownerId: filter.ownerId });
  if (filter.status !== undefined) where.push({ status: filter.status });
  if (filter.categoryId !== undefined) where.push({ categoryId: filter.categoryId });
  if (filter.tag !== undefined) where.push({ tags: { $contains: [filter.tag] } });
  if (filter.beforeId !== undefined) where.push({ id: { $lt: filter.beforeId } });
  if (filter.text !== undefined) {
    const pattern = `%${filter.text.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
    where.push({ $or: [{ title: { $ilike: pattern } }, { description: { $ilike: pattern } }] });
  }
  const videos = await em.find(Video, { $and: where }, { orderBy: { id: 'desc' }, limit, disableIdentityMap: true });
  return videos.map(toRecord);
}

/** Which of these videos are there and belong to this owner. */
export async function filterOwnedVideos(
  em: EntityManager,
  ids: readonly number[],
  ownerId: number,
): Promise<readonly number[]> {
  const where = { id: { $in: [...ids] }, ownerId, deletedAt: null };
  const videos = await em.find(Video, where, { fields: ['id'], disableIdentityMap: true });
  return videos.map((video) => video.id);
}

/** What people may change of a video. */
export interface VideoChanges {
  readonly title?: string;
  readonly description?: string;
  readonly categoryId?: number | null;
  readonly tags?: readonly string[];
}

export async function updateVideo(em: EntityManager, id: VideoId, changes: VideoChanges): Promise<void> {
  const { tags, ...columns } = changes;
  const values = { ...columns, ...(tags === undefined ? {} : { tags: [...tags] }), updatedAt: new Date() };
  await em.nativeUpdate(Video, { id, deletedAt: null }, values);
}

/** Hides a video from everybody, in one statement. @returns false when it was deleted before */
export async function markVideoDeleted(em: EntityManager, id: VideoId, at: Date): Promise<boolean> {
  return (await em.nativeUpdate(Video, { id, deletedAt: null }, { deletedAt: at })) > 0;
}

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

/** A run as viewers see it. */
export interface RunRecord {
  readonly videoId: VideoId;
  readonly workflowId: string;
  readonly runId: string;
  readonly kind: RunKind;
  readonly state: RunState;
  readonly stage: Stage;
  readonly progressPercent: number;
  readonly hasPlan: boolean;
  readonly toolSeenAt: Date | null;
  readonly waitingFor: string | null;
  readonly failure: Failure | null;
  readonly startedAt: Date;
}

/** A video with all that is shown of it. */
export interface VideoFacts {
  readonly video: VideoRecord;
  /** Of the published version; empty where there is none. */
  readonly streams: readonly StreamRecord[];
  readonly thumbnails: readonly ThumbnailRecord[];
  /** The active one, else the newest. */
  readonly run: RunRecord | null;
}

/** Gathers outputs and runs of these videos, in three queries whatever their number. */
export async function gatherVideoFacts(
  em: EntityManager,
  videos: readonly VideoRecord[],
): Promise<readonly VideoFacts[]> {
  if (videos.length === 0) return [];
  const ids = videos.map((video) => video.id);
  const live = { videoId: { $in: ids }, retiredAt: null };
  const streams = await em.find(VideoStream, live, { disableIdentityMap: true });
  const thumbnails = await em.find(Thumbnail, live, { orderBy: { position: 'asc' }, disableIdentityMap: true });
  const runs = await findCurrentRuns(em, ids);
  return videos.map((video) => {
    const isPublished = (row: { videoId: number; version: number }): boolean =>
      row.videoId === video.id && row.version === video.version;
    return {
      video,
      streams: streams.filter(isPublished).map(toStreamRecord),
      thumbnails: thumbnails.filter(isPublished).map(toThumbnailRecord),
      run: runs.find((run) => run.videoId === video.id) ?? null,
    };
  });
}

/** A file of the published version by its name. */
export async function findPublishedStream(
  em: EntityManager,
  video: VideoRecord,
  output: Output,
): Promise<StreamRecord | undefined> {
  if (video.version === null) return undefined;
  const where = { videoId: video.id, version: video.version, output, retiredAt: null };
  const stream = await em.findOne(VideoStream, where, { disableIdentityMap: true });
  return stream === null ? undefined : toStreamRecord(stream);
}

/** Names of everything that the published version has. */
export async function listPublishedOutputs(em: EntityManager, video: VideoRecord): Promise<readonly Output[]> {
  if (video.version === null) return [];
  const where = { videoId: video.id, version: video.version, retiredAt: null };
  const streams = await em.find(VideoStream, where, { fields: ['output'], disableIdentityMap: true });
  return streams.map((stream) => stream.output);
}

export async function findPublishedThumbnail(
  em: EntityManager,
  video: VideoRecord,
  position: number,
): Promise<ThumbnailRecord | undefined> {
  if (video.version === null) return undefined;
  const where = { videoId: video.id, version: video.version, position, retiredAt: null };
  const thumbnail = await em.findOne(Thumbnail, where, { disableIdentityMap: true });
  return thumbnail === null ? undefined : toThumbnailRecord(thumbnail);
}

/** An active run and whose video it works on. */
export interface QueueEntry {
  readonly title: string;
  readonly ownerId: number;
  readonly run: RunRecord;
}

/** Oldest first. @param ownerId undefined: everybody's */
export async function listActiveRuns(em: EntityManager, ownerId: number | undefined): Promise<readonly QueueEntry[]> {
  const rows = await em.execute<(RunRow & { title: string; owner_id: number })[]>(
    `select ${RUN_COLUMNS}, v.title, v.owner_id from video_runs r join videos v on v.id = r.video_id
     where r.state = 'active' and v.deleted_at is null ${ownerId === undefined ? '' : 'and v.owner_id = ?'}
     order by r.started_at, r.id`,
    ownerId === undefined ? [] : [ownerId],
  );
  return rows.map((row) => ({ title: row.title, ownerId: row.owner_id, run: toRunRecord(row) }));
}

/** Plans and probes are large and nobody here reads them: they are left out. */
const RUN_COLUMNS =
  'r.video_id, r.workflow_id, r.run_id, r.kind, r.state, r.stage, r.progress_percent, r.plan is not null as has_plan, ' +
  'r.tool_seen_at, r.waiting_for, r.failure, r.started_at';

interface RunRow {
  readonly video_id: number;
  readonly workflow_id: string;
  readonly run_id: string;
  readonly kind: RunKind;
  readonly state: RunState;
  readonly stage: Stage;
  readonly progress_percent: number;
  readonly has_plan: boolean;
  readonly tool_seen_at: string | Date | null;
  readonly waiting_for: string | null;
  readonly failure: Failure | null;
  readonly started_at: string | Date;
}

async function findCurrentRuns(em: EntityManager, videoIds: readonly VideoId[]): Promise<readonly RunRecord[]> {
  const rows = await em.execute<RunRow[]>(
    `select distinct on (r.video_id) ${RUN_COLUMNS} from video_runs r
     where r.video_id in (${videoIds.map(() => '?').join(', ')})
     order by r.video_id, (r.state = 'active') desc, r.id desc`,
    [...videoIds],
  );
  return rows.map(toRunRecord);
}

function toRunRecord(row: RunRow): RunRecord {
  return {
    videoId: row.video_id as VideoId,
    workflowId: row.workflow_id,
    runId: row.run_id,
    kind: row.kind,
    state: row.state,
    stage: row.stage,
    progressPercent: row.progress_percent,
    hasPlan: row.has_plan,
    toolSeenAt: row.tool_seen_at === null ? null : new Date(row.tool_seen_at),
    waitingFor: row.waiting_for,
    failure: row.failure,
    startedAt: new Date(row.started_at),
  };
}

function toRecord(video: Video): VideoRecord {
  return {
    id: video.id as VideoId,
    ownerId: video.ownerId as UserId,
    title: video.title,
    description: video.description,
    categoryId: video.categoryId ?? null,
    tags: [...video.tags],
    visibility: video.visibility,
    profile: video.profile,
    priority: video.priority,
    thumbnailTimestamps: video.thumbnailTimestamps ?? null,
    status: video.status,
    storedName: video.storedName,
    originalFileName: video.originalFileName,
    originalContentType: video.originalContentType,
    originalSizeBytes: video.originalSizeBytes,
    originalSha256: video.originalSha256,
    originalAvailable: video.originalAvailable,
    durationSeconds: video.durationSeconds ?? null,
    widthPx: video.widthPx ?? null,
    heightPx: video.heightPx ?? null,
    frameRate: video.frameRate ?? null,
    version: video.version ?? null,
    skipped: video.skipped,
    warnings: video.warnings,
    failure: video.failure ?? null,
    createdAt: video.createdAt,
    updatedAt: video.updatedAt,
    completedAt: video.completedAt ?? null,
  };
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
