import {
  ActivityFailure,
  continueAsNew,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { OrchestrationActivities, ReconcilePage } from '../activities/contracts.ts';
import { parseReconcileInput, type ReconcileInput } from '../domain/reconcile-input.ts';
import {
  addPage,
  emptyReport,
  RECONCILE_STEPS,
  type ReconcilePageResult,
  type ReconcileReport,
  type ReconcileStep,
  summarizeReport,
  toPageResult,
} from '../domain/reconcile-report.ts';
import { databasePolicy, reconcilePolicy } from './activity-policies.ts';
import { reportFailure, toRunFailure } from './failures.ts';

/** As many objects as a store lists at once. */
const PAGE_SIZE = 1000;
const PAGES_PER_RUN = 200;

const reconcile = proxyActivities<OrchestrationActivities>(reconcilePolicy);
const database = proxyActivities<OrchestrationActivities>(databasePolicy);

/**
 * Sets right what a crash between two steps has left: run by a Schedule, one at a time. Pages through everything, so that it
 * takes as long as it takes and no more memory than a page.
 */
export async function ReconcileVideos(rawInput?: unknown): Promise<ReconcileReport> {
  const input = readInput(rawInput);
  const { pageSize = PAGE_SIZE, pagesPerRun = PAGES_PER_RUN } = input;
  const begun = input.progress ?? { step: RECONCILE_STEPS[0], after: null, report: begin() };

  let { after, report } = begun;
  let step: ReconcileStep | undefined = begun.step;
  for (let pages = 0; step !== undefined; pages += 1) {
    setCurrentDetails(`${step} · ${summarizeReport(report)}`);
    if (pages === pagesPerRun)
      await continueAsNew<typeof ReconcileVideos>({ ...input, progress: { step, after, report } });
    const result: ReconcilePageResult = await lookAt(step, { after, limit: pageSize });
    report = addPage(report, result);
    after = result.next;
    if (after === null) step = RECONCILE_STEPS[RECONCILE_STEPS.indexOf(step) + 1];
  }
  await database.saveReconcileReport(report);
  setCurrentDetails(summarizeReport(report));
  return report;
}

/** A step that cannot be done now, as when the store is away, keeps none of the others from being done. */
async function lookAt(step: ReconcileStep, page: ReconcilePage): Promise<ReconcilePageResult> {
  try {
    return await reconcile[step](page);
  } catch (error) {
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    const { code, detail } = reportFailure(error);
    const told = `Left for the next time: ${detail}`;
    return toPageResult(null, {}, [{ code, videoId: null, subject: step, detail: told }]);
  }
}

function begin(): ReconcileReport {
  return emptyReport(workflowInfo().startTime.toISOString());
}

function readInput(rawInput: unknown): ReconcileInput {
  try {
    return parseReconcileInput(rawInput);
  } catch (error) {
    throw toRunFailure(error);
  }
}
