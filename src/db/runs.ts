import { LockMode } from '@mikro-orm/core';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import type { Failure } from '../domain/failure.ts';
import type { RunIdentity, VideoId } from '../domain/ids.ts';
import type { MediaInfo } from '../domain/media-info.ts';
import { originalKey } from '../domain/object-keys.ts';
import type { RunSettings } from '../domain/run-settings.ts';
import { isSameSource, type RunSource } from '../domain/run-source.ts';
import type { RunKind, RunState, Stage } from '../domain/video.ts';
import { VideoRun } from './entities/video-run.ts';
import { VideoStream } from './entities/video-stream.ts';
import { Video } from './entities/video.ts';
import type { EntityManager } from './orm.ts';
import { SIGN_OF_WORK } from './progress.ts';

/**
 * Runs and their fence.
 *
 * Every write of a run happens in a transaction that holds the video's row and has seen that the run is the active one.
 */
export interface Run {
  readonly id: number;
  readonly videoId: VideoId;
  readonly identity: RunIdentity;
  readonly kind: RunKind;
  readonly state: RunState;
  readonly version: number;
  readonly settings: RunSettings;
  readonly source: RunSource;
  readonly mediaInfo: MediaInfo | null;
  readonly plan: EncodingPlan | null;
  readonly stage: Stage;
  readonly progressPercent: number;
  readonly toolSeenAt: Date | null;
  /** Null until it has found room on the disk. */
  readonly reservedBytes: number | null;
  readonly waitingFor: string | null;
  readonly warnings: readonly RunWarning[];
  readonly failure: Failure | null;
  readonly startedAt: Date;
  readonly endedAt: Date | null;
}

export interface RunWarning {
  readonly code: string;
  readonly detail: string;
}

/** What a run needs of its video. */
export interface RunVideo {
  readonly id: VideoId;
  readonly ownerId: number;
  readonly title: string;
  readonly status: Video['status'];
  readonly priority: Video['priority'];
  readonly profile: Video['profile'];
  readonly thumbnailTimestamps: readonly number[] | null;
  readonly version: number | null;
  readonly lastVersion: number;
  readonly storedName: string;
  readonly originalSizeBytes: number;
  readonly originalSha256: string;
  readonly originalAvailable: boolean;
}

/**
 * Holds a video's row until the transaction ends, so that claims, writes, deletion and settlement take turns.
 * @returns undefined when it is gone or deleted
 */
