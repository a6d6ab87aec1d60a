import {
  continueAsNew,
  proxyActivities,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { OrchestrationActivities } from '../activities/contracts.ts';
import type { RetentionReport } from '../domain/retention.ts';
import { cleanUpPolicy, readBackPolicy } from './activity-policies.ts';

interface Progress extends RetentionReport {
  readonly afterId: number;
}

const START: Progress = {
  afterId: 0,
  videosDeleted: 0,
  originalsReplaced: 0,
  originalsFailed: 0,
  leftoversRemoved: 0,
};

const database = proxyActivities<OrchestrationActivities>(cleanUpPolicy);
const readBack = proxyActivities<Pick<OrchestrationActivities, 'replaceOriginals'>>(readBackPolicy);

/** Removes what is too old, or was not to be kept: run by a Schedule once a day, or by hand. */
export async function ApplyRetention(from: Progress = START): Promise<RetentionReport> {
  let { afterId, videosDeleted, originalsReplaced, originalsFailed } = from;
  for (let isLast = false; !isLast;) {
    const page = await database.deleteExpiredVideos();
    videosDeleted += page.deleted;
    isLast = page.isLast;
  }
  for (let nextId: number | null = afterId; nextId !== null;) {
    afterId = nextId;
    const page = await readBack.replaceOriginals({ afterId });
    originalsReplaced += page.replaced;
    originalsFailed += page.failed;
    nextId = page.nextId;
    if (nextId !== null && workflowInfo().continueAsNewSuggested) {
      const counts = { videosDeleted, originalsReplaced, originalsFailed, leftoversRemoved: 0 };
      await continueAsNew<typeof ApplyRetention>({ ...counts, afterId: nextId });
    }
  }
  const { removed: leftoversRemoved } = await database.removeGivenUpOriginals();
  setCurrentDetails(
    `${videosDeleted} videos deleted, ${originalsReplaced} originals replaced, ${originalsFailed} not, ${leftoversRemoved} leftovers removed`,
  );
  return { videosDeleted, originalsReplaced, originalsFailed, leftoversRemoved };
}
