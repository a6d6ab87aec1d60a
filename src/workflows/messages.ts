import { defineSearchAttributeKey } from '@temporalio/common';

/**
 * The names by which everything durable is known to Temporal, in one place. A name is never changed: open runs use it.
 */

export const TASK_QUEUES = {
  /** Workflows and short database activities. */
  orchestration: 'video-orchestration',
  /** Fetch and probe, so that a bad upload is refused while encodes queue. */
  intake: 'video-intake',
  /** Every ffmpeg; capped. */
  processing: 'video-processing',
} as const;

export const WORKFLOW_TYPES = {
  processVideo: 'ProcessVideo',
  deleteVideo: 'DeleteVideo',
  reconcileVideos: 'ReconcileVideos',
  makePictures: 'MakePictures',
  applyRetention: 'ApplyRetention',
  migrateStorage: 'MigrateStorage',
} as const;

export const RECONCILE_SCHEDULE_ID = 'reconcile-videos';
export const RETENTION_SCHEDULE_ID = 'apply-retention';

/** Memo of the runs that are started for a video that waits for one: whose start it is. */
export const ORIGIN_MEMO = 'origin';

/** Sent whenever a picture is asked for, so that a run that is about to end looks once more. */
export const PICTURES_WANTED_SIGNAL = 'picturesWanted';

/** Of `MigrateStorage`. */
export const PAUSE_SIGNAL = 'pause';
export const RESUME_SIGNAL = 'resume';

/** Operator filters, set by a run once it has claimed its video. */
export const SEARCH_ATTRIBUTES = {
  videoId: defineSearchAttributeKey('VideoId', 'INT'),
  stage: defineSearchAttributeKey('VideoStage', 'KEYWORD'),
  owner: defineSearchAttributeKey('VideoOwner', 'INT'),
  failure: defineSearchAttributeKey('VideoFailure', 'KEYWORD'),
} as const;

/** Temporal's priority key, 1 first. A video near its end goes before one that begins; bulk work goes last. */
export const PRIORITY_KEYS = { finishing: 1, wholeFile: 2, chunk: 3, bulk: 5 } as const;
