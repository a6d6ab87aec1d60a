/**
 * What is not kept for ever, and why.
 *
 * `keep-original`: the run that made the version was to keep none. The other reasons are settings of the same names that count days.
 */
export const RETENTION_REASONS = [
  'keep-original',
  'keep-original-days',
  'work-retention-days',
  'delete-videos-after-days',
] as const;
export type RetentionReason = (typeof RETENTION_REASONS)[number];

/** `remove-original`: the processed version takes its place. `remove-pieces`: finished work of failed runs. */
export const RETENTION_ACTIONS = ['remove-original', 'remove-pieces', 'delete-video'] as const;
export type RetentionAction = (typeof RETENTION_ACTIONS)[number];

/** Days; null is for ever. */
export interface RetentionSettings {
  readonly keepOriginal: boolean;
  /** Counted from when the published version was completed. */
  readonly keepOriginalDays: number | null;
  /** Counted from when a piece was made. */
  readonly workRetentionDays: number;
  /** Counted from the upload. */
  readonly deleteVideosAfterDays: number | null;
}

/** What is older than these goes; null: nothing does. */
export interface RetentionCutoffs {
  readonly originalsBefore: Date | null;
  readonly piecesBefore: Date;
  readonly videosBefore: Date | null;
}

const DAY_MS = 24 * 3600 * 1000;

export function retentionCutoffs(
  settings: Omit<RetentionSettings, 'keepOriginal'>,
  now: Date,
): RetentionCutoffs {
  const daysAgo = (days: number): Date => new Date(now.getTime() - days * DAY_MS);
  const { keepOriginalDays, deleteVideosAfterDays } = settings;
  return {
    originalsBefore: keepOriginalDays === null ? null : daysAgo(keepOriginalDays),
    piecesBefore: daysAgo(settings.workRetentionDays),
    videosBefore: deleteVideosAfterDays === null ? null : daysAgo(deleteVideosAfterDays),
  };
}

/** What one round of retention has come to. */
export interface RetentionReport {
  readonly videosDeleted: number;
  readonly originalsReplaced: number;
  /** Left for the next time: their processed version is missing or damaged, or the store does not answer. */
  readonly originalsFailed: number;
  /** Of originals replaced earlier, whose removal had been cut short. */
  readonly leftoversRemoved: number;
}
