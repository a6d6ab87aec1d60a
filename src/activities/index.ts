import { buildRendition } from './build-rendition.ts';
import { claimVideo } from './claim-video.ts';
import { compressAudio } from './compress-audio.ts';
import { compressChunk } from './compress-chunk.ts';
import type {
  IntakeActivities,
  OrchestrationActivities,
  ProcessingActivities,
} from './contracts.ts';
import { convert } from './convert.ts';
import { cancelActiveRun, deleteObjects, removeVideo } from './delete-video.ts';
import type { ActivityDeps } from './deps.ts';
import { indexSource } from './index-source.ts';
import { listMissingChunks, listMissingRenditions } from './list-missing.ts';
import { makePicture } from './make-picture.ts';
import { makeStoryboard } from './make-storyboard.ts';
import { makeThumbnails } from './make-thumbnails.ts';
import { warnRun } from './picture-faults.ts';
import { dropPictures, listPictures, startPendingPictures } from './picture-wishes.ts';
import {
  beginMigration,
  endMigration,
  moveObjects,
  planMoves,
  setMigrationPaused,
} from './migrate-storage.ts';
import { visibly } from './platform-wait.ts';
import { probe } from './probe.ts';
import { publish } from './publish.ts';
import { checkStoredObjects } from './reconcile-objects.ts';
import { saveReconcileReport } from './reconcile-report.ts';
import { removeExpiredPieces, removeRetiredVersions } from './reconcile-retention.ts';
import { settleEndedRuns } from './reconcile-runs.ts';
import { startPendingDeletions, startPendingVideos } from './reconcile-starts.ts';
import {
  deleteExpiredVideos,
  removeGivenUpOriginals,
  replaceOriginal,
  replaceOriginals,
} from './retention.ts';
import { markCancelled, markFailed } from './settle-run.ts';
import { short } from './to-application-failure.ts';

/** Every activity, by the queue that it is served on. */
export interface Activities {
  readonly orchestration: OrchestrationActivities;
  readonly intake: IntakeActivities;
  readonly processing: ProcessingActivities;
}

export function createActivities(deps: ActivityDeps): Activities {
  return {
    orchestration: {
      claimVideo: short((input) => claimVideo(deps, input)),
      listMissingChunks: visibly(deps, listMissingChunks),
      listMissingRenditions: visibly(deps, listMissingRenditions),
      warnRun: short((input) => warnRun(deps, input)),
      publish: visibly(deps, publish, Number.POSITIVE_INFINITY),
      markFailed: (input) => markFailed(deps, input),
      markCancelled: (input) => markCancelled(deps, input),
      deleteObjects: short((input) => deleteObjects(deps, input)),
      cancelActiveRun: short((input) => cancelActiveRun(deps, input)),
      removeVideo: short((input) => removeVideo(deps, input)),
      replaceOriginal: short((input) => replaceOriginal(deps, input)),
      replaceOriginals: short((input) => replaceOriginals(deps, input)),
      removeGivenUpOriginals: short(() => removeGivenUpOriginals(deps)),
      deleteExpiredVideos: short(() => deleteExpiredVideos(deps)),
      settleEndedRuns: short((page) => settleEndedRuns(deps, page)),
      startPendingVideos: short((page) => startPendingVideos(deps, page)),
      startPendingDeletions: short((page) => startPendingDeletions(deps, page)),
      startPendingPictures: short((page) => startPendingPictures(deps, page)),
      removeRetiredVersions: short((page) => removeRetiredVersions(deps, page)),
      removeExpiredPieces: short((page) => removeExpiredPieces(deps, page)),
      checkStoredObjects: short((page) => checkStoredObjects(deps, page)),
      saveReconcileReport: short((report) => saveReconcileReport(deps, report)),
      listPictures: short((input) => listPictures(deps, input)),
      dropPictures: short((input) => dropPictures(deps, input)),
      beginMigration: short((input) => beginMigration(deps, input)),
      planMoves: (input) => planMoves(deps, input),
      moveObjects: (input) => moveObjects(deps, input),
      setMigrationPaused: short((input) => setMigrationPaused(deps, input)),
      endMigration: short((input) => endMigration(deps, input)),
    },
    intake: { probe: (input) => probe(deps, input) },
    processing: {
      convert: (input) => convert(deps, input),
      indexSource: (input) => indexSource(deps, input),
      compressChunk: (input) => compressChunk(deps, input),
      compressAudio: (input) => compressAudio(deps, input),
      buildRendition: (input) => buildRendition(deps, input),
      makeThumbnails: (input) => makeThumbnails(deps, input),
      makeStoryboard: (input) => makeStoryboard(deps, input),
      makePicture: (input) => makePicture(deps, input),
    },
  };
}
