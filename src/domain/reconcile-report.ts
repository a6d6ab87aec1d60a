import type { ErrorCode } from './errors.ts';

/**
 * What reconcile does, one step after the other, page by page, and the report that it leaves.
 *
 * Rows come before the store: a store that does not answer keeps no upload from being started.
 */
export const RECONCILE_STEPS = [
  'settleEndedRuns',
  'startPendingVideos',
  'startPendingDeletions',
  'startPendingPictures',
  'removeRetiredVersions',
  'removeExpiredPieces',
  'checkStoredObjects',
] as const;
export type ReconcileStep = (typeof RECONCILE_STEPS)[number];

/** Where the next page of a step begins: behind this row's id, or behind this key. */
export type ReconcileCursor = number | string;

export const RECONCILE_COUNTS = [
  'runsSeen',
  'runsSettled',
  'runsRestarted',
  'videosStarted',
  'deletionsStarted',
  'picturesStarted',
  'objectsSeen',
  'objectsDeleted',
] as const;
export type ReconcileCounts = Readonly<Record<(typeof RECONCILE_COUNTS)[number], number>>;

/** Something that was not as it should be. */
export interface Finding {
  readonly code: ErrorCode;
  readonly videoId: number | null;
  /** The workflow id, object key or step that it is about. */
  readonly subject: string;
  /** What was found and what was done about it, in one sentence. */
  readonly detail: string;
}

/** Findings, all of them counted and the first of them told, at most {@link MOST_FINDINGS}. */
interface Findings {
  /** By code. */
  readonly findingCounts: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
}

/** What one page of a step came to. */
export interface ReconcilePageResult extends Findings {
  /** Null: the step is done. */
  readonly next: ReconcileCursor | null;
  readonly counts: Partial<ReconcileCounts>;
}

export interface ReconcileReport extends Findings {
  /** ISO 8601. */
  readonly startedAt: string;
  readonly counts: ReconcileCounts;
}

/** As many as somebody reads; a report travels in workflow histories. */
export const MOST_FINDINGS = 100;

export function emptyReport(startedAt: string): ReconcileReport {
  const counts = Object.fromEntries(RECONCILE_COUNTS.map((name) => [name, 0]));
  return { startedAt, counts: counts as ReconcileCounts, findingCounts: {}, findings: [] };
}

export function toPageResult(
  next: ReconcileCursor | null,
  counts: Partial<ReconcileCounts>,
  findings: readonly Finding[] = [],
): ReconcilePageResult {
  const findingCounts: Record<string, number> = {};
  for (const { code } of findings) findingCounts[code] = (findingCounts[code] ?? 0) + 1;
  return { next, counts, findingCounts, findings: findings.slice(0, MOST_FINDINGS) };
}

export function addPage(report: ReconcileReport, page: ReconcilePageResult): ReconcileReport {
  const counts = RECONCILE_COUNTS.map((name) => [
    name,
    report.counts[name] + (page.counts[name] ?? 0),
  ]);
  const findingCounts = { ...report.findingCounts };
  for (const [code, count] of Object.entries(page.findingCounts))
    findingCounts[code] = (findingCounts[code] ?? 0) + count;
  return {
    ...report,
    counts: Object.fromEntries(counts) as ReconcileCounts,
    findingCounts,
    findings: [...report.findings, ...page.findings].slice(0, MOST_FINDINGS),
  };
}

/** One line for people: everything that is not nought. */
export function summarizeReport({ counts, findingCounts }: ReconcileReport): string {
  const parts = Object.entries({ ...counts, ...findingCounts })
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`);
  return parts.length === 0 ? 'nothing to look at' : parts.join(', ');
}
