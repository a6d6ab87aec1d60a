import { AppError } from './errors.ts';
import {
  RECONCILE_STEPS,
  type ReconcileCursor,
  type ReconcileReport,
  type ReconcileStep,
} from './reconcile-report.ts';

/** Input of `ReconcileVideos`; nothing is needed. */
export interface ReconcileInput {
  /** Rows or keys that are looked at in one go. */
  readonly pageSize?: number;
  /** After so many pages it goes on as a new run, so that no history grows long. */
  readonly pagesPerRun?: number;
  /** Where an earlier run of the same look left off. */
  readonly progress?: ReconcileProgress;
}

export interface ReconcileProgress {
  readonly step: ReconcileStep;
  readonly after: ReconcileCursor | null;
  readonly report: ReconcileReport;
}

const MOST = 1000;

/** @throws `invalid-workflow-input` */
export function parseReconcileInput(raw: unknown): ReconcileInput {
  if (raw === undefined || raw === null) return {};
  if (typeof raw !== 'object' || Array.isArray(raw)) refuse();
  for (const [name, value] of Object.entries(raw as Record<string, unknown>)) {
    const isFine = name === 'progress' ? isProgress(value) : isCount(name, value);
    if (!isFine) refuse();
  }
  return raw as ReconcileInput;
}

function isCount(name: string, value: unknown): boolean {
  const isNamed = name === 'pageSize' || name === 'pagesPerRun';
  return isNamed && Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MOST;
}

/** Only a run writes this, for the next one. */
function isProgress(value: unknown): boolean {
  const step = (value as { step?: unknown } | null)?.step;
  return (RECONCILE_STEPS as readonly unknown[]).includes(step);
}

function refuse(): never {
  throw new AppError('invalid-workflow-input', {
    detail: `The input may be left out; it may hold "pageSize" and "pagesPerRun", from 1 to ${MOST}.`,
  });
}
