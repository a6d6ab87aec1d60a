import { Context } from '@temporalio/activity';
import { endWish, failWish, startWish, type Wish, type WishFailure } from '../db/picture-wishes.ts';
import { type AttemptEnd, withoutOwner } from '../db/pieces.ts';
import { AppError, ERRORS } from '../domain/errors.ts';
import { MOST_ENCODER_FAULTS } from '../domain/faults.ts';
import { TRANSFER_MARGIN_SECONDS } from '../domain/tool-time.ts';
import type { FfmpegCommand } from '../media/ffmpeg-command.ts';
import type { FfmpegRunOptions } from '../media/ffmpeg.ts';
import type { PictureOutcome } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { ASK_AGAIN_MS } from './encoder-admission.ts';
import { nameFault } from './heavy-work.ts';
import { toApplicationFailure } from './to-application-failure.ts';

/** One attempt at a picture that somebody has asked for, outside of any run. */
export interface PictureWork {
  readonly wish: Wish;
  /** Empty, private, removed afterwards. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Runs one ffmpeg within what is left of the attempt's budget. */
  runFfmpeg(
    command: FfmpegCommand,
    bounds?: Pick<FfmpegRunOptions, 'dataBytes'> & { readonly budgetMs?: number },
  ): Promise<void>;
}

const HEARTBEAT_EVERY_MS = 2_000;
/** Something in this picture takes its worker down. */
const MOST_UNENDED_STARTS = 5;
const PLATFORM_RETRY_MS = 15_000;

/**
 * Runs one attempt: heartbeats, private folder, budget of tool time, and what follows from each kind of fault. A picture that
 * cannot be made is told in its wish and fails nothing; faults of the platform are waited out.
 */
export async function doPictureWork(
  deps: ActivityDeps,
  wishId: number,
  work: (attempt: PictureWork) => Promise<PictureOutcome>,
): Promise<PictureOutcome> {
  const context = Context.current();
  const heart = setInterval(() => context.heartbeat(), HEARTBEAT_EVERY_MS);
  try {
    const wish = await deps.database.run((em) => startWish(em, wishId));
    if (wish === undefined) return { outcome: 'gone' };
    try {
      if (wish.unendedStarts > MOST_UNENDED_STARTS) throw new AppError('worker-lost');
      const outcome = await deps.scratch.withScratch((folder) =>
        work(createAttempt(deps, wish, folder)),
      );
      await deps.database.run((em) => endWish(em, wishId, 'planned'));
      return outcome;
    } catch (error) {
      if (!context.cancellationSignal.aborted) return await settleFault(deps, wish, error);
      await deps.database.run((em) => endWish(em, wishId, 'planned')).catch(() => undefined);
      throw error;
    }
  } catch (error) {
    // The SDK knows what a cancellation means, so its own error goes on.
    if (context.cancellationSignal.aborted)
      throw await context.cancelled.catch((reason: unknown) => reason);
    throw toApplicationFailure(error);
  } finally {
    clearInterval(heart);
  }
}

function createAttempt(deps: ActivityDeps, wish: Wish, folder: string): PictureWork {
  const { info, cancellationSignal: signal } = Context.current();
  const wholeMs = Math.max(1000, info.startToCloseTimeoutMs - TRANSFER_MARGIN_SECONDS * 1000);
  let usedMs = 0;
  return {
    wish,
    folder,
    signal,
    async runFfmpeg(command, { budgetMs = wholeMs, dataBytes } = {}) {
      const startedAt = performance.now();
      const leftMs = Math.max(1, Math.min(budgetMs, wholeMs - usedMs));
      try {
        await deps.ffmpeg.run(command, { signal, cwd: folder, budgetMs: leftMs, dataBytes });
      } finally {
        usedMs += performance.now() - startedAt;
      }
    },
  };
}

async function settleFault(
  deps: ActivityDeps,
  wish: Wish,
  error: unknown,
): Promise<PictureOutcome> {
  const known = nameFault(error);
  const end = chooseEnd(known);
  const counts = await deps.database.run((em) => endWish(em, wish.id, end)).catch(() => undefined);
  if (end === 'waited') throw toApplicationFailure(known, { nextRetryDelayMs: ASK_AGAIN_MS });
  deps.logger.warn({ videoId: wish.videoId, wish: wish.kind, err: error }, 'a picture failed');
  if (end === 'platform-fault' && !isOutOfPatience(deps, counts?.platformFaultSince))
    throw toApplicationFailure(known, { nonRetryable: false, nextRetryDelayMs: PLATFORM_RETRY_MS });
  if (end === 'encoder-fault' && (counts?.encoderFaults ?? 0) < MOST_ENCODER_FAULTS)
    throw toApplicationFailure(known, { nonRetryable: false });
  await giveUp(deps, wish.id, { code: known.code, detail: known.message });
  return { outcome: 'failed', code: known.code };
}

function chooseEnd({ code }: AppError): Exclude<AttemptEnd, 'killed'> {
  if (code === 'waiting-for-memory') return 'waited';
  if (code === 'worker-lost') return 'planned';
  const { fault } = ERRORS[code];
  if (fault === 'encoder') return 'encoder-fault';
  return fault === 'platform' ? 'platform-fault' : 'planned';
}

function isOutOfPatience(deps: ActivityDeps, since: Date | null | undefined): boolean {
  const waitedSeconds = since ? (Date.now() - since.getTime()) / 1000 : 0;
  return waitedSeconds > deps.settings.platformFaultPatienceSeconds;
}

/** Tells in the wish why there will be no picture; the file that it came with goes. */
export async function giveUp(
  deps: ActivityDeps,
  wishId: number,
  failure: WishFailure,
): Promise<void> {
  const orphans = await deps.database.transact(async (tx) =>
    withoutOwner(tx, await failWish(tx, wishId, failure)),
  );
  await deps.store.delete(orphans);
}
