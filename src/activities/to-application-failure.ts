import { ApplicationFailure, Context } from '@temporalio/activity';
import { ApplicationFailureCategory } from '@temporalio/common';
import { AppError, type ErrorCode, type ErrorDetails, ERRORS } from '../domain/errors.ts';

export interface FailureOptions {
  /** The activity itself has given up, whatever the table says of the code. */
  readonly nonRetryable?: boolean;
  readonly nextRetryDelayMs?: number;
}

/**
 * The border between our errors and Temporal's: an `AppError` becomes a failure whose type is its code.
 *
 * `details[0]` carries the attempt and what an operator needs; unknown errors pass untouched and are tried again.
 */
export function toApplicationFailure(error: unknown, options: FailureOptions = {}): unknown {
  if (!(error instanceof AppError)) return error;
  const entry = ERRORS[error.code];
  return ApplicationFailure.create({
    message: error.message,
    type: error.code,
    nonRetryable: options.nonRetryable ?? entry.retry === 'never',
    details: [{ attempt: Context.current().info.attempt, diagnostics: shortened(error.details) }],
    ...(options.nextRetryDelayMs === undefined ? {} : { nextRetryDelay: options.nextRetryDelayMs }),
    ...(isTrouble(error.code) ? {} : { category: ApplicationFailureCategory.BENIGN }),
    ...(error.cause instanceof Error ? { cause: error.cause } : {}),
  });
}

/** What a failure of ours is to the server's own logs and metrics. */
function isTrouble(code: ErrorCode): boolean {
  const { fault } = ERRORS[code];
  const isWait = code === 'waiting-for-memory' || code === 'waiting-for-disk';
  return !isWait && (fault === 'platform' || fault === 'encoder');
}

/** Wraps a short activity, so that its errors leave it as Temporal understands them. */
export function short<Input extends unknown[], Output>(
  activity: (...input: Input) => Promise<Output>,
): (...input: Input) => Promise<Output> {
  return async (...input) => {
    try {
      return await activity(...input);
    } catch (error) {
      throw toApplicationFailure(error);
    }
  };
}

/** A server cuts a pending activity's failure at 4 KiB. */
const LONGEST_TEXT = 1500;

function shortened(details: ErrorDetails): ErrorDetails {
  return Object.fromEntries(
    Object.entries(details).map(([key, value]) => [
      key,
      typeof value === 'string' && value.length > LONGEST_TEXT ? value.slice(-LONGEST_TEXT) : value,
    ]),
  );
}
