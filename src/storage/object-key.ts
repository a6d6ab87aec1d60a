import { AppError } from '../domain/errors.ts';

const LONGEST_KEY_BYTES = 1024;
const SEGMENT = /^[\w][\w.\-=+@ ]*$/;

/**
 * Lets only keys pass that mean the same on every store: segments of plain characters joined by `/`, no segment that
 * starts with a dot, nothing absolute.
 * @throws `internal-error`: keys are made by the product, so a wrong one is a defect
 */
export function assertObjectKey(key: string): void {
  if (!isObjectKey(key))
    throw new AppError('internal-error', { reason: 'not an object key', key: key.slice(0, 200) });
}

export function isObjectKey(key: string): boolean {
  return (
    key.length > 0 &&
    key.length <= LONGEST_KEY_BYTES &&
    key.split('/').every((segment) => SEGMENT.test(segment))
  );
}

/** The same for the beginning of a key: the last segment may be cut off or empty. @throws `internal-error` */
export function assertKeyPrefix(prefix: string): void {
  if (prefix !== '') assertObjectKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix);
}
