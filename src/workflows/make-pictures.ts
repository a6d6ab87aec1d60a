import {
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type {
  OrchestrationActivities,
  PictureOutcome,
  PictureTasks,
  ProcessingActivities,
} from '../activities/contracts.ts';
import type { VideoId } from '../domain/ids.ts';
import { parseVideoInput } from '../domain/process-video-input.ts';
import { databasePolicy, picturesPolicy } from './activity-policies.ts';
import { toRunFailure } from './failures.ts';
import { PICTURES_WANTED_SIGNAL, SEARCH_ATTRIBUTES } from './messages.ts';

export interface MakePicturesResult {
  readonly videoId: number;
  readonly made: number;
  readonly failed: number;
}

const database = proxyActivities<OrchestrationActivities>(databasePolicy);
const picturesWanted = defineSignal(PICTURES_WANTED_SIGNAL);
/** More than there are slots: some may be between two tries, waiting for memory or for the platform. */
const MOST_AT_ONCE = 4;

/**
 * Makes the pictures that people have asked for, until none is wanted any more. One at a time per video, by its id.
 *
 * What is wanted stands in the database; the signal only says that there is more. It is taken up at once, beside what is being
 * made: one picture may wait for hours. One that cannot be made is told in its row and fails nothing; a cancel gives up all that is
 * still wanted.
 */
export async function MakePictures(rawInput: unknown): Promise<MakePicturesResult> {
  const work = new PictureWork();
  setHandler(picturesWanted, () => {
    work.isAsked = true;
  });
  const { videoId } = readInput(rawInput);
  upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.videoId, value: videoId }]);
  try {
    await work.makeAll(videoId);
  } catch (error) {
    if (isCancellation(error)) {
      await CancellationScope.nonCancellable(() => work.awaitEnd());
      work.isAsked = false;
      await CancellationScope.nonCancellable(() => database.dropPictures({ videoId }));
      // Asked for while the rest was given up: nobody has cancelled that, and a closed run would not hear of it.
      if (work.isAsked) await continueAsNew<typeof MakePictures>({ videoId });
    }
    throw toRunFailure(error);
  }
  return { videoId, made: work.made, failed: work.failed };
}

type Task = PictureTasks['tasks'][number];

/** What one run of the workflow has to do and does. */
class PictureWork {
  isAsked = true;
  made = 0;
  failed = 0;
  /** By wish. None of them rejects. */
  readonly #making = new Map<number, Promise<void>>();
  readonly #failures: unknown[] = [];

  async makeAll(videoId: VideoId): Promise<void> {
    let waiting: (() => void)[] = [];
    while (this.isAsked || waiting.length > 0 || this.#making.size > 0) {
      if (this.isAsked) {
        this.isAsked = false;
        const pictures = await database.listPictures({ videoId });
        waiting = pictures.tasks
          .filter(({ wishId }) => !this.#making.has(wishId))
          .map((task) => () => this.#making.set(task.wishId, this.#make(pictures, task)));
      }
      for (const start of waiting.splice(0, MOST_AT_ONCE - this.#making.size)) start();
      const busyFrom = waiting.length > 0 ? MOST_AT_ONCE : 1;
      await condition(() => this.isAsked || this.#making.size < busyFrom);
    }
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async awaitEnd(): Promise<void> {
    await Promise.all(this.#making.values());
  }

  async #make(pictures: PictureTasks, task: Task): Promise<void> {
    try {
      const outcome = await makeOne(pictures, task);
      if (outcome === 'made') this.made += 1;
      if (outcome === 'failed') this.failed += 1;
      // It may have been asked for again, in the same row, before its end was known here.
      if (outcome !== 'made') this.isAsked = true;
      setCurrentDetails(`${this.made} pictures made, ${this.failed} failed`);
    } catch (error) {
      this.#failures.push(error);
    } finally {
      this.#making.delete(task.wishId);
    }
  }
}

async function makeOne(
  { ownerId, priority, timeoutSeconds }: PictureTasks,
  { wishId, text }: Task,
): Promise<PictureOutcome['outcome']> {
  const { makePicture } = proxyActivities<ProcessingActivities>(
    picturesPolicy({ timeoutSeconds, ownerId, priority, isReprocess: false }),
  );
  const { outcome } = await makePicture.executeWithOptions({ summary: text }, [{ wishId }]);
  return outcome;
}

function readInput(rawInput: unknown): { readonly videoId: VideoId } {
  try {
    return parseVideoInput(rawInput);
  } catch (error) {
    throw toRunFailure(error);
  }
}
