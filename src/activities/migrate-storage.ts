import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Context } from '@temporalio/activity';
import {
  dropMove,
  dropUntouchedMoves,
  enterMoves,
  type FoundObject,
  forgetFailedMoves,
  listHalfMoved,
  takeMoves,
} from '../db/object-moves.ts';
import {
  adoptMigration,
  countMoves,
  endMigration as endMigrationRow,
  findMigration,
  findOpenMigration,
  insertMigration,
  type MigrationRecord,
  reportMigrationWaiting,
  setMigrationState,
} from '../db/storage-migrations.ts';
import { formatBytes, usableBytes } from '../domain/disk-space.ts';
import { AppError } from '../domain/errors.ts';
import { workKey } from '../domain/object-keys.ts';
import type { VideoId } from '../domain/ids.ts';
import type { MigrationInput, StoreName } from '../domain/storage-migration.ts';
import type { NamedStore } from '../storage/joined-stores.ts';
import { createThrottle } from '../storage/throttle.ts';
import type {
  MigrationEnding,
  MigrationPlan,
  MigrationProgress,
  MigrationRef,
  OpenMigration,
} from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { eachLimited } from './each-limited.ts';
import { currentRun } from './fence.ts';
import { moveObject, type MoveWork, removeCopy } from './move-object.ts';
import { toApplicationFailure } from './to-application-failure.ts';

/** Keys that are entered in one go. */
const PAGE = 500;
/** Objects at once: small ones cost a store's answer and hardly any bytes. */
const LANES = 4;
const TAKEN_AT_ONCE = 16;
/** After this long an activity ends between two objects, so that its workflow can tell how far it is. */
const SLICE_MS = 20_000;
const HEARTBEAT_EVERY_MS = 2_000;

/**
 * Makes this execution the one that moves objects. One that goes on where another of the same id stopped, with the same wish, goes
 * on with its row.
 * @throws `migration-running`, `invalid-workflow-input` (a store that the settings do not name)
 */
export async function beginMigration(
  deps: ActivityDeps,
  input: MigrationInput,
): Promise<OpenMigration> {
  const identity = currentRun();
  const spec = {
    fromName: input.from,
    toName: input.to,
    fromPlace: requireNamed(deps, input.from).place,
    toPlace: requireNamed(deps, input.to).place,
    filter: input.filter ?? {},
    bytesPerSecond: input.bytesPerSecond ?? null,
  };
  const open = await deps.database.run(findOpenMigration);
  if (open !== undefined && open.identity.workflowId !== identity.workflowId) {
    const latest = await deps.runDescriptions.latestRun(open.identity.workflowId);
    if (latest?.state === 'open')
      throw new AppError('migration-running', { workflowId: open.identity.workflowId });
  }
  return deps.database.transact(async (tx) => {
    const found = await findOpenMigration(tx);
    if (found !== undefined && isSameWish(found, spec)) {
      await adoptMigration(tx, found.id, { ...identity, bytesPerSecond: spec.bytesPerSecond });
      return { migrationId: found.id, isPaused: found.state === 'paused' };
    }
    if (found !== undefined) await endMigrationRow(tx, found.id, WAS_ENDED);
    await dropUntouchedMoves(tx);
    await forgetFailedMoves(tx);
    const { id } = await insertMigration(tx, spec, identity);
    return { migrationId: id, isPaused: false };
  });
}

export const WAS_ENDED = {
  state: 'failed',
  failure: { code: 'run-lost', detail: 'Its workflow was ended from outside.' },
} as const;

function isSameWish(
  found: MigrationRecord,
  spec: Pick<MigrationRecord, 'fromPlace' | 'toPlace' | 'filter'>,
): boolean {
  return (
    found.fromPlace === spec.fromPlace &&
    found.toPlace === spec.toPlace &&
    isDeepStrictEqual(found.filter, spec.filter)
  );
}

/** Enters everything that lies in the old store and is not on its way yet. */
export async function planMoves(
  deps: ActivityDeps,
  { migrationId }: MigrationRef,
): Promise<MigrationPlan> {
  return working(deps, migrationId, async (migration, { from, to }, signal) => {
    await undoHalfMoved(deps);
    await refuseSamePlace(from, to);
    let added = 0;
    let held = 0;
    let page: FoundObject[] = [];
    const enter = async () => {
      const entered = await deps.database.transact((tx) => enterMoves(tx, migration, page));
      added += entered.added;
      held += entered.held;
      page = [];
    };
    for await (const { key, sizeBytes } of from.store.list('videos/')) {
      signal.throwIfAborted();
      page.push({ key, sizeBytes });
      if (page.length >= PAGE) await enter();
    }
    await enter();
    return { added, held };
  });
}

