import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  TemporalFailure,
} from '@temporalio/common';
import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { FailureReport } from '../activities/contracts.ts';
import { AppError, type ErrorCode, isErrorCode, type JsonValue } from '../domain/errors.ts';

/** What an activity tells of its failure, in `details[0]` of the failure that Temporal carries. */
export interface FailureDetails {
  readonly attempt: number;
  readonly diagnostics: { readonly [key: string]: JsonValue };
}

/** Failures after which another run, or nobody, owns the video: nothing of it may be touched. */
export const NOT_OURS = [
  'video-busy',
  'video-not-found',
  'run-superseded',
  'nothing-to-do',
] as const;

/** The code of a failed activity, or undefined for what is no failure of ours. */
export function codeOf(error: unknown): ErrorCode | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const type = cause instanceof ApplicationFailure ? cause.type : undefined;
  return isErrorCode(type) ? type : undefined;
}

/** True for a failure that carries one of these codes: a catch names what it handles. */
export function isOneOf(error: unknown, ...codes: readonly ErrorCode[]): boolean {
  const code = codeOf(error);
  return code !== undefined && codes.includes(code);
}

/**
 * A cancellation in the place of the failure that arrives for it: an attempt that fails while its cancellation is asked for is not
 * repeated, and comes to the workflow as failed. Asked in the scope whose cancellation is meant.
 */
export function orCancellation(error: unknown): unknown {
  const isAskedFor = CancellationScope.current().consideredCancelled;
  if (!isAskedFor || isCancellation(error)) return error;
  return new CancelledFailure('Cancelled', [], error instanceof Error ? error : undefined);
}

/** What is kept of a failure; an unknown one is told as `internal-error`. */
export function reportFailure(error: unknown): Omit<FailureReport, 'videoId'> {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const step = error instanceof ActivityFailure ? error.activityType : 'workflow';
  const details =
    cause instanceof ApplicationFailure
      ? (cause.details?.[0] as FailureDetails | undefined)
      : undefined;
  return {
    code: codeOf(error) ?? 'internal-error',
    detail: cause instanceof Error ? cause.message : String(error),
    step,
    attempt: details?.attempt ?? 1,
    diagnostics: details?.diagnostics ?? {},
  };
}

/**
 * A plain error thrown in workflow code would fail the workflow's task again and again instead of the run; so everything that
 * is not Temporal's own becomes a failure that ends the run.
 */
export function toRunFailure(error: unknown): unknown {
  if (error instanceof TemporalFailure) return error;
  const code = error instanceof AppError ? error.code : 'internal-error';
  const message = error instanceof Error ? error.message : String(error);
  return ApplicationFailure.nonRetryable(message, code);
}
