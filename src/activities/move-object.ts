import { findMovableObjects, type MovableObject } from '../db/named-objects.ts';
import {
  dropMove,
  failMove,
  findCountingPlace,
  findTwin,
  type Move,
  switchMove,
  switchToTwin,
} from '../db/object-moves.ts';
import { createHash } from 'node:crypto';
import { AppError, type ErrorCode } from '../domain/errors.ts';
import { contentTypeOf } from '../domain/object-keys.ts';
import type { ObjectStore, StoredObject } from '../storage/object-store.ts';
import type { Throttle } from '../storage/throttle.ts';
import type { ActivityDeps } from './deps.ts';

/** What moving an object needs. */
export interface MoveWork {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly throttle: Throttle;
  readonly signal: AbortSignal;
  /** @throws `disk-full` where the new store is a disk and the object would not leave its margin free */
  assertRoom(bytes: number): Promise<void>;
}

/** Faults of a store or the database are waited out; an object with which they come again and again has failed. */
const WAITED_OUT: readonly ErrorCode[] = [
  'storage-unavailable',
  'disk-full',
  'database-unavailable',
];
const MOST_ATTEMPTS = 5;

/**
 * Moves one object: copies it, compares the checksum of the copy with what rows say, and has the new store count. The old copy
 * stays until the grace is over.
 *
 * May be repeated after a kill at any point, and may run twice at once: what is there already is looked at, not made again, and
 * the row is switched once. Until it is, the old store counts.
 * @throws what is to be waited out; everything else is told in the row
 */
export async function moveObject(deps: ActivityDeps, work: MoveWork, move: Move): Promise<void> {
  try {
    await carry(deps, work, move);
  } catch (error) {
    if (work.signal.aborted) throw error;
    if (isWaitedOut(error) && !(await isObjectsOwnFault(work, move))) throw error;
    const known = error instanceof AppError ? error : new AppError('internal-error');
    const failure = { code: known.code, detail: describe(known) };
    deps.logger.error(
      { objectKey: move.objectKey, errorCode: known.code, err: error },
      'object not moved',
    );
    const isOurs = await deps.database.run((em) =>
      failMove(em, move.objectKey, 'copying', failure),
    );
    if (isOurs) await removeCopy(work, move.objectKey).catch(() => undefined);
  }
}

async function carry(
  deps: ActivityDeps,
  work: MoveWork,
  { objectKey: key, attempts }: Move,
): Promise<void> {
  const named = await findNamed(deps, key);
  if (named === undefined) return forget(deps, work, { key, isTouched: attempts > 1 });
  if (!work.to.sharesBytes && (await takeTwin(deps, key))) return;

  const copied = await ensureCopy(deps, work, named);
  await deps.crashPoint?.('object-copied');
  if (await deps.database.transact((tx) => switchMove(tx, key, copied))) {
    await deps.crashPoint?.('object-switched');
    return;
  }
  // Deleted meanwhile, and its deletion may have come before the copy was there.
  if ((await findNamed(deps, key)) === undefined)
    return forget(deps, work, { key, isTouched: true });
  // Another attempt was first, or somebody has ended the migration.
  if ((await deps.database.run((em) => findCountingPlace(em, key))) === undefined)
    await removeCopy(work, key);
}

async function findNamed(deps: ActivityDeps, key: string): Promise<MovableObject | undefined> {
  return (await deps.database.run((em) => findMovableObjects(em, [key]))).get(key);
}

/** Nobody names the object any more: whoever let go of it deletes it, but knows nothing of a copy that came later. */
async function forget(
  deps: ActivityDeps,
  { to }: MoveWork,
  { key, isTouched }: { readonly key: string; readonly isTouched: boolean },
): Promise<void> {
  if (isTouched) await to.delete([key]);
  await deps.database.run((em) => dropMove(em, key));
}

/** Two names for the same bytes on a disk are one object where they would be two. @returns whether rows take the other name now */
async function takeTwin(deps: ActivityDeps, key: string): Promise<boolean> {
  const twin = await deps.database.run((em) => findTwin(em, key));
  if (twin === undefined) return false;
  const facts = await deps.store.stat(twin.objectKey);
  if (facts?.sizeBytes !== twin.sizeBytes) return false;
  return deps.database.transact((tx) => switchToTwin(tx, key, twin.objectKey));
}

/** @returns what lies in the new store: what rows say, read back */
async function ensureCopy(
  deps: ActivityDeps,
  work: MoveWork,
  named: MovableObject,
): Promise<StoredObject> {
  const { to } = work;
  const key = named.key;
  const expected = await readExpected(work, named);
  if ((await to.stat(key)) !== undefined) {
    const found = await measure(work, key);
    if (isSame(found, expected)) return found;
    if ((await work.from.stat(key)) === undefined) throw missing(expected, 'is gone');
    await to.delete([key]);
  }
  await copy(work, named, expected);
  await deps.crashPoint?.('object-written');
  const found = await measure(work, key);
  if (!isSame(found, expected)) throw missing(expected, 'was altered on its way');
  return found;
}

/** What rows say; of an uploaded poster, which they know nothing of, what it is. */
async function readExpected(
  { from, signal }: MoveWork,
  named: MovableObject,
): Promise<StoredObject> {
  const { sizeBytes, sha256 } = named;
  if (sizeBytes !== undefined && sha256 !== undefined) return { sizeBytes, sha256 };
  return from.checksum(named.key, signal);
}

async function copy(
  { from, to, throttle, signal, assertRoom }: MoveWork,
  { key, contentType }: MovableObject,
  expected: StoredObject,
): Promise<void> {
  await assertRoom(expected.sizeBytes);
  const source = throttle.slow(from.read(key, undefined, signal), signal);
  const type = contentType ?? contentTypeOf(key);
  const sent = await to.put(key, source, {
    sizeBytes: expected.sizeBytes,
    signal,
    ...(type === undefined ? {} : { contentType: type }),
  });
  if (!isSame(sent, expected)) throw missing(expected, 'is not what the database says');
}

/** Reads the copy back. */
async function measure({ to, throttle, signal }: MoveWork, key: string): Promise<StoredObject> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of throttle.slow(to.read(key, undefined, signal), signal)) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}

function isSame(a: StoredObject, b: StoredObject): boolean {
  return a.sizeBytes === b.sizeBytes && a.sha256 === b.sha256;
}

function missing(expected: StoredObject, what: string): AppError {
  return new AppError('storage-object-missing', {
    detail: `The stored file ${what}.`,
    ...expected,
  });
}

/** A copy that does not count goes, unless it is the last one. */
export async function removeCopy(
  { from, to }: Pick<MoveWork, 'from' | 'to'>,
  key: string,
): Promise<void> {
  if ((await from.stat(key)) !== undefined) await to.delete([key]);
}

function isWaitedOut(error: unknown): boolean {
  return error instanceof AppError && WAITED_OUT.includes(error.code);
}

/** Both stores work, and still this object meets a fault of theirs each time. */
async function isObjectsOwnFault({ from, to }: MoveWork, { attempts }: Move): Promise<boolean> {
  if (attempts < MOST_ATTEMPTS) return false;
  try {
    await to.checkWritable();
    for await (const _object of from.list('videos/')) break;
    return true;
  } catch {
    return false;
  }
}

function describe(error: AppError): string {
  const reason = error.details['reason'];
  return typeof reason === 'string' ? `${error.message}: ${reason}` : error.message;
}