/** Two names for one place: the old copy would be the new one. */
async function refuseSamePlace(from: NamedStore, to: NamedStore): Promise<void> {
  const key = workKey(0 as VideoId, randomUUID(), 'probe');
  try {
    await to.store.put(key, one(Buffer.from('probe')));
    if ((await from.store.stat(key)) === undefined) return;
    throw new AppError('invalid-workflow-input', {
      detail: `${from.name} and ${to.name} are the same place under two addresses.`,
    });
  } finally {
    await to.store.delete([key]).catch(() => undefined);
  }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Moves objects, some at once, for a while. @returns how many are still to be moved */
export async function moveObjects(
  deps: ActivityDeps,
  { migrationId }: MigrationRef,
): Promise<MigrationProgress> {
  return working(deps, migrationId, async (migration, { from, to }, signal) => {
    const work: MoveWork = {
      from: from.store,
      to: to.store,
      throttle: createThrottle(migration.bytesPerSecond),
      signal,
      assertRoom: (bytes) => assertRoom(deps, to, bytes),
    };
    const until = performance.now() + SLICE_MS;
    while (performance.now() < until) {
      const moves = await deps.database.transact((tx) => takeMoves(tx, migrationId, TAKEN_AT_ONCE));
      if (moves.length === 0) break;
      await eachLimited(moves, LANES, (move) => moveObject(deps, work, move));
    }
    const counts = await deps.database.run((em) => countMoves(em, migrationId));
    const { finishedObjects, finishedBytes } = migration;
    return {
      remaining: counts.waiting.objects + counts.copying.objects,
      remainingBytes: counts.waiting.bytes + counts.copying.bytes,
      moved: counts.switched.objects + finishedObjects,
      movedBytes: counts.switched.bytes + finishedBytes,
      failed: counts.failed.objects,
    };
  });
}

async function assertRoom(
  { disks }: ActivityDeps,
  { name }: NamedStore,
  bytes: number,
): Promise<void> {
  if (name !== 'local' || !disks.keepsMedia) return;
  const missingBytes = bytes - usableBytes(await disks.outputs.measure());
  if (missingBytes <= 0) return;
  const detail = `A file of ${formatBytes(bytes)} is to be moved here, for which ${formatBytes(missingBytes)} of disk are missing.`;
  throw new AppError('disk-full', { detail, missingBytes });
}

/** Tells in the database whether it is paused. */
export async function setMigrationPaused(
  deps: ActivityDeps,
  { migrationId, isPaused }: MigrationRef & { readonly isPaused: boolean },
): Promise<{ isPaused: boolean }> {
  await deps.database.run((em) =>
    setMigrationState(em, migrationId, isPaused ? 'paused' : 'moving'),
  );
  return { isPaused };
}

/** Ends a migration. What was not begun stays where it is; what was begun and is not switched is undone. */
export async function endMigration(
  deps: ActivityDeps,
  { migrationId, state, failure }: MigrationEnding,
): Promise<MigrationProgress> {
  const migration = await deps.database.transact(async (tx) => {
    await endMigrationRow(tx, migrationId, { state, failure });
    await dropUntouchedMoves(tx);
    return findMigration(tx, migrationId);
  });
  await undoHalfMoved(deps).catch((error: unknown) =>
    deps.logger.warn({ err: error }, 'half-moved objects are undone later'),
  );
  const counts = await deps.database.run((em) => countMoves(em, migrationId));
  deps.logger.info({ migrationId, state, ...counts }, 'migration of the storage ended');
  return {
    remaining: 0,
    remainingBytes: 0,
    moved: counts.switched.objects + (migration?.finishedObjects ?? 0),
    movedBytes: counts.switched.bytes + (migration?.finishedBytes ?? 0),
    failed: counts.failed.objects,
  };
}

/** What becomes of the rest is decided where the settings know its stores again. */
export function placesOf({ stores }: ActivityDeps): readonly string[] {
  return stores.map(({ place }) => place);
}

/** Removes copies that were begun and do not count, and that nobody goes on with. Idempotent. */
export async function undoHalfMoved(deps: ActivityDeps): Promise<void> {
  for (;;) {
    const halves = await deps.database.run((em) => listHalfMoved(em, placesOf(deps), PAGE));
    if (halves.length === 0) return;
    for (const { objectKey, fromPlace, toPlace } of halves) {
      const from = requirePlace(deps, fromPlace).store;
      await removeCopy({ from, to: requirePlace(deps, toPlace).store }, objectKey);
      await deps.database.run((em) => dropMove(em, objectKey));
      Context.current().heartbeat();
    }
  }
}

/** @throws `invalid-workflow-input` */
function requireNamed({ stores }: ActivityDeps, name: StoreName): NamedStore {
  const found = stores.find((store) => store.name === name);
  if (found !== undefined) return found;
  const known = stores.map((store) => store.name).join(', ');
  throw new AppError('invalid-workflow-input', {
    detail: `The settings name no store "${name}"; they name ${known}.`,
  });
}

/** @throws `storage-unavailable`: another worker, or other settings, may know it */
export function requirePlace({ stores }: ActivityDeps, place: string): NamedStore {
  const found = stores.find((store) => store.place === place);
  if (found !== undefined) return found;
  throw new AppError('storage-unavailable', {
    detail: `The settings of this worker name no store at ${place}.`,
  });
}

/** Heartbeats, finds the stores, and tells what is waited for while a store or the database is in trouble. */
async function working<T>(
  deps: ActivityDeps,
  migrationId: number,
  work: (
    migration: MigrationRecord,
    stores: { readonly from: NamedStore; readonly to: NamedStore },
    signal: AbortSignal,
  ) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  const heart = setInterval(() => context.heartbeat(), HEARTBEAT_EVERY_MS);
  const tell = (waitingFor: string | null) =>
    deps.database.run((em) => reportMigrationWaiting(em, migrationId, waitingFor));
  try {
    const migration = await deps.database.run((em) => findMigration(em, migrationId));
    if (migration === undefined || migration.endedAt !== null)
      throw new AppError('no-open-migration');
    const stores = {
      from: requirePlace(deps, migration.fromPlace),
      to: requirePlace(deps, migration.toPlace),
    };
    const result = await work(migration, stores, context.cancellationSignal);
    if (migration.waitingFor !== null) await tell(null);
    return result;
  } catch (error) {
    // The SDK knows what a cancellation means, so its own error goes on.
    if (context.cancellationSignal.aborted)
      throw await context.cancelled.catch((reason: unknown) => reason);
    if (error instanceof AppError)
      await tell(`${error.code}: ${error.message}`).catch(() => undefined);
    deps.logger.warn({ migrationId, err: error }, 'moving objects waits');
    throw toApplicationFailure(error);
  } finally {
    clearInterval(heart);
  }
}
