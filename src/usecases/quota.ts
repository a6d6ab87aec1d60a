import type { EntityManager } from '../db/orm.ts';
import { lockForQuota, sumUsedBytes } from '../db/storage-usage.ts';
import { formatBytes } from '../domain/disk-space.ts';
import { AppError } from '../domain/errors.ts';
import type { Viewer } from './viewer.ts';

/**
 * How much a member's videos may take (`MEMBER_QUOTA_BYTES`).
 *
 * Counted are originals and what is published of them; pieces of work and replaced versions, which go by themselves, are not, nor
 * is what has been deleted. What is made of an upload may pass the limit: the next upload is refused then.
 */

/** What a member may still upload. Undefined: as much as they like. */
export async function findAllowance(
  em: EntityManager,
  viewer: Pick<Viewer, 'userId' | 'role'>,
  quotaBytes: number | undefined,
): Promise<number | undefined> {
  if (quotaBytes === undefined || viewer.role === 'admin') return undefined;
  return Math.max(0, quotaBytes - (await sumUsedBytes(em, viewer.userId)));
}

/**
 * Holds a new row against the quota, in the transaction that has inserted it: of several uploads of one member, each sees those
 * before it.
 * @throws `quota-exceeded`, so that the row does not stay
 */
export async function requireQuota(
  tx: EntityManager,
  ownerId: number,
  quotaBytes: number,
): Promise<void> {
  if (!(await lockForQuota(tx, ownerId))) return;
  if ((await sumUsedBytes(tx, ownerId)) > quotaBytes) throw quotaExceeded(quotaBytes);
}

/** The same sentence wherever an upload is refused. */
export function quotaExceeded(quotaBytes: number): AppError {
  return new AppError('quota-exceeded', {
    detail: `Your videos may take ${formatBytes(quotaBytes)}, and with this one they would take more. Delete some, or ask an administrator.`,
    quotaBytes,
  });
}
