import { saveReport } from '../db/reconcile-reports.ts';
import { type ReconcileReport, summarizeReport } from '../domain/reconcile-report.ts';
import type { ActivityDeps } from './deps.ts';
import { currentRun } from './fence.ts';

/** Keeps what reconcile found, for administrators. */
export async function saveReconcileReport(
  deps: ActivityDeps,
  report: ReconcileReport,
): Promise<void> {
  await deps.database.transact((tx) => saveReport(tx, currentRun(), report));
  const hasFindings = report.findings.length > 0;
  deps.logger[hasFindings ? 'warn' : 'debug'](
    { counts: report.counts, findings: report.findingCounts },
    `reconciled: ${summarizeReport(report)}`,
  );
}
