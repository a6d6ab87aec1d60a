import { lockReservations, reserveForRun, sumReserved } from '../db/disk-reservations.ts';
import { findPieces } from '../db/pieces.ts';
import type { Run } from '../db/runs.ts';
import { countedPieces, estimateDiskNeed, formatBytes, usableBytes } from '../domain/disk-space.ts';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import { AppError } from '../domain/errors.ts';
import type { ActivityDeps } from './deps.ts';
import { asActiveRun } from './fence.ts';
import type { HeavyWork } from './heavy-work.ts';
import { ledgerOf } from './pieces.ts';

/** When a run that has found no room asks again. */
export const ASK_FOR_DISK_AGAIN_MS = 10_000;

/**
 * Reserves the disk that a run may fill, once: what is free beside the margin, without what other active runs and open uploads
 * have still to fill, must be enough. One after the other, so that no two runs take the same room. Smaller runs may overtake one
 * that waits: what is free now may not be enough for it for days.
 * @throws `waiting-for-disk`, with what is needed and what is free
 */
export async function reserveDisk(
  deps: ActivityDeps,
  { run, video }: Pick<HeavyWork, 'run' | 'video'>,
  plan: EncodingPlan,
): Promise<void> {
  if (run.reservedBytes !== null) return;
  const { outputs, keepsMedia } = deps.disks;
  const pieces = await deps.database.run((em) =>
    findPieces(em, ledgerOf(run), countedPieces(plan, run.settings)),
  );
  const neededBytes = estimateDiskNeed({
    plan,
    settings: run.settings,
    sourceBytes: run.source.sizeBytes,
    done: new Map([...pieces.values()].map(({ name, sizeBytes }) => [name, sizeBytes])),
    keepsMedia,
  });
  await asActiveRun(deps, video.id, async (tx, active) => {
    await lockReservations(tx);
    const reserved = await sumReserved(tx, { keepsMedia, exceptRunId: active.id });
    const promised = reserved.runs + (keepsMedia ? reserved.uploads : 0);
    const freeBytes = usableBytes(await outputs.measure()) - promised;
    if (neededBytes > freeBytes) throw noRoom(neededBytes, freeBytes);
    await reserveForRun(tx, active.id, neededBytes);
  });
}

/**
 * Begins no step while the margin of a disk is no longer free, whoever has filled it. With object storage kept files give way
 * before, so that what the step writes has room.
 * @throws `waiting-for-disk`
 */
export async function requireDisk({ disks }: Pick<ActivityDeps, 'disks'>, run: Run): Promise<void> {
  const { outputs, scratch, keepsMedia } = disks;
  if (!keepsMedia)
    await scratch.makeRoom(Math.max(0, (run.reservedBytes ?? 0) - run.source.sizeBytes));
  for (const disk of new Set([outputs, scratch])) {
    const { freeBytes, marginBytes } = await disk.measure();
    if (freeBytes > marginBytes) continue;
    throw new AppError('waiting-for-disk', {
      detail: `${formatBytes(freeBytes)} of disk are free, and ${formatBytes(marginBytes)} have to stay free for the servers`,
      folder: disk.folder,
      freeBytes,
      marginBytes,
    });
  }
}

function noRoom(neededBytes: number, freeBytes: number): AppError {
  const free = Math.max(0, freeBytes);
  return new AppError('waiting-for-disk', {
    detail: `the work needs ${formatBytes(neededBytes)} of disk, ${formatBytes(free)} are free`,
    neededBytes,
    freeBytes: free,
  });
}
