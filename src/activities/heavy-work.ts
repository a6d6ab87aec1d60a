import { CancelledFailure, Context } from '@temporalio/activity';
import { type AttemptCounts, type AttemptEnd, countEnd, countStart } from '../db/pieces.ts';
import { enterStage, type Run, type RunVideo } from '../db/runs.ts';
import { AppError, ERRORS } from '../domain/errors.ts';
import {
  FAULTS,
  KILLS_BEFORE_LOW_MEMORY,
  MOST_ENCODER_FAULTS,
  MOST_KILLS,
  MOST_UNENDED_STARTS,
} from '../domain/faults.ts';
import type { VideoId } from '../domain/ids.ts';
import { TRANSFER_MARGIN_SECONDS } from '../domain/tool-time.ts';
import type { Stage } from '../domain/video.ts';
import type { FfmpegCommand } from '../media/ffmpeg-command.ts';
import type { FfmpegRun, FfmpegRunOptions } from '../media/ffmpeg.ts';
import type { ToolLauncher } from '../media/tool-launcher.ts';
import { isDiskFull, toStorageFault } from '../storage/storage-faults.ts';
import { type AttemptProgress, trackProgress } from './attempt-progress.ts';
import type { ActivityDeps } from './deps.ts';
import { ASK_AGAIN_MS, ASK_SIBLING_AGAIN_MS } from './encoder-admission.ts';
import { asActiveRun, currentRun } from './fence.ts';
import { tellWait, waitForPlatform } from './platform-wait.ts';
import { requireDisk } from './reserve-disk.ts';
import { toApplicationFailure } from './to-application-failure.ts';

/** What a heavy activity is, for records and limits. */
export interface HeavySpec {
  readonly videoId: VideoId;
  readonly stage: Stage;
  /** By which attempts are counted: the piece's name, or the step's. */
  readonly piece: string;
  /** Of the plan, from 0. */
  readonly chunk?: number;
  /** On the capped queue: a video with nothing published is `processing` from here on. */
  readonly onProcessingQueue: boolean;
  /** Whether the workflow does the work in another way, with less memory, once its tool was killed too often for this one. */
  readonly retriesWithLessMemory?: boolean;
}

/** What a tool makes, so that its progress tells the progress of the step; what follows it, checks and storing, is the rest. */
export interface ToolOutput {
  readonly durationSeconds: number;
}

/** One attempt at a heavy activity. */
export interface HeavyWork {
  readonly run: Run;
  readonly video: RunVideo;
  /** Empty, private, removed afterwards. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** How often the encoder was at fault with this piece, before this attempt. */
  readonly encoderFaults: number;
  /** Runs one ffmpeg within what is left of the attempt's budget. */
  runFfmpeg(command: FfmpegCommand, output?: ToolOutput): Promise<FfmpegRun>;
  /** Limits for a look at a file: not counted, since a check that follows a long encode must not fail for it. */
  probeLimits(): {
    readonly ffprobePath: string;
    readonly launcher: ToolLauncher;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  };
}

const HEARTBEAT_EVERY_MS = 2_000;
/** Counting the packets of six hours takes well under a minute. */
const PROBE_MS = 600_000;
/** Of a step's time; checks and storing take the rest. */
const TOOL_SHARE = 0.96;

/**
 * Runs one attempt: heartbeats, private folder, budget of tool time, counters, and what follows from each kind of fault.
 *
 * Tools die before the activity ends, however it ends. Errors leave as failures that Temporal understands.
 */
export async function doHeavyWork<T>(
  deps: ActivityDeps,
  spec: HeavySpec,
  work: (attempt: HeavyWork) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  const log = deps.logger.child({
    videoId: spec.videoId,
    workflowId: currentRun().workflowId,
    step: spec.piece,
  });
  const progress = trackProgress(deps, spec, currentRun());
  const heart = setInterval(() => context.heartbeat(progress.detail()), HEARTBEAT_EVERY_MS);
  const startedAt = performance.now();
  let run: Run | undefined;
  try {
    const begun = await begin(deps, spec);
    run = begun.run;
    await requireDisk(deps, begun.run);
    if (spec.onProcessingQueue) progress.start();
    log.info({ attempt: context.info.attempt }, 'step started');
    const result = await deps.scratch.withScratch((folder) =>
      work(createAttempt(deps, { ...begun, folder, progress })),
    );
    if (spec.onProcessingQueue) await progress.finish();
    await noteEnd(deps, run, spec, 'planned');
    log.info({ elapsedMs: Math.round(performance.now() - startedAt) }, 'step ended');
    return result;
  } catch (error) {
    await progress.stop();
    const failure = context.cancellationSignal.aborted
      ? await endCancelled(deps, run, spec)
      : await endFailed(deps, run, spec, error);
    log[failure instanceof CancelledFailure ? 'info' : 'warn'](
      {
        elapsedMs: Math.round(performance.now() - startedAt),
        errorCode: error instanceof AppError ? error.code : undefined,
        err: error,
      },
      failure instanceof CancelledFailure ? 'step stopped' : 'step failed',
    );
    throw failure;
  } finally {
    clearInterval(heart);
    await progress.stop();
  }
}

async function begin(
  deps: ActivityDeps,
  spec: HeavySpec,
): Promise<{ run: Run; video: RunVideo; counts: AttemptCounts }> {
  const begun = await asActiveRun(deps, spec.videoId, async (tx, run, video) => {
    await enterStage(tx, run, spec.stage, { heavy: spec.onProcessingQueue });
    return { run, video };
  });
  const counts = await deps.database.run((em) => countStart(em, begun.run.id, spec.piece));
  if (counts.unendedStarts > MOST_UNENDED_STARTS) {
    throw new AppError('worker-lost', {
      detail: `The work was started ${counts.unendedStarts} times without an end.`,
    });
  }
  return { ...begun, counts };
}

