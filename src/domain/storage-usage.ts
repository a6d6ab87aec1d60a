/**
 * What stored files are there for.
 *
 *   originals   as they were uploaded
 *   renditions  of published versions, and their `processed` copies
 *   pictures    thumbnails, storyboards and posters of published versions
 *   replaced    versions that stay for viewers in the middle of them
 *   pieces      of runs that are not over, or may be gone on with
 *   deleted     of deleted videos, until they are removed
 */
export const USAGE_KINDS = [
  'originals',
  'renditions',
  'pictures',
  'replaced',
  'pieces',
  'deleted',
] as const;
export type UsageKind = (typeof USAGE_KINDS)[number];

/** What counts for a member's quota: all that the member has asked for, and nothing that goes by itself. */
export const QUOTA_KINDS: readonly UsageKind[] = ['originals', 'renditions', 'pictures'];
