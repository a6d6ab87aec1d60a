import { AppError, type ErrorDetails } from '../domain/errors.ts';

/** The `code` of a failed system call; undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  // No `instanceof`: errors of Node's own may come from another realm, as they do under a test runner.
  const code =
    typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** True for a failed system call that found no room. */
export function isDiskFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '');
}

/** Turns a failed system call into an error of ours; anything else passes as it is. */
export function toStorageFault(error: unknown, details: ErrorDetails = {}): unknown {
  const errno = errnoOf(error);
  if (error instanceof AppError || errno === undefined || errno === 'ABORT_ERR') return error;
  const all = { ...details, errno };
  if (errno === 'ENOENT') return new AppError('storage-object-missing', all, { cause: error });
  if (isDiskFull(error)) return new AppError('disk-full', all, { cause: error });
  return new AppError('storage-unavailable', all, { cause: error });
}

/** Runs `action`; what fails comes out in our own codes. */
export async function withStorageFaults<T>(
  details: ErrorDetails,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw toStorageFault(error, details);
  }
}
