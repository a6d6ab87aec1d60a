import { defineEntity, p } from '@mikro-orm/core';
import type { ReconcileReport as Report } from '../../domain/reconcile-report.ts';

/** What one look of reconcile at everything came to. Kept for some days. */
const ReconcileReportSchema = defineEntity({
  name: 'ReconcileReport',
  tableName: 'reconcile_reports',
  properties: {
    id: p.integer().primary(),
    workflowId: p.text(),
    /** Of the execution that saved it. */
    runId: p.text().unique('reconcile_reports_run_unique'),
    startedAt: p.datetime().$type<Date>(),
    finishedAt: p.datetime().defaultRaw('now()').$type<Date>(),
    counts: p.json().$type<Report['counts']>(),
    findingCounts: p.json().$type<Report['findingCounts']>(),
    findings: p.json().$type<Report['findings']>(),
  },
});

export class ReconcileReport extends ReconcileReportSchema.class {}
ReconcileReportSchema.setClass(ReconcileReport);
