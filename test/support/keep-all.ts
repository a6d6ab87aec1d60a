import type { RetentionSettings } from '../../src/domain/retention.ts';

/** As settings that nobody has touched. */
export const KEEP_ALL: RetentionSettings = {
  keepOriginal: true,
  keepOriginalDays: null,
  workRetentionDays: 7,
  deleteVideosAfterDays: null,
};
