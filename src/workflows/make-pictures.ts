import {
  CancellationScope,
  defineSignal,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type {
  OrchestrationActivities,
  PictureTasks,
  ProcessingActivities,
} from '../activities/contracts.ts';
import type { VideoId } from '../domain/ids.ts';
import { parseVideoInput } from '../domain/process-video-input.ts';
import { databasePolicy, picturesPolicy } from './activity-policies.ts';
import { toRunFailure } from './failures.ts';
import { PICTURES_WANTED_SIGNAL, SEARCH_ATTRIBUTES } from './messages.ts';
import { runAll } from './run-all.ts';

export interface MakePicturesResult {
  readonly videoId: number;
  readonly made: number;
  readonly failed: number;
}

const database = proxyActivities<OrchestrationActivities>(databasePolicy);
const picturesWanted = defineSignal(PICTURES_WANTED_SIGNAL);
/** As with the finishing steps of a video. */
const MOST_AT_ONCE = 2;

/**
 * Makes the pictures that people have asked for, until none is wanted any more. One at a time per video, by its id.
 *
 * What is wanted stands in the database; the signal only says that there is more, also while the last one is being made. A
 * picture that cannot be made is told in its row and fails nothing; a cancel gives up all that is still wanted.
 */
export async function MakePictures(rawInput: unknown): Promise<MakePicturesResult> {
  let isAsked = true;
  setHandler(picturesWanted, () => {
    isAsked = true;
  });
  const { videoId } = readInput(rawInput);
  upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.videoId, value: videoId }]);
  const counts = { made: 0, failed: 0 };
  try {
    while (isAsked) {
      isAsked = false;
      await makeAll(await database.listPictures({ videoId }), counts);
    }
  } catch (error) {
    if (isCancellation(error)) {
      await CancellationScope.nonCancellable(() => database.dropPictures({ videoId }));
    }
    throw toRunFailure(error);
  }
  return { videoId, ...counts };
}

async function makeAll(
  { ownerId, priority, timeoutSeconds, tasks }: PictureTasks,
  counts: { made: number; failed: number },
): Promise<void> {
  const { makePicture } = proxyActivities<ProcessingActivities>(
    picturesPolicy({ timeoutSeconds, ownerId, priority, isReprocess: false }),
  );
  await runAll(
    tasks.map(({ wishId, text }) => async () => {
      const { outcome } = await makePicture.executeWithOptions({ summary: text }, [{ wishId }]);
      if (outcome === 'made') counts.made += 1;
      if (outcome === 'failed') counts.failed += 1;
      setCurrentDetails(`${counts.made} pictures made, ${counts.failed} failed`);
    }),
    MOST_AT_ONCE,
  );
}

function readInput(rawInput: unknown): { readonly videoId: VideoId } {
  try {
    return parseVideoInput(rawInput);
  } catch (error) {
    throw toRunFailure(error);
  }
}
