import type { RunIdentity } from '../domain/ids.ts';
import type { ReconcileReport as Report } from '../domain/reconcile-report.ts';
import { ReconcileReport } from './entities/reconcile-report.ts';
import type { EntityManager } from './orm.ts';

export interface ReconcileReportRecord extends Omit<Report, 'startedAt'> {
  readonly id: number;
  readonly workflowId: string;
  readonly startedAt: Date;
  readonly finishedAt: Date;
}

const KEPT = `interval '7 days'`;

/** Keeps a report, once for each run, and forgets those of last week. */
export async function saveReport(
  tx: EntityManager,
  { workflowId, runId }: RunIdentity,
  { startedAt, counts, findingCounts, findings }: Report,
): Promise<void> {
  await tx.execute(
    `insert into reconcile_reports (workflow_id, run_id, started_at, counts, finding_counts, findings)
     values (?, ?, ?, ?, ?, ?) on conflict (run_id) do nothing`,
    [
      workflowId,
      runId,
      startedAt,
      ...[counts, findingCounts, findings].map((value) => JSON.stringify(value)),
    ],
    'run',
  );
  await tx.execute(`delete from reconcile_reports where finished_at < now() - ${KEPT}`, [], 'run');
}

/** Newest first. */
export async function listReports(
  em: EntityManager,
  limit: number,
): Promise<readonly ReconcileReportRecord[]> {
  const rows = await em.find(
    ReconcileReport,
    {},
    { orderBy: { id: 'desc' }, limit, disableIdentityMap: true },
  );
  return rows.map(({ id, workflowId, startedAt, finishedAt, counts, findingCounts, findings }) => ({
    id,
    workflowId,
    startedAt,
    finishedAt,
    counts,
    findingCounts,
    findings,
  }));
}
