import { listReports } from '../db/reconcile-reports.ts';
import type { ReconcileReport } from '../domain/reconcile-report.ts';
import type { UseCaseDeps } from './deps.ts';
import { requireAdmin, type Viewer } from './viewer.ts';

/** What a look of reconcile at everything came to. */
export interface ReconcileReportView extends ReconcileReport {
  readonly id: number;
  readonly finishedAt: string;
  readonly durationSeconds: number;
  readonly workflowId: string;
}

/** Newest first; for administrators. @throws `permission-denied` */
export async function listReconcileReports(
  { database }: Pick<UseCaseDeps, 'database'>,
  viewer: Viewer,
  limit: number,
): Promise<readonly ReconcileReportView[]> {
  requireAdmin(viewer);
  const reports = await database.run((em) => listReports(em, limit));
  return reports.map(({ startedAt, finishedAt, ...report }) => ({
    ...report,
    startedAt: startedAt.toISOString(),
    finishedAt: finishedAt.toISOString(),
    // Two clocks, of the workflow server and of the database.
    durationSeconds: Math.max(0, (finishedAt.getTime() - startedAt.getTime()) / 1000),
  }));
}