export async function lockVideo(
  tx: EntityManager,
  videoId: VideoId,
): Promise<RunVideo | undefined> {
  const row = await tx.findOne(
    Video,
    { id: videoId, deletedAt: null },
    { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
  );
  return row === null ? undefined : toRunVideo(row);
}

/** The run that may write, if there is one. */
export async function findActiveRun(em: EntityManager, videoId: VideoId): Promise<Run | undefined> {
  return toRun(await em.findOne(VideoRun, { videoId, state: 'active' }, { refresh: true }));
}

/** The newest run, whatever its state. */
export async function findLastRun(em: EntityManager, videoId: VideoId): Promise<Run | undefined> {
  return toRun(await em.findOne(VideoRun, { videoId }, { orderBy: { id: 'desc' }, refresh: true }));
}

/** The newest run that was started under a workflow id: what a reset goes on from. */
export async function findLastRunOf(
  em: EntityManager,
  videoId: VideoId,
  workflowId: string,
): Promise<Run | undefined> {
  return toRun(
    await em.findOne(VideoRun, { videoId, workflowId }, { orderBy: { id: 'desc' }, refresh: true }),
  );
}

/** What the newest probe of the video has found; undefined where it was never probed. */
export async function findLastMediaInfo(
  em: EntityManager,
  videoId: VideoId,
): Promise<MediaInfo | undefined> {
  const run = await em.findOne(
    VideoRun,
    { videoId, mediaInfo: { $ne: null } },
    { orderBy: { id: 'desc' }, refresh: true },
  );
  return run?.mediaInfo ?? undefined;
}

/** The different plans by which earlier runs of the video have worked, newest first. @param limit  runs that are looked at */
export async function findEarlierPlans(
  em: EntityManager,
  run: Run,
  limit: number,
): Promise<readonly EncodingPlan[]> {
  const runs = await em.find(
    VideoRun,
    { videoId: run.videoId, id: { $lt: run.id }, plan: { $ne: null } },
    { orderBy: { id: 'desc' }, limit, refresh: true },
  );
  return runs.flatMap(({ plan }) => plan ?? []);
}

/** This very execution's run, if it has published already. */
export async function findPublishedRun(
  em: EntityManager,
  videoId: VideoId,
  identity: RunIdentity,
): Promise<Run | undefined> {
  return toRun(
    await em.findOne(VideoRun, { videoId, ...identity, state: 'completed' }, { refresh: true }),
  );
}

/** How the published version was made; undefined where nothing is published, or the video is gone. */
export async function findPublishedPlan(
  em: EntityManager,
  videoId: VideoId,
): Promise<{ readonly version: number; readonly plan: EncodingPlan } | undefined> {
  const video = await em.findOne(Video, { id: videoId, deletedAt: null }, { refresh: true });
  const version = video?.version ?? null;
  if (version === null) return undefined;
  const run = await em.findOne(VideoRun, { videoId, version }, { orderBy: { id: 'desc' } });
  return run?.plan ? { version, plan: run.plan } : undefined;
}

/** Where a write of a run stands: it may write, or somebody else may, or the video is gone. */
export type Fenced<T> =
  | { readonly outcome: 'written'; readonly value: T }
  | { readonly outcome: 'not-active'; readonly active: Run | undefined }
  | { readonly outcome: 'video-gone' };

/** Writes only while `identity` is the active run of the video; holds the video's row until the transaction ends. */
export async function writeAsActiveRun<T>(
  tx: EntityManager,
  videoId: VideoId,
  identity: RunIdentity,
  write: (run: Run, video: RunVideo) => Promise<T>,
): Promise<Fenced<T>> {
  const video = await lockVideo(tx, videoId);
  if (video === undefined) return { outcome: 'video-gone' };
  const active = await findActiveRun(tx, videoId);
  if (active === undefined || !isSameRun(active.identity, identity))
    return { outcome: 'not-active', active };
  return { outcome: 'written', value: await write(active, video) };
}

export function isSameRun(a: RunIdentity, b: RunIdentity): boolean {
  return a.workflowId === b.workflowId && a.runId === b.runId;
}

export interface NewRun {
  readonly identity: RunIdentity;
  readonly kind: RunKind;
  readonly settings: RunSettings;
  /** The video's present one where it is left out. */
  readonly source?: RunSource;
  readonly plan?: EncodingPlan | null;
  readonly mediaInfo?: MediaInfo | null;
  readonly reservedBytes?: number | null;
}

/**
 * Makes a run the active one and claims the next version for it; needs the video's lock. The video waits again where nothing
 * of it is published.
 */
export async function insertRun(tx: EntityManager, video: RunVideo, run: NewRun): Promise<Run> {
  const version = video.lastVersion + 1;
  await tx.nativeUpdate(
    Video,
    { id: video.id },
    {
      lastVersion: version,
      updatedAt: new Date(),
      ...(video.version === null ? { status: 'pending', failure: null } : {}),
    },
  );
  const row = tx.create(VideoRun, {
    videoId: video.id,
    workflowId: run.identity.workflowId,
    runId: run.identity.runId,
    kind: run.kind,
    version,
    settings: run.settings,
    source: run.source ?? (await findSource(tx, video)),
    plan: run.plan ?? null,
    mediaInfo: run.mediaInfo ?? null,
    reservedBytes: run.reservedBytes ?? null,
  });
  await tx.persist(row).flush();
  return requireRun(await findActiveRun(tx, video.id));
}

/** What a run of the video would read now. */
async function findSource(tx: EntityManager, video: RunVideo): Promise<RunSource> {
  const { id: videoId, version } = video;
  const processed =
    video.originalAvailable || version === null
      ? null
      : await tx.findOne(VideoStream, { videoId, version, output: 'processed' }, { refresh: true });
  if (processed !== null) {
    const { objectKey, sizeBytes, sha256 } = processed;
    return { kind: 'processed', objectKey, sizeBytes, sha256 };
  }
  return {
    kind: 'original',
    objectKey: originalKey(video.storedName),
    sizeBytes: video.originalSizeBytes,
    sha256: video.originalSha256,
  };
}

/**
 * Has a run whose source is gone read what the video has by now; its plan is made anew. Needs the video's lock.
 * @returns false where that is the same file
 */
export async function renewSource(tx: EntityManager, run: Run, video: RunVideo): Promise<boolean> {
  const source = await findSource(tx, video);
  if (isSameSource(source, run.source)) return false;
  await tx.nativeUpdate(
    VideoRun,
    { id: run.id },
    { source, plan: null, mediaInfo: null, reservedBytes: null },
  );
  return true;
}

/** Hands a run's row to the execution that a reset made of it; needs the video's lock. */
export async function adoptRun(tx: EntityManager, run: Run, identity: RunIdentity): Promise<void> {
  await tx.nativeUpdate(
    VideoRun,
    { id: run.id },
    { workflowId: identity.workflowId, runId: identity.runId },
  );
}

/** Keeps what the probe found and what will be done. A published version goes on telling its own length and size. */
export async function savePlan(
  tx: EntityManager,
  run: Run,
  mediaInfo: MediaInfo,
  plan: EncodingPlan,
): Promise<void> {
  await tx.nativeUpdate(VideoRun, { id: run.id }, { mediaInfo, plan });
  await tx.nativeUpdate(
    Video,
    { id: run.videoId, version: null },
    { ...shownFacts(plan), updatedAt: new Date() },
  );
}

/** What a video tells of its picture. */
function shownFacts({ durationSeconds, video, frameRate }: EncodingPlan) {
  return {
    durationSeconds,
    widthPx: video.widthPx,
    heightPx: video.heightPx,
    frameRate: Number((frameRate.num / frameRate.den).toFixed(3)),
  };
}

/** A step has begun on a queue slot. A video with nothing published is `processing` from its first heavy step on. */
export async function enterStage(
  tx: EntityManager,
  run: Run,
  stage: Stage,
  options: { readonly heavy: boolean },
): Promise<void> {
  await tx.execute(
    `update video_runs set stage = ?, waiting_for = null ${options.heavy ? `, ${SIGN_OF_WORK}` : ''} where id = ?`,
    [stage, run.id],
    'run',
  );
  if (!options.heavy) return;
  await tx.execute(
    `update videos set status = 'processing', updated_at = now() where id = ? and version is null and status = 'pending'`,
    [run.videoId],
    'run',
  );
}

/** Tells what a run is waiting for, or that it waits no more; fenced like `reportProgress`. */
export async function reportWaiting(
  em: EntityManager,
  videoId: VideoId,
  identity: RunIdentity,
  waitingFor: string | null,
): Promise<void> {
  await em.execute(
    `update video_runs set waiting_for = ?
      where video_id = ? and workflow_id = ? and run_id = ? and state = 'active'`,
    [waitingFor, videoId, identity.workflowId, identity.runId],
    'run',
  );
}

/** Adds a warning that ends up at the video when the run is published. */
export async function addRunWarning(
  tx: EntityManager,
  run: Run,
  warning: RunWarning,
): Promise<void> {
  const others = run.warnings.filter((existing) => existing.code !== warning.code);
  await tx.nativeUpdate(VideoRun, { id: run.id }, { warnings: [...others, warning] });
}

/**
 * Ends a run that did not publish; needs the video's lock. The video takes the run's state where nothing of it is published,
 * and stays `completed` where something is.
 */
export async function endRun(
  tx: EntityManager,
  run: Run,
  state: 'failed' | 'cancelled' | 'lost',
  failure: Failure | null,
): Promise<void> {
  await tx.nativeUpdate(
    VideoRun,
    { id: run.id },
    { state, failure, waitingFor: null, endedAt: new Date() },
  );
  if (state === 'lost') return waitAgain(tx, run.videoId);
  await tx.nativeUpdate(
    Video,
    { id: run.videoId, version: null },
    { status: state, failure, updatedAt: new Date() },
  );
}

/** Nobody works on a video any more, so it waits again; needs the video's lock. */
export async function waitAgain(tx: EntityManager, videoId: VideoId): Promise<void> {
  await tx.nativeUpdate(
    Video,
    { id: videoId, version: null, status: 'processing' },
    { status: 'pending', updatedAt: new Date() },
  );
}

/** Ends the wait of a video that no run has claimed; needs the video's lock. */
export async function cancelWaiting(tx: EntityManager, videoId: VideoId): Promise<void> {
  await tx.nativeUpdate(
    Video,
    { id: videoId, version: null, status: 'pending' },
    { status: 'cancelled', updatedAt: new Date() },
  );
}

/** The one switch that makes a run's version the one that viewers get; needs the video's lock. */
export async function publishRun(tx: EntityManager, run: Run, plan: EncodingPlan): Promise<void> {
  const now = new Date();
  await tx.nativeUpdate(
    VideoRun,
    { id: run.id },
    { state: 'completed', stage: 'publish', progressPercent: 100, waitingFor: null, endedAt: now },
  );
  await tx.nativeUpdate(
    Video,
    { id: run.videoId },
    {
      ...shownFacts(plan),
      status: 'completed',
      version: run.version,
      profile: run.settings.profile,
      skipped: plan.skipped,
      warnings: [...plan.warnings, ...run.warnings] as Video['warnings'],
      failure: null,
      updatedAt: now,
      completedAt: now,
    },
  );
  await tx.nativeUpdate(
    Video,
    { id: run.videoId, originalAvailable: true },
    { originalRemovalDueAt: run.settings.keepOriginal === false ? now : null },
  );
}

function requireRun(run: Run | undefined): Run {
  if (run === undefined) throw new Error('the run that was just inserted is not there');
  return run;
}

function toRun(row: VideoRun | null): Run | undefined {
  if (row === null) return undefined;
  return {
    id: row.id,
    videoId: row.videoId as VideoId,
    identity: { workflowId: row.workflowId, runId: row.runId },
    kind: row.kind,
    state: row.state,
    version: row.version,
    settings: row.settings,
    source: row.source,
    mediaInfo: row.mediaInfo ?? null,
    plan: row.plan ?? null,
    stage: row.stage,
    progressPercent: row.progressPercent,
    toolSeenAt: row.toolSeenAt ?? null,
    reservedBytes: row.reservedBytes ?? null,
    waitingFor: row.waitingFor ?? null,
    warnings: row.warnings,
    failure: row.failure ?? null,
    startedAt: row.startedAt,
    endedAt: row.endedAt ?? null,
  };
}

function toRunVideo(row: Video): RunVideo {
  return {
    id: row.id as VideoId,
    ownerId: row.ownerId,
    title: row.title,
    status: row.status,
    priority: row.priority,
    profile: row.profile,
    thumbnailTimestamps: row.thumbnailTimestamps ?? null,
    version: row.version ?? null,
    lastVersion: row.lastVersion,
    storedName: row.storedName,
    originalSizeBytes: row.originalSizeBytes,
    originalSha256: row.originalSha256,
    originalAvailable: row.originalAvailable,
  };
}
