import type { ErrorCode, JsonValue } from '../domain/errors.ts';
import type { VideoId } from '../domain/ids.ts';
import type { Origin, ProcessVideoInput } from '../domain/process-video-input.ts';
import type {
  ReconcileCursor,
  ReconcilePageResult,
  ReconcileReport,
  ReconcileStep,
} from '../domain/reconcile-report.ts';
import type { RunSettings } from '../domain/run-settings.ts';
import type { MigrationInput } from '../domain/storage-migration.ts';
import type { Priority, Quality, RunKind } from '../domain/video.ts';

/**
 * What workflows may ask for. One object in, one plain JSON object out; every activity may run twice.
 *
 * An activity finds plan, version and source by its own run in the database, never in its input: a history may be older than
 * the truth.
 */

export interface VideoRef {
  readonly videoId: VideoId;
}

/** A run that has an origin does nothing once the video no longer waits. */
export interface ClaimRequest extends ProcessVideoInput {
  readonly origin?: Origin;
}

export type Claim =
  | {
      readonly outcome: 'claimed';
      readonly version: number;
      readonly kind: RunKind;
      readonly ownerId: number;
      readonly title: string;
      readonly priority: Priority;
      readonly settings: RunSettings;
    }
  | { readonly outcome: 'nothing-to-do'; readonly reason: string };

/** What people read of a probe, and what policies depend on; the plan itself stays with the run. */
export interface ProbeSummary {
  readonly durationSeconds: number;
  /** One line: `1920x1080 29.97 fps, 30.0 s → 1080p 720p 480p 360p 240p`. */
  readonly text: string;
}

export interface MissingChunk {
  readonly index: number;
  readonly count: number;
  readonly qualities: readonly Quality[];
}

export interface MissingPieces {
  /** The copy that missing chunks are to be made from. */
  readonly indexedCopy: boolean;
  readonly chunks: readonly MissingChunk[];
  readonly audio: boolean;
}

/** How a run failed, as the workflow learned it. */
export interface FailureReport extends VideoRef {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly step: string;
  readonly attempt: number;
  readonly diagnostics: { readonly [key: string]: JsonValue };
}

/** What the owner is to know of a video that was made all the same. */
export interface WarningReport extends VideoRef {
  readonly warning: { readonly code: string; readonly detail: string };
}

/** Objects that no row names any more. */
export interface Orphans {
  readonly keys: readonly string[];
}

export type Publication =
  | { readonly outcome: 'published'; readonly version: number; readonly orphans: Orphans }
  /** Something that history says was made is not there; it is made again. */
  | { readonly outcome: 'incomplete'; readonly missing: readonly string[] };

/** A page of a step of reconcile. */
export interface ReconcilePage {
  /** Null: from the beginning. */
  readonly after: ReconcileCursor | null;
  readonly limit: number;
}

/** Looks at one page, sets right what is wrong, and tells. */
export type ReconcileActivities = Readonly<
  Record<ReconcileStep, (page: ReconcilePage) => Promise<ReconcilePageResult>>
>;

/** Short, and mostly of the database: the queue `video-orchestration`. */
export interface OrchestrationActivities extends ReconcileActivities {
  claimVideo(request: ClaimRequest): Promise<Claim>;
  listMissingChunks(input: VideoRef): Promise<MissingPieces>;
  listMissingRenditions(input: VideoRef): Promise<{ readonly qualities: readonly Quality[] }>;
  warnRun(input: WarningReport): Promise<{ readonly code: string }>;
  publish(input: VideoRef): Promise<Publication>;
  markFailed(input: FailureReport): Promise<Orphans>;
  markCancelled(input: VideoRef): Promise<Orphans>;
  /** Deletes objects that no row names at the moment of deletion. */
  deleteObjects(input: Orphans): Promise<{ readonly deleted: number }>;

  cancelActiveRun(input: CancelForDeletion): Promise<{ readonly stillActive: boolean }>;
  removeVideo(input: VideoRef): Promise<DeletionReceipt>;

