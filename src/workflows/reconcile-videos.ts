import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { OrchestrationActivities } from '../activities/contracts.ts';
import { cleanUpPolicy } from './activity-policies.ts';

export interface ReconcileReport {
  readonly started: readonly number[];
  readonly settled: readonly string[];
  readonly deletionsStarted: readonly number[];
  readonly picturesStarted: readonly number[];
  readonly objectsDeleted: number;
}

const reconcile = proxyActivities<OrchestrationActivities>(cleanUpPolicy);

/** Sets right what a crash between two steps has left: run by a Schedule, one at a time. */
export async function ReconcileVideos(): Promise<ReconcileReport> {
  const { settled } = await reconcile.settleEndedRuns();
  const { started } = await reconcile.startPendingVideos();
  const { started: deletionsStarted } = await reconcile.startPendingDeletions();
  const { started: picturesStarted } = await reconcile.startPendingPictures();
  const retired = await reconcile.removeRetiredVersions();
  const expired = await reconcile.removeExpiredPieces();
  const keys = [...retired.keys, ...expired.keys];
  const { deleted } = keys.length > 0 ? await reconcile.deleteObjects({ keys }) : { deleted: 0 };
  const unowned = await reconcile.removeUnownedObjects();
  const report = {
    started,
    settled,
    deletionsStarted,
    picturesStarted,
    objectsDeleted: deleted + unowned.deleted,
  };
  setCurrentDetails(
    `${started.length} started, ${settled.length} settled, ${deletionsStarted.length} deletions started, ${report.objectsDeleted} objects removed`,
  );
  return report;
}