function createAttempt(
  deps: ActivityDeps,
  begun: {
    run: Run;
    video: RunVideo;
    counts: AttemptCounts;
    folder: string;
    progress: AttemptProgress;
  },
): HeavyWork {
  const { info, cancellationSignal: signal } = Context.current();
  const identity = currentRun();
  const marginMs = TRANSFER_MARGIN_SECONDS * 1000;
  let budgetMs = Math.max(1000, info.startToCloseTimeoutMs - marginMs);
  let usedMs = 0;

  const remainingMs = (): number => Math.max(1, budgetMs - usedMs);
  const limits = (output: ToolOutput | undefined): FfmpegRunOptions => {
    const usedBefore = usedMs;
    return {
      signal,
      cwd: begun.folder,
      budgetMs: remainingMs(),
      // An operator may have given this activity more time; the attempt itself never hears of it.
      async extendDeadline() {
        const raised = await deps.runDescriptions.startToCloseMs(identity, info.activityId);
        if (raised === undefined) return undefined;
        budgetMs = Math.max(budgetMs, raised - marginMs);
        return budgetMs - usedBefore;
      },
      onProgress({ outTimeSeconds }) {
        if (output === undefined || outTimeSeconds === null) return;
        begun.progress.advance(
          outTimeSeconds,
          (TOOL_SHARE * outTimeSeconds) / output.durationSeconds,
        );
      },
    };
  };

  return {
    run: begun.run,
    video: begun.video,
    folder: begun.folder,
    signal,
    encoderFaults: begun.counts.encoderFaults,
    async runFfmpeg(command, output) {
      const startedAt = performance.now();
      try {
        return await deps.ffmpeg.run(command, limits(output));
      } finally {
        usedMs += performance.now() - startedAt;
      }
    },
    probeLimits: () => ({
      ffprobePath: deps.ffprobePath,
      launcher: deps.launcher,
      timeoutMs: PROBE_MS,
      signal,
    }),
  };
}

/** The SDK knows what a cancellation means (a request, a pause, a worker that stops), so its own error goes on. */
async function endCancelled(
  deps: ActivityDeps,
  run: Run | undefined,
  spec: HeavySpec,
): Promise<unknown> {
  await noteEnd(deps, run, spec, 'planned').catch(() => undefined);
  return Context.current().cancelled.catch((reason: unknown) => reason);
}

async function endFailed(
  deps: ActivityDeps,
  run: Run | undefined,
  spec: HeavySpec,
  error: unknown,
): Promise<unknown> {
  const known = nameFault(error);
  const end = chooseEnd(known);
  const counts = await noteEnd(deps, run, spec, end).catch(() => undefined);

  if (end === 'waited') return waitForMemory(deps, run, spec, known);
  if (end === 'killed')
    return toApplicationFailure(known, { nonRetryable: wasKilledEnough(spec, counts?.kills ?? 0) });
  if (end === 'encoder-fault') {
    return toApplicationFailure(known, {
      nonRetryable: (counts?.encoderFaults ?? 0) >= MOST_ENCODER_FAULTS,
    });
  }
  if (end === 'platform-fault') {
    return waitForPlatform(deps, {
      videoId: spec.videoId,
      fault: known,
      waitedMs: counts?.platformFaultSince ? Date.now() - counts.platformFaultSince.getTime() : 0,
      patienceSeconds: run?.settings.platformFaultPatienceSeconds ?? Number.POSITIVE_INFINITY,
    });
  }
  return toApplicationFailure(known);
}

const ENDS = { once: 'planned', counted: 'encoder-fault', waited: 'platform-fault' } as const;

function chooseEnd({ code }: AppError): AttemptEnd {
  if (code === 'waiting-for-memory') return 'waited';
  if (code === 'encoder-out-of-memory') return 'killed';
  if (code === 'worker-lost') return 'planned';
  return ENDS[FAULTS[ERRORS[code].fault].tries];
}

function wasKilledEnough({ retriesWithLessMemory = false }: HeavySpec, kills: number): boolean {
  return kills >= (retriesWithLessMemory ? KILLS_BEFORE_LOW_MEMORY : MOST_KILLS);
}

/** A disk may be full for any file that a step writes itself. What else has no name is a fault of ours. */
export function nameFault(error: unknown): AppError {
  const named = isDiskFull(error) ? toStorageFault(error) : error;
  if (named instanceof AppError) return named;
  const detail = error instanceof Error ? error.message : String(error);
  return new AppError('internal-error', { detail }, { cause: error });
}

/** Ends at once, so that it holds no slot. A run of which another piece is encoding here is not waiting. */
async function waitForMemory(
  deps: ActivityDeps,
  run: Run | undefined,
  spec: HeavySpec,
  known: AppError,
): Promise<unknown> {
  if (run !== undefined && deps.encoders.isWorkingFor(run.id))
    return toApplicationFailure(known, { nextRetryDelayMs: ASK_SIBLING_AGAIN_MS });
  return tellWait(deps, spec.videoId, known, ASK_AGAIN_MS);
}

async function noteEnd(
  deps: ActivityDeps,
  run: Run | undefined,
  spec: HeavySpec,
  end: AttemptEnd,
): Promise<AttemptCounts | undefined> {
  if (run === undefined) return undefined;
  return deps.database.run((em) => countEnd(em, run.id, spec.piece, end));
}