  /** Removes the original of a published video, where it is not to be kept. */
  replaceOriginal(input: VideoRef): Promise<OriginalOutcome>;
  replaceOriginals(input: { readonly afterId: number }): Promise<ReplacedPage>;
  removeGivenUpOriginals(): Promise<{ readonly removed: number }>;
  deleteExpiredVideos(): Promise<{ readonly deleted: number; readonly isLast: boolean }>;

  saveReconcileReport(report: ReconcileReport): Promise<void>;

  listPictures(input: VideoRef): Promise<PictureTasks>;
  dropPictures(input: VideoRef): Promise<{ readonly dropped: number }>;
  beginMigration(input: MigrationInput): Promise<OpenMigration>;
  planMoves(input: MigrationRef): Promise<MigrationPlan>;
  moveObjects(input: MigrationRef): Promise<MigrationProgress>;
  setMigrationPaused(
    input: MigrationRef & { readonly isPaused: boolean },
  ): Promise<{ readonly isPaused: boolean }>;
  endMigration(input: MigrationEnding): Promise<MigrationProgress>;
}

/** A move of objects from one store to another, by its row. */
export interface MigrationRef {
  readonly migrationId: number;
}

export interface OpenMigration extends MigrationRef {
  readonly isPaused: boolean;
}

/** What a look through the old store has come to. */
export interface MigrationPlan {
  readonly added: number;
  /** Waiting for the grace of another migration. */
  readonly held: number;
}

/** Objects and bytes so far; `remaining` are still to be moved. */
export interface MigrationProgress {
  readonly remaining: number;
  readonly remainingBytes: number;
  readonly moved: number;
  readonly movedBytes: number;
  readonly failed: number;
}

export interface MigrationEnding extends MigrationRef {
  readonly state: 'completed' | 'cancelled' | 'failed';
  readonly failure: { readonly code: ErrorCode; readonly detail: string } | null;
}

/** False: it is to be kept, or gone already. */
export interface OriginalOutcome {
  readonly replaced: boolean;
}

/** @see `replaceOriginals` */
export interface ReplacedPage {
  readonly replaced: number;
  readonly failed: number;
  /** Where the next page begins; null after the last. */
  readonly nextId: number | null;
}

/** A picture that somebody has asked for, by the row that says so. */
export interface PictureTask {
  readonly wishId: number;
}

/** What is still to be made of a video's wishes, and what the policy of making it depends on. */
export interface PictureTasks {
  readonly ownerId: number;
  readonly priority: Priority;
  readonly timeoutSeconds: number;
  readonly tasks: readonly (PictureTask & { readonly text: string })[];
}

/** What became of a wish. `gone`: nobody wants it any more, or it is there already. */
export type PictureOutcome =
  | { readonly outcome: 'made' | 'gone' }
  | { readonly outcome: 'failed'; readonly code: ErrorCode };

export interface CancelForDeletion extends VideoRef {
  /** It was asked in vain: its run is ended from outside. */
  readonly insist: boolean;
}

/** What a deletion has removed; nothing where nobody has deleted the video, or another one was first. */
export interface DeletionReceipt {
  readonly videoId: number;
  readonly objectsDeleted: number;
  readonly rowDeleted: boolean;
}

/** The queue `video-intake`. */
export interface IntakeActivities {
  probe(input: VideoRef): Promise<ProbeSummary>;
}

export interface ChunkWork extends VideoRef {
  readonly chunk: number;
  /** One encoder thread: after the encoder was killed twice in a row, most likely for want of memory. */
  readonly lowMemory: boolean;
}

/** Every ffmpeg: the queue `video-processing`, capped. */
export interface ProcessingActivities {
  convert(input: VideoRef): Promise<{ readonly text: string }>;
  indexSource(input: VideoRef): Promise<{ readonly text: string }>;
  compressChunk(input: ChunkWork): Promise<{ readonly text: string }>;
  compressAudio(input: VideoRef): Promise<{ readonly text: string }>;
  buildRendition(
    input: VideoRef & { readonly quality: Quality },
  ): Promise<{ readonly text: string }>;
  makeThumbnails(input: VideoRef): Promise<{ readonly count: number }>;
  makeStoryboard(input: VideoRef): Promise<{ readonly tiles: number }>;
  makePicture(input: PictureTask): Promise<PictureOutcome>;
}
