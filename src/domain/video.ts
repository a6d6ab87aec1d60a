/** The closed sets of the domain. Stored as written; never renamed. */

/** `pending → processing → completed | failed | cancelled`; written only by workflow activities. */
export const VIDEO_STATES = ['pending', 'processing', 'completed', 'failed', 'cancelled'] as const;
export type VideoState = (typeof VIDEO_STATES)[number];

export const RUN_STATES = ['active', 'completed', 'failed', 'cancelled', 'lost'] as const;
export type RunState = (typeof RUN_STATES)[number];

/** Why a run exists: a new upload, another try of a video with nothing published, or a new version of one that has. */
export const RUN_KINDS = ['upload', 'retry', 'reprocess'] as const;
export type RunKind = (typeof RUN_KINDS)[number];

/** The work of a run, in the order in which it does it. */
export const STEPS = ['probe', 'convert', 'compress', 'ladder', 'thumbnails', 'publish'] as const;
export type Step = (typeof STEPS)[number];

/** What a run is doing; the waits can come at any point. */
export const STAGES = [
  'waiting-for-slot',
  'waiting-for-disk',
  'waiting-for-memory',
  'waiting-for-platform',
  ...STEPS,
] as const;
export type Stage = (typeof STAGES)[number];

/** Renditions, smallest first; each is named after its box (see encoding-profile.ts). */
export const QUALITIES = ['240p', '360p', '480p', '720p', '1080p'] as const;
export type Quality = (typeof QUALITIES)[number];

/** Everything of a published version that a viewer can ask for by name. */
export const OUTPUTS = [...QUALITIES, 'compressed', 'processed'] as const;
export type Output = (typeof OUTPUTS)[number];

export const PROFILES = ['ladder', '720p'] as const;
export type Profile = (typeof PROFILES)[number];

/** How the `processed` version comes about: the original serves, a copy of its streams, or the tallest rendition. */
export const CONVERSIONS = ['none', 'copy', 'encode'] as const;
export type Conversion = (typeof CONVERSIONS)[number];

/** What becomes of a source that ends before it says so: the run fails, or what is there is kept, with a warning. */
export const ON_TRUNCATED = ['fail', 'keep'] as const;
export type OnTruncated = (typeof ON_TRUNCATED)[number];

export const VISIBILITIES = ['private', 'unlisted', 'public'] as const;
export type Visibility = (typeof VISIBILITIES)[number];

export const ROLES = ['admin', 'member'] as const;
export type Role = (typeof ROLES)[number];

/** What an API key may do; a cookie session may do all of it. `admin` needs an owner who is one. */
export const SCOPES = ['read', 'write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Upload priorities as users name them; Temporal's priority keys are derived from them. */
export const PRIORITIES = ['normal', 'bulk'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Why a rendition is not made. */
export const SKIP_REASONS = [
  'taller-than-source',
  'too-narrow',
  'not-in-profile',
  'skipped-by-request',
] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/** What a finished piece of work is. */
export const PIECE_KINDS = [
  'copy',
  'chunk',
  'audio',
  'rendition',
  'thumbnail',
  'storyboard',
] as const;
export type PieceKind = (typeof PIECE_KINDS)[number];

/** True while nothing can change the state any more without a new run. */
export function isTerminal(state: VideoState): boolean {
  return state === 'completed' || state === 'failed' || state === 'cancelled';
}
