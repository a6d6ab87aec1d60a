import {
  CancellationScope,
  CancelledFailure,
  isCancellation,
  log,
  proxyActivities,
  setCurrentDetails,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type {
  ChunkWork,
  Claim,
  IntakeActivities,
  MissingChunk,
  OrchestrationActivities,
  Orphans,
  ProcessingActivities,
} from '../activities/contracts.ts';
import type { VideoId } from '../domain/ids.ts';
import { PICTURE_WARNINGS } from '../domain/pictures.ts';
import type { Quality } from '../domain/video.ts';
import {
  cleanUpPolicy,
  databasePolicy,
  finishingPolicy,
  intakePolicy,
  piecePolicy,
  picturesPolicy,
  readBackPolicy,
  type PolicyInput,
  undividedPolicy,
  wholeFilePolicy,
} from './activity-policies.ts';
import {
  codeOf,
  isOneOf,
  NOT_OURS,
  orCancellation,
  reportFailure,
  toRunFailure,
} from './failures.ts';
import { SEARCH_ATTRIBUTES } from './messages.ts';
import { runAll } from './run-all.ts';

/** More outstanding pieces make a history slow to replay and let one video fill its owner's queue. */
const MOST_OUTSTANDING_PIECES = 4;
/** How often finished work may turn out to be gone before the run gives up. */
export const MOST_ROUNDS = 5;

const database = proxyActivities<OrchestrationActivities>(databasePolicy);
const cleanUp = proxyActivities<Pick<OrchestrationActivities, 'deleteObjects'>>(cleanUpPolicy);
const readBack = proxyActivities<Pick<OrchestrationActivities, 'replaceOriginal'>>(readBackPolicy);

/** The steps of one run, each told to operators as it begins. */
export class Run {
  readonly #videoId: VideoId;
  readonly #title: string;
  readonly #policy: PolicyInput;
  readonly #intake: ReturnType<typeof proxyActivities<IntakeActivities>>;
  readonly #keepsOriginal: boolean;
  #notes: string[] = [];

  constructor(videoId: VideoId, claim: Extract<Claim, { outcome: 'claimed' }>) {
    this.#videoId = videoId;
    this.#title = `**${claim.title}** · video ${videoId} · owner ${claim.ownerId} · ${claim.kind}, version ${claim.version}`;
    this.#policy = {
      timeoutSeconds: claim.settings.timeoutSeconds,
      ownerId: claim.ownerId,
      priority: claim.priority,
      isReprocess: claim.kind === 'reprocess',
    };
    this.#keepsOriginal = claim.settings.keepOriginal !== false;
    this.#intake = proxyActivities<IntakeActivities>(intakePolicy(this.#policy));
    upsertSearchAttributes([
      { key: SEARCH_ATTRIBUTES.videoId, value: videoId },
      { key: SEARCH_ATTRIBUTES.owner, value: claim.ownerId },
    ]);
  }

  async probe(): Promise<{ durationSeconds: number }> {
    this.#enter('probe');
    const summary = await this.#intake.probe.executeWithOptions(
      { summary: 'read the source, make the plan' },
      [{ videoId: this.#videoId }],
    );
    this.#note(summary.text);
    return summary;
  }

  async convert(durationSeconds: number): Promise<void> {
    this.#enter('convert');
    const { convert } = proxyActivities<ProcessingActivities>(
      wholeFilePolicy(this.#policy, durationSeconds),
    );
    const { text } = await convert.executeWithOptions({ summary: 'MP4 version of the original' }, [
      { videoId: this.#videoId },
    ]);
    this.#note(`convert: ${text}`);
  }

  /**
   * Asks what is missing and makes it, until nothing is: so a retry, a reset or another worker goes on where this one was. What an
   * encode finds out of the source may change the plan; then other pieces are missing.
   */
  async compress(durationSeconds: number): Promise<void> {
    this.#enter('compress');
    for (let round = 1; ; round += 1) {
      const missing = await database.listMissingChunks({ videoId: this.#videoId });
      const chunks = missing.chunks.map(
        (chunk) => () => this.#compressChunk(chunk, durationSeconds),
      );
      const sound = missing.audio ? [() => this.#compressAudio(durationSeconds)] : [];
      if (chunks.length + sound.length === 0) return;
      if (round > MOST_ROUNDS)
        throw toRunFailure(new Error('finished pieces disappeared again and again'));
      try {
        const first = missing.indexedCopy ? [() => this.#indexSource(durationSeconds)] : chunks;
        await runAll([...sound, ...first], MOST_OUTSTANDING_PIECES);
        if (missing.indexedCopy) await runAll(chunks, MOST_OUTSTANDING_PIECES);
      } catch (error) {
        if (!isOneOf(error, 'plan-changed')) throw error;
        this.#note(reportFailure(error).detail);
      }
    }
  }

  async ladder(durationSeconds: number): Promise<void> {
    this.#enter('ladder');
    const { buildRendition } = proxyActivities<ProcessingActivities>(
      finishingPolicy(this.#policy, durationSeconds),
    );
    const { qualities } = await database.listMissingRenditions({ videoId: this.#videoId });
    await runAll(
      qualities.map(
        (quality: Quality) => () =>
          buildRendition.executeWithOptions({ summary: `join, check and store ${quality}` }, [
            { videoId: this.#videoId, quality },
          ]),
      ),
      2,
    );
  }

  /** Pictures never fail a video: where the activities could not turn a fault into a warning themselves, it becomes one here. */
  async thumbnails(): Promise<void> {
    this.#enter('thumbnails');
    const { makeThumbnails, makeStoryboard } = proxyActivities<ProcessingActivities>(
      picturesPolicy(this.#policy),
    );
    const input = { videoId: this.#videoId };
    const made: string[] = [];
    await runAll(
      [
        this.#orWarning('thumbnails', async () => {
          const { count } = await makeThumbnails.executeWithOptions({ summary: 'thumbnails' }, [
            input,
          ]);
          made.push(`${count} thumbnails`);
        }),
        this.#orWarning('storyboard', async () => {
          const { tiles } = await makeStoryboard.executeWithOptions({ summary: 'storyboard' }, [
            input,
          ]);
          made.push(`storyboard of ${tiles}`);
        }),
      ],
      2,
    );
    if (made.length > 0) this.#note(made.join(', '));
  }

  /** The point of no return: a cancel that arrives meanwhile is too late. @returns undefined when work has to be made again */
  async publish(): Promise<number | undefined> {
    // The last step may have succeeded before it heard of a cancel, and what follows would not hear of it.
    if (CancellationScope.current().consideredCancelled)
      throw new CancelledFailure('cancelled before it was published');
    this.#enter('publish');
    return CancellationScope.nonCancellable(async () => {
      const publication = await database.publish({ videoId: this.#videoId });
      if (publication.outcome === 'incomplete') {
        this.#note(`made again: ${publication.missing.join(', ')}`);
        return undefined;
      }
      await this.#deleteOrphans(publication.orphans);
      this.#note(`published version ${publication.version}`);
      if (!this.#keepsOriginal) await this.#replaceOriginal();
      upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.stage, value: 'completed' }]);
      return publication.version;
    });
  }

  /** Settles the video and removes what may not be kept; never the original, never a published version. */
  async compensate(error: unknown): Promise<void> {
    if (isOneOf(error, ...NOT_OURS)) return;
    if (isCancellation(error)) {
      this.#note('cancelled');
      upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.stage, value: 'cancelled' }]);
      await this.#deleteOrphans(await database.markCancelled({ videoId: this.#videoId }));
      return;
    }
    const report = reportFailure(error);
    this.#note(`failed at ${report.step}: ${report.code}, ${report.detail}`);
    upsertSearchAttributes([
      { key: SEARCH_ATTRIBUTES.stage, value: 'failed' },
      { key: SEARCH_ATTRIBUTES.failure, value: report.code },
    ]);
    await this.#deleteOrphans(await database.markFailed({ ...report, videoId: this.#videoId }));
  }

  #orWarning(
    pictures: keyof typeof PICTURE_WARNINGS,
    make: () => Promise<void>,
  ): () => Promise<void> {
    return async () => {
      try {
        await make();
      } catch (fault) {
        const error = orCancellation(fault);
        if (isCancellation(error) || isOneOf(fault, 'piece-missing', ...NOT_OURS)) throw error;
        const { code, detail } = reportFailure(error);
        this.#note(`no ${pictures}: ${code}, ${detail}`);
        await database.warnRun({ videoId: this.#videoId, warning: PICTURE_WARNINGS[pictures] });
      }
    };
  }

  async #indexSource(durationSeconds: number): Promise<void> {
    const { indexSource } = proxyActivities<ProcessingActivities>(
      wholeFilePolicy(this.#policy, durationSeconds),
    );
    await indexSource.executeWithOptions({ summary: 'copy of the picture with an index' }, [
      { videoId: this.#videoId },
    ]);
  }

  async #compressChunk(chunk: MissingChunk, durationSeconds: number): Promise<void> {
    const policy =
      chunk.count > 1 ? piecePolicy(this.#policy) : undividedPolicy(this.#policy, durationSeconds);
    const { compressChunk } = proxyActivities<ProcessingActivities>(policy);
    const encode = (lowMemory: boolean): Promise<{ text: string }> => {
      const work: ChunkWork = { videoId: this.#videoId, chunk: chunk.index, lowMemory };
      const how = lowMemory ? ', one thread' : '';
      return compressChunk.executeWithOptions(
        { summary: `chunk ${chunk.index + 1}/${chunk.count} → ${chunk.qualities.join(' ')}${how}` },
        [work],
      );
    };
    try {
      await encode(false);
    } catch (error) {
      if (!isOneOf(error, 'encoder-out-of-memory')) throw error;
      await encode(true);
    }
  }

  async #compressAudio(durationSeconds: number): Promise<void> {
    const { compressAudio } = proxyActivities<ProcessingActivities>(
      wholeFilePolicy(this.#policy, durationSeconds),
    );
    await compressAudio.executeWithOptions({ summary: 'audio → AAC 128k' }, [
      { videoId: this.#videoId },
    ]);
  }

  /** Failing to clean up is not failing: reconcile finds what is left. */
  async #deleteOrphans(orphans: Orphans): Promise<void> {
    if (orphans.keys.length === 0) return;
    await this.#orLater('reconcile', () => cleanUp.deleteObjects(orphans));
  }

  async #replaceOriginal(): Promise<void> {
    await this.#orLater('retention', async () => {
      const input = { videoId: this.#videoId };
      const summary = 'read the processed version back, remove the original';
      const { replaced } = await readBack.replaceOriginal.executeWithOptions({ summary }, [input]);
      if (replaced) this.#note('the processed version has taken the place of the original');
    });
  }

  async #orLater(
    who: 'reconcile' | 'retention',
    cleanUpNow: () => Promise<unknown>,
  ): Promise<void> {
    try {
      await cleanUpNow();
    } catch (error) {
      const errorCode = codeOf(error);
      log.warn(`Clean-up is left to ${who}`, { videoId: this.#videoId, errorCode });
    }
  }

  #enter(stage: string): void {
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.stage, value: stage }]);
    this.#show(stage);
  }

  #note(text: string): void {
    this.#notes.push(text);
    this.#show();
  }

  #show(stage?: string): void {
    const lines = [this.#title, '', ...this.#notes.map((note) => `- ${note}`)];
    if (stage !== undefined) lines.push(`- **${stage}** …`);
    setCurrentDetails(lines.join('\n'));
  }
}
