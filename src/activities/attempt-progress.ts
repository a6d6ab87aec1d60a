import { reportProgress } from '../db/progress.ts';
import type { RunIdentity } from '../domain/ids.ts';
import type { ActivityDeps } from './deps.ts';
import type { HeavySpec } from './heavy-work.ts';

/** What a heartbeat tells of an attempt, for operators who look at a pending activity. */
export interface AttemptDetail {
  readonly step: string;
  /** From 0. */
  readonly chunk?: number;
  /** How much media has come out. */
  readonly outTimeSeconds?: number;
  /** Of this step. */
  readonly percent: number;
}

/** How far one attempt is, told to the database again and again while it works. */
export interface AttemptProgress {
  detail(): AttemptDetail;
  /** Keeps what a tool said; it is written later. @param fraction of the step, 0 to 1 */
  advance(outTimeSeconds: number, fraction: number): void;
  /** Begins to write every 2.5 s: also while files come and go, since a run without a sign counts as waiting. */
  start(): void;
  /** The step is done. */
  finish(): Promise<void>;
  /** Resolves when nothing more will be written. Idempotent. */
  stop(): Promise<void>;
}

const WRITE_EVERY_MS = 2_500;

export function trackProgress(
  { database }: Pick<ActivityDeps, 'database'>,
  { videoId, piece, chunk }: HeavySpec,
  identity: RunIdentity,
): AttemptProgress {
  let outTimeSeconds: number | undefined;
  let fraction = 0;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;

  // Only for show: a database that is away must not end an encode.
  const write = (): Promise<void> =>
    database
      .run((em) => reportProgress(em, videoId, identity, { name: piece, fraction }))
      .catch(() => undefined);
  const tick = (): void => {
    writing ??= write().finally(() => {
      writing = undefined;
    });
  };

  return {
    detail: () => ({
      step: piece,
      ...(chunk !== undefined && { chunk }),
      ...(outTimeSeconds !== undefined && { outTimeSeconds: Number(outTimeSeconds.toFixed(1)) }),
      percent: Number((fraction * 100).toFixed(1)),
    }),
    advance(seconds, reached) {
      outTimeSeconds = seconds;
      fraction = Math.min(1, Math.max(fraction, reached));
    },
    start() {
      timer ??= setInterval(tick, WRITE_EVERY_MS);
    },
    async finish() {
      clearInterval(timer);
      await writing;
      fraction = 1;
      await write();
    },
    async stop() {
      clearInterval(timer);
      await writing;
    },
  };
}
