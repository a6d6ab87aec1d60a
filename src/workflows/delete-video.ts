import {
  proxyActivities,
  setCurrentDetails,
  sleep,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { DeletionReceipt, OrchestrationActivities } from '../activities/contracts.ts';
import type { VideoId } from '../domain/ids.ts';
import { parseVideoInput } from '../domain/process-video-input.ts';
import { databasePolicy, removalPolicy } from './activity-policies.ts';
import { toRunFailure } from './failures.ts';
import { SEARCH_ATTRIBUTES } from './messages.ts';

const database = proxyActivities<OrchestrationActivities>(databasePolicy);
const removal = proxyActivities<Pick<OrchestrationActivities, 'removeVideo'>>(removalPolicy);

/** A run ends within seconds of a cancel, also where its worker has died; one that does not cannot go on. */
const MOST_REQUESTS = 60;

/**
 * Removes a video that its owner has deleted: its run is cancelled and awaited, then objects go, then rows.
 *
 * Only a row that carries `deletedAt` is touched, so a start by mistake does nothing.
 */
export async function DeleteVideo(rawInput: unknown): Promise<DeletionReceipt> {
  const { videoId } = readInput(rawInput);
  upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.videoId, value: videoId }]);

  setCurrentDetails('Waiting for the run of the video to end.');
  for (let asked = 0; ; asked += 1) {
    const insist = asked >= MOST_REQUESTS;
    if (!(await database.cancelActiveRun({ videoId, insist })).stillActive) break;
    await sleep('2 seconds');
  }

  setCurrentDetails('Removing objects and rows.');
  const receipt = await removal.removeVideo({ videoId });
  setCurrentDetails(`Removed ${receipt.objectsDeleted} objects.`);
  return receipt;
}

function readInput(rawInput: unknown): { readonly videoId: VideoId } {
  try {
    return parseVideoInput(rawInput);
  } catch (error) {
    throw toRunFailure(error);
  }
}
