import { AppError, type ErrorCode } from '../domain/errors.ts';
import type { ProcessFailure } from './process-failure.ts';

export interface FailureContext {
  /** Whether anything had come out before it failed: then the source could be read. */
  readonly hasFrames: boolean;
}

/** First match wins. What ffmpeg says about the disk and memory goes before what it says about the file. */
const ALWAYS: readonly (readonly [RegExp, ErrorCode])[] = [
  [/No space left on device|Disk quota exceeded/i, 'disk-full'],
  [/max_streams parameter/i, 'source-too-many-streams'],
  [/exceeds specified max pixel count/i, 'source-too-large-picture'],
  [/(?:not on whitelist|Format not on)/i, 'source-format-not-allowed'],
  [/Cannot allocate memory|malloc of size \d+ failed/i, 'encoder-out-of-memory'],
];

/** Said before the first frame these are about the source; later the same words may come from any damaged spot. */
const BEFORE_FIRST_FRAME: readonly (readonly [RegExp, ErrorCode])[] = [
  [
    /Decoder \(codec .*?\) not found|Decoder not found|Unknown decoder|Decoding requested, but no decoder found/i,
    'source-codec-unsupported',
  ],
  [/partial file|Truncating packet|stream ends prematurely/i, 'source-truncated'],
  [
    /moov atom not found|Invalid data found when processing input|could not find codec parameters|End of file/i,
    'source-unreadable',
  ],
];

/** What the launchers answer when the tool behind them is missing or may not run. */
const LAUNCH_FAILED: readonly number[] = [126, 127];
/** bubblewrap says the same with 1, before the tool has said anything. */
const SANDBOX_FAILED = /^bwrap: /;

/**
 * Says in the product's own codes why a tool failed. Pure; the one place where meaning is taken from stderr.
 *
 * A cancelled run is no failure: callers rethrow the signal's reason instead of asking here.
 * @returns the `ProcessFailure` itself where the tool could not even be started: that is the host's fault and unnamed
 */
export function classifyFailure(failure: ProcessFailure, context: FailureContext): Error {
  if (failure.cancelled || wasNotLaunched(failure)) return failure;
  return new AppError(chooseCode(failure, context), failure.toDetails(), { cause: failure });
}

function wasNotLaunched({ notStarted, exitCode, stderr }: ProcessFailure): boolean {
  return (
    notStarted ||
    LAUNCH_FAILED.includes(exitCode ?? 0) ||
    (exitCode === 1 && SANDBOX_FAILED.test(stderr))
  );
}

function chooseCode(failure: ProcessFailure, { hasFrames }: FailureContext): ErrorCode {
  if (failure.timedOut) return 'processing-timeout';
  if (failure.stalled) return 'encoder-stalled';
  if (failure.outputExceeded) return 'source-unreadable';
  // Not by us: the kernel's out-of-memory kill, or an operator's.
  if (failure.signal === 'SIGKILL' || failure.exitCode === 137) return 'encoder-out-of-memory';
  return (
    firstMatch(failure.stderr, ALWAYS) ??
    (hasFrames ? undefined : firstMatch(failure.stderr, BEFORE_FIRST_FRAME)) ??
    'encoder-failed'
  );
}

function firstMatch(
  text: string,
  table: readonly (readonly [RegExp, ErrorCode])[],
): ErrorCode | undefined {
  return table.find(([pattern]) => pattern.test(text))?.[1];
}
