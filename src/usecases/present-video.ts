import type { StreamRecord } from '../db/published.ts';
import type { PlanRecord, RunRecord } from '../db/run-views.ts';
import type { VideoFacts } from '../db/video-facts.ts';
import type { VideoRecord } from '../db/videos.ts';
import type { Failure } from '../domain/failure.ts';
import { processWorkflowId, type VideoId } from '../domain/ids.ts';
import { estimateRestSeconds, TOOL_SILENCE_SECONDS } from '../domain/progress.ts';
import { QUALITIES, type Quality, type Stage, STAGES } from '../domain/video.ts';

/** A video as every answer shows it. Times are ISO 8601 in UTC. */
export type VideoView = ReturnType<typeof presentVideo>;

/** A failure without what only operators may read. */
export type FailureView = Omit<Failure, 'diagnostics'>;

/** The stages whose steps share the slots of the processing queue. A run that is probed and planned waits for its first one. */
const SLOT_STAGES: readonly Stage[] = ['probe', 'convert', 'compress', 'ladder', 'thumbnails'];

/** Puts together what is shown of a video. Pure. */
export function presentVideo(facts: VideoFacts, now: Date) {
  const { video, streams, thumbnails, run } = facts;
  const active = run?.state === 'active' ? run : null;
  const stage = active === null ? null : presentStage(active, now);
  const isCompressed = streams.some((stream) => stream.output === 'compressed');
  const isPackaged = streams.some((stream) => stream.hasFragments);
  const pictures = thumbnails.map((thumbnail) => ({
    timestampSeconds: thumbnail.timestampSeconds,
    url: thumbnailUrl(video.id, thumbnail.position),
    isDefault: thumbnail.isDefault,
  }));
  return {
    ...presentMetadata(video),
    status: video.status,
    stage,
    progressPercent: presentPercent(video, run),
    etaSeconds: active === null ? null : estimateRest(active, stage, now),
    playable: streams.length > 0,
    original: {
      fileName: video.originalFileName,
      sizeBytes: video.originalSizeBytes,
      sha256: video.originalSha256,
      available: video.originalAvailable,
    },
    durationSeconds: video.durationSeconds,
    widthPx: video.widthPx,
    heightPx: video.heightPx,
    frameRate: video.frameRate,
    streams: presentStreams(video.id, streams),
    skipped: video.skipped,
    plan: presentPlan(run?.plan ?? null),
    compressedUrl: isCompressed ? streamUrl(video.id, 'compressed') : null,
    hlsUrl: isPackaged ? `/videos/${video.id}/hls/master.m3u8` : null,
    dashUrl: isPackaged ? `/videos/${video.id}/dash/manifest.mpd` : null,
    thumbnails: pictures,
    thumbnailUrl: facts.hasOwnPoster
      ? posterUrl(video.id)
      : (pictures.find((picture) => picture.isDefault)?.url ?? null),
    wantedThumbnails: presentWanted(facts),
    poster: presentPoster(facts),
    storyboardUrl: facts.hasStoryboard ? `/videos/${video.id}/storyboard.vtt` : null,
    failure: presentFailure(video.failure),
    warnings: video.warnings,
    waitingFor: active?.waitingFor ?? null,
    lastRun: run === null ? null : presentRun(run),
    profile: video.profile,
    workflowId: run?.workflowId ?? processWorkflowId(video.id),
    version: video.version,
    createdAt: video.createdAt.toISOString(),
    updatedAt: video.updatedAt.toISOString(),
    completedAt: video.completedAt?.toISOString() ?? null,
  };
}

/** Thumbnails that were asked for and are not there: yet, or at all. */
function presentWanted({ wishes }: VideoFacts) {
  return wishes
    .filter(({ kind }) => kind === 'thumbnail')
    .map(({ atSeconds, failure }) => ({ timestampSeconds: atSeconds, failure }));
}

/** The own poster; null where nobody has uploaded one. */
function presentPoster({ video, wishes, hasOwnPoster }: VideoFacts) {
  const wish = wishes.find(({ kind }) => kind === 'own-poster');
  if (wish === undefined && !hasOwnPoster) return null;
  return {
    url: hasOwnPoster ? posterUrl(video.id) : null,
    pending: wish !== undefined && wish.failure === null,
    failure: wish?.failure ?? null,
  };
}

