import { isGrpcServiceError, ServiceError } from '@temporalio/client';
import { AppError } from '../domain/errors.ts';

/** gRPC codes (grpc/statuscodes.md) that the callers tell apart. */
const INVALID_ARGUMENT = 3;
const UNREACHABLE: readonly number[] = [4, 8, 14];

/** True when the server cannot be reached or does not answer in time. */
export function isUnreachable(error: unknown): boolean {
  const cause = rootOf(error);
  if (isGrpcServiceError(cause)) return UNREACHABLE.includes(cause.code);
  return error instanceof ServiceError && error.cause === undefined;
}

/** True when the server does not know a search attribute yet, as after the loss of its database. */
export function isNotReadyYet(error: unknown): boolean {
  const cause = rootOf(error);
  return isGrpcServiceError(cause) && cause.code === INVALID_ARGUMENT;
}

/** Passes everything but "the server does not answer", which becomes `temporal-unavailable`. */
export function toTemporalFault(error: unknown): unknown {
  return isUnreachable(error) ? new AppError('temporal-unavailable', {}, { cause: error }) : error;
}

function rootOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined && !isGrpcServiceError(error)
    ? error.cause
    : error;
}
