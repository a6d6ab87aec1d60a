import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { AppError } from '../domain/errors.ts';
import {
  deleteWorkflowId,
  picturesWorkflowId,
  processWorkflowId,
  type RunIdentity,
  type VideoId,
} from '../domain/ids.ts';
import type { Origin, ProcessVideoInput } from '../domain/process-video-input.ts';
import type { RunRequest } from '../domain/run-request.ts';
import type { Priority } from '../domain/video.ts';
import {
  ORIGIN_MEMO,
  PICTURES_WANTED_SIGNAL,
  PRIORITY_KEYS,
  TASK_QUEUES,
  WORKFLOW_TYPES,
} from '../workflows/messages.ts';
import { isNotReadyYet, isUnreachable, toTemporalFault } from './faults.ts';

/** What a start needs to know of a video: enough to be read in the Web UI. */
export interface StartableVideo {
  readonly id: VideoId;
  readonly ownerId: number;
  readonly title: string;
  readonly priority: Priority;
}

/** Starts and stops the product's workflows. */
export interface VideoWorkflows {
  /**
   * Starts the run of a video that waits for one; a run that is there already is fine.
   * @returns false when Temporal does not answer within 3 s or is not set up yet: reconcile starts the run later
   */
  startUpload(video: StartableVideo, origin?: Origin): Promise<boolean>;
  /** Starts a retry or reprocess. @throws `video-busy`, `temporal-unavailable` */
  startRun(video: StartableVideo, request: RunRequest): Promise<RunIdentity>;
  /**
   * Asks the latest run of a workflow id to stop; it ends by itself. Not one run of it: after a reset the rows may not know the
   * new one yet. @throws `no-active-run`, `temporal-unavailable`
   */
  cancelRun(workflowId: string): Promise<void>;
  /** Ends the latest run of a workflow id from outside. @throws `no-active-run`, `temporal-unavailable` */
  terminateRun(workflowId: string, reason: string): Promise<void>;
  /** Starts the removal of a deleted video. @returns false when Temporal does not answer: reconcile starts it later */
  startDelete(videoId: VideoId): Promise<boolean>;
  /**
   * Has the pictures made that the database says are wanted, by the run that is at it or by a new one.
   * @returns false when Temporal does not answer: reconcile starts it later
   */
  startPictures(video: StartableVideo): Promise<boolean>;
  isReachable(): Promise<boolean>;
  close(): Promise<void>;
}

/** A bound on the call itself: a race would leave it retrying behind. */
const DEADLINE_MS = 3_000;

/** @param deadlineMs how long Temporal may take to answer */
export function createVideoWorkflows(client: Client, deadlineMs = DEADLINE_MS): VideoWorkflows {
  const bounded = async <T>(call: () => Promise<T>): Promise<T> => {
    try {
      return await client.connection.withDeadline(Date.now() + deadlineMs, call);
    } catch (error) {
      throw toTemporalFault(error);
    }
  };

  return {
    startUpload: (video, origin = 'upload') =>
      startable(() =>
        bounded(() =>
          client.workflow.start(WORKFLOW_TYPES.processVideo, {
            ...describeStart(video),
            workflowIdReusePolicy:
              origin === 'upload' ? 'ALLOW_DUPLICATE_FAILED_ONLY' : 'ALLOW_DUPLICATE',
            workflowIdConflictPolicy: 'USE_EXISTING',
            memo: { [ORIGIN_MEMO]: origin },
            args: [{ videoId: video.id } satisfies ProcessVideoInput],
          }),
        ),
      ),

    async startRun(video, request) {
      try {
        const handle = await bounded(() =>
          client.workflow.start(WORKFLOW_TYPES.processVideo, {
            ...describeStart(video),
            workflowIdReusePolicy: 'ALLOW_DUPLICATE',
            workflowIdConflictPolicy: 'FAIL',
            args: [{ ...request, videoId: video.id } satisfies ProcessVideoInput],
          }),
        );
        return { workflowId: handle.workflowId, runId: handle.firstExecutionRunId };
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
        throw new AppError('video-busy', { workflowId: error.workflowId }, { cause: error });
      }
    },

    cancelRun: (workflowId) =>
      ofOpenRun(() => bounded(() => client.workflow.getHandle(workflowId).cancel())),

    terminateRun: (workflowId, reason) =>
      ofOpenRun(() => bounded(() => client.workflow.getHandle(workflowId).terminate(reason))),

    startDelete: (videoId) =>
      startable(() =>
        bounded(() =>
          client.workflow.start(WORKFLOW_TYPES.deleteVideo, {
            taskQueue: TASK_QUEUES.orchestration,
            workflowId: deleteWorkflowId(videoId),
            workflowIdReusePolicy: 'ALLOW_DUPLICATE',
            workflowIdConflictPolicy: 'USE_EXISTING',
            staticSummary: `Delete video ${videoId}`,
            args: [{ videoId }],
          }),
        ),
      ),

    startPictures: (video) =>
      startable(() =>
        bounded(() =>
          client.workflow.signalWithStart(WORKFLOW_TYPES.makePictures, {
            ...describeStart(video),
            workflowId: picturesWorkflowId(video.id),
            staticSummary: `Pictures of video ${video.id} · ${oneLine(video.title)}`,
            workflowIdReusePolicy: 'ALLOW_DUPLICATE',
            args: [{ videoId: video.id }],
            signal: PICTURES_WANTED_SIGNAL,
            signalArgs: [],
          }),
        ),
      ),

    async isReachable() {
      try {
        await bounded(() => client.workflowService.getSystemInfo({}));
        return true;
      } catch {
        return false;
      }
    },

    close: () => client.connection.close(),
  };
}

/** @throws `no-active-run` */
async function ofOpenRun(act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError)
      throw new AppError('no-active-run', {}, { cause: error });
    throw error;
  }
}

/** True once the run is there, also when it was before. */
async function startable(start: () => Promise<unknown>): Promise<boolean> {
  try {
    await start();
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return true;
    if (isNotReadyYet(error) || isUnreachable(error)) return false;
    if (error instanceof AppError && error.code === 'temporal-unavailable') return false;
    throw error;
  }
}

function describeStart(video: StartableVideo) {
  return {
    taskQueue: TASK_QUEUES.orchestration,
    workflowId: processWorkflowId(video.id),
    staticSummary: `Video ${video.id} · ${oneLine(video.title)}`,
    staticDetails: `Owner ${video.ownerId} · priority ${video.priority}`,
    priority: {
      fairnessKey: `owner-${video.ownerId}`,
      ...(video.priority === 'bulk' ? { priorityKey: PRIORITY_KEYS.bulk } : {}),
    },
  };
}

/** Temporal refuses summaries above 200 bytes. */
function oneLine(title: string): string {
  return [...title.replaceAll(/\s+/g, ' ')].slice(0, 40).join('');
}
