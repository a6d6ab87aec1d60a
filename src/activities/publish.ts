import { listStreams, removeStreams, retireOtherVersions } from '../db/outputs.ts';
import { carryThumbnails } from '../db/pictures.ts';
import { removePieces, withoutOwner } from '../db/pieces.ts';
import { findPublishedRun, publishRun } from '../db/runs.ts';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import type { Output } from '../domain/video.ts';
import type { Publication, VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { asActiveRun, currentRun } from './fence.ts';
import { requirePlan } from './pieces.ts';
import { logQueueStatus } from './queue-status.ts';

/**
 * Makes the run's version the one that viewers get: one transaction, the point of no return.
 *
 * Looks once more whether everything is there. The old version's rows are retired; chunks, sound and the copy they
 * were made from have served.
 * @returns `incomplete` when something that was made is gone; nothing is switched then
 */
export async function publish(deps: ActivityDeps, { videoId }: VideoRef): Promise<Publication> {
  const published = await deps.database.run((em) => findPublishedRun(em, videoId, currentRun()));
  // The transaction was committed, but its answer was lost.
  if (published !== undefined)
    return { outcome: 'published', version: published.version, orphans: { keys: [] } };

  const { run, streams } = await asActiveRun(deps, videoId, async (tx, active) => ({
    run: active,
    streams: await listStreams(tx, videoId, active.version),
  }));
  const plan = requirePlan(run);
  const sound = new Set<Output>();
  for (const stream of streams) {
    const facts = await deps.store.stat(stream.objectKey);
    if (facts?.sizeBytes === stream.sizeBytes) sound.add(stream.output);
  }
  const missing = requiredOutputs(plan).filter((output) => !sound.has(output));
  if (missing.length > 0) {
    // What is not there is entered anew by whoever makes it.
    await asActiveRun(deps, videoId, (tx) => removeStreams(tx, videoId, run.version, missing));
    return { outcome: 'incomplete', missing };
  }

  const keys = await asActiveRun(deps, videoId, async (tx, active) => {
    await carryThumbnails(tx, videoId, active.version);
    await publishRun(tx, active, plan);
    await retireOtherVersions(tx, videoId, active.version);
    return withoutOwner(tx, await removePieces(tx, videoId, ['chunk', 'audio', 'copy']));
  });
  deps.logger.info({ ...currentRun(), videoId, version: run.version }, 'run completed');
  await logQueueStatus(deps);
  return { outcome: 'published', version: run.version, orphans: { keys } };
}

function requiredOutputs(plan: EncodingPlan): readonly Output[] {
  return [...plan.renditions.map(({ quality }) => quality), 'compressed', 'processed'];
}
