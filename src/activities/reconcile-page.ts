import type { RowPage } from '../db/reconcile.ts';
import {
  type Finding,
  type ReconcileCounts,
  type ReconcilePageResult,
  toPageResult,
} from '../domain/reconcile-report.ts';
import type { ReconcilePage } from './contracts.ts';

/** Pages of rows, by id: where one begins, and what it came to. */
export function toRowPage({ after, limit }: ReconcilePage): RowPage {
  return { afterId: after === null ? 0 : Number(after), limit };
}

/** @param ids of the rows that were looked at, in their order; fewer than `limit`: there are no more */
export function toResult(
  { limit }: ReconcilePage,
  ids: readonly number[],
  counts: Partial<ReconcileCounts>,
  findings: readonly Finding[] = [],
): ReconcilePageResult {
  return toPageResult(ids.length < limit ? null : (ids.at(-1) ?? null), counts, findings);
}