/** @param position as in the list of the version */
export function thumbnailUrl(videoId: VideoId, position: number): string {
  return `/videos/${videoId}/thumbnails/${position}.jpg`;
}

function posterUrl(videoId: VideoId): string {
  return `/videos/${videoId}/poster`;
}

function presentMetadata(video: VideoRecord) {
  const { id, title, description, ownerId, categoryId, tags, visibility } = video;
  return { id, title, description, ownerId, categoryId, tags, visibility };
}

/** What an active run is doing; also for lists of runs. */
export function presentStage(run: RunRecord, now: Date): Stage {
  if (run.waitingFor !== null) return waitStage(run.waitingFor);
  const seenMs = run.toolSeenAt?.getTime() ?? 0;
  const isIdle = now.getTime() - seenMs > TOOL_SILENCE_SECONDS * 1000;
  return run.hasPlan && isIdle && SLOT_STAGES.includes(run.stage) ? 'waiting-for-slot' : run.stage;
}

/** What is awaited begins with its code; where that is no stage of its own it is a fault of the platform. */
function waitStage(waitingFor: string): Stage {
  const code = waitingFor.slice(0, waitingFor.indexOf(':'));
  if (code === 'disk-full') return 'waiting-for-disk';
  return STAGES.find((stage) => stage === code) ?? 'waiting-for-platform';
}

/** Of the active run; else how far the video came: a run that stopped does not take back what it showed. */
function presentPercent({ status }: VideoRecord, run: RunRecord | null): number {
  if (run?.state === 'active') return run.progressPercent;
  if (status === 'completed') return 100;
  return status === 'pending' ? 0 : (run?.progressPercent ?? 0);
}

/** Null while nothing moves: how long a wait will be cannot be told. The time since the last report is over already. */
function estimateRest(run: RunRecord, stage: Stage | null, now: Date): number | null {
  if (stage?.startsWith('waiting-') === true || run.toolSeenAt === null) return null;
  const restSeconds = estimateRestSeconds(run.pace);
  if (restSeconds === null) return null;
  const sinceSeconds = Math.max(0, now.getTime() - run.toolSeenAt.getTime()) / 1000;
  return Math.max(0, Math.round(restSeconds - sinceSeconds));
}

/** Tallest first. */
function presentStreams(videoId: VideoId, streams: readonly StreamRecord[]) {
  return QUALITIES.toReversed().flatMap((quality) => {
    const stream = streams.find(({ output }) => output === quality);
    if (stream === undefined) return [];
    const { widthPx, heightPx, bitrateBps, sizeBytes, codecs } = stream;
    return [
      {
        quality,
        widthPx,
        heightPx,
        bitrateBps,
        sizeBytes,
        codecs,
        url: streamUrl(videoId, quality),
      },
    ];
  });
}

/** What the newest run makes of the source, and what that is estimated to cost. */
function presentPlan(plan: PlanRecord | null) {
  if (plan === null) return null;
  const { conversion, renditions, skipped, estimate, warnings } = plan;
  return {
    conversion,
    renditions: renditions.map(({ quality, widthPx, heightPx }) => ({
      quality,
      widthPx,
      heightPx,
    })),
    skipped,
    pieces: plan.chunkCount,
    indexedCopy: plan.needsIndex,
    estimatedCpuSeconds: estimate.cpuSeconds,
    estimatedMemoryMb: estimate.encoderMemoryMb,
    estimatedStoredBytes: estimate.storedBytes,
    warnings,
  };
}

function presentRun(run: RunRecord) {
  const { kind, state, startedAt, failure } = run;
  return { kind, state, startedAt: startedAt.toISOString(), failure: presentFailure(failure) };
}

function presentFailure(failure: Failure | null): FailureView | null {
  if (failure === null) return null;
  const { code, title, detail, step, attempt, at } = failure;
  return { code, title, detail, step, attempt, at };
}

function streamUrl(videoId: VideoId, output: Quality | 'compressed'): string {
  return `/videos/stream/${videoId}/${output}/`;
}
