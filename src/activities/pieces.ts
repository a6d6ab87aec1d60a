import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { PieceFacts } from '../db/entities/piece.ts';
import {
  type FinishedPiece,
  findPieces,
  forgetPiece,
  recordPiece,
  removeReplaced,
  type RunLedger,
  withoutOwner,
} from '../db/pieces.ts';
import { renewSource, type Run } from '../db/runs.ts';
import type { EntityManager } from '../db/orm.ts';
import { AppError } from '../domain/errors.ts';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import { workKey } from '../domain/object-keys.ts';
import { type Piece, renditionPiece } from '../domain/recipe.ts';
import type { RenditionPlan } from '../domain/rendition-ladder.ts';
import type { RunSource } from '../domain/run-source.ts';
import { hashFile } from '../storage/hash-file.ts';
import type { ActivityDeps } from './deps.ts';
import { asActiveRun } from './fence.ts';
import type { HeavyWork } from './heavy-work.ts';

/** How activities and the ledger meet: what is finished, bringing it here, and entering what was made. */

export function ledgerOf({ videoId, source, version, settings }: Run): RunLedger {
  return { videoId, sourceSha256: source.sha256, version, redo: settings.redo };
}

/** The plan of a run. @throws `piece-missing` when it has none, so that the run goes back to where plans are made */
export function requirePlan(run: Run): EncodingPlan {
  if (run.plan === null)
    throw new AppError('piece-missing', { detail: 'The run has no plan yet.' });
  return run.plan;
}

/**
 * Which of the wanted pieces are finished and still there as recorded, by name. What is gone or has another size is taken out
 * of the ledger, so that it is made again.
 */
export async function findSoundPieces(
  deps: ActivityDeps,
  ledger: RunLedger,
  wanted: readonly Piece[],
): Promise<ReadonlyMap<string, FinishedPiece>> {
  const recorded = await deps.database.run((em) => findPieces(em, ledger, wanted));
  const sound = new Map<string, FinishedPiece>();
  for (const [name, piece] of recorded) {
    const facts = await deps.store.stat(piece.objectKey);
    if (facts?.sizeBytes === piece.sizeBytes) {
      sound.set(name, piece);
      continue;
    }
    deps.logger.warn(
      { videoId: ledger.videoId, piece: name, objectKey: piece.objectKey },
      'finished piece is not sound',
    );
    await deps.database.run((em) => forgetPiece(em, piece));
  }
  return sound;
}

/** The renditions that are not joined yet: only they need their chunks. */
export async function findUnjoined(
  deps: ActivityDeps,
  run: Run,
): Promise<readonly RenditionPlan[]> {
  const plan = requirePlan(run);
  const pieces = plan.renditions.map((rendition) => renditionPiece(plan, rendition, run.settings));
  const done = await findSoundPieces(deps, ledgerOf(run), pieces);
  return plan.renditions.filter((_rendition, index) => !done.has(pieces[index]?.name ?? ''));
}

/** Brings what the run reads to the attempt's folder. @throws as `requireSource` */
export async function fetchSource(deps: ActivityDeps, attempt: HeavyWork): Promise<string> {
  const { objectKey, sizeBytes, sha256 } = await requireSource(deps, attempt);
  const file = path.join(attempt.folder, `source${path.extname(objectKey)}`);
  await deps.store.fetchToFile(objectKey, file, attempt.signal, { sizeBytes, sha256 });
  return file;
}

/**
 * Sees that what the run reads is there.
 *
 * The original may have been replaced since the run was claimed, where that was reset or lay idle: then the run goes on with what
 * took its place.
 * @throws `piece-missing` when the run has got another source, so that it goes back to where plans are made; `source-missing` when
 *   the source is gone or has another size
 */
export async function requireSource(
  deps: ActivityDeps,
  { run: { source }, video }: HeavyWork,
): Promise<RunSource> {
  const facts = await deps.store.stat(source.objectKey);
  if (facts?.sizeBytes === source.sizeBytes) return source;
  const isRenewed = await asActiveRun(deps, video.id, renewSource);
  if (isRenewed) {
    deps.logger.info({ videoId: video.id, source: source.objectKey }, 'source of the run replaced');
    throw new AppError('piece-missing', { detail: 'The source of the run has been replaced.' });
  }
  throw new AppError('source-missing', {
    expectedBytes: source.sizeBytes,
    foundBytes: facts?.sizeBytes ?? null,
  });
}

/**
 * Brings a finished piece to the attempt's folder, byte for byte as it was checked. One that is gone or has changed is taken out
 * of the ledger, so that it is made again.
 * @throws `piece-missing`
 */
export async function fetchPiece(
  deps: ActivityDeps,
  attempt: HeavyWork,
  piece: FinishedPiece,
  fileName: string,
): Promise<string> {
  const file = path.join(attempt.folder, fileName);
  const forget = async (cause?: unknown): Promise<never> => {
    await deps.database.run((em) => forgetPiece(em, piece));
    throw new AppError('piece-missing', { piece: piece.name }, { cause });
  };
  try {
    const { sizeBytes, sha256 } = piece;
    await deps.store.fetchToFile(piece.objectKey, file, attempt.signal, { sizeBytes, sha256 });
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'storage-object-missing') throw error;
    await forget(error);
  }
  const { sha256 } = await hashFile(file, attempt.signal);
  if (sha256 !== piece.sha256) await forget(`its SHA-256 is ${sha256}, not ${piece.sha256}`);
  return file;
}

export interface MadePiece {
  readonly piece: Piece;
  readonly path: string;
  readonly facts: PieceFacts;
  /** Where the object belongs; a random name under `work/` when left out. */
  readonly key?: string;
}

/** A database that restarts is back in seconds; one that is away longer costs the piece, which is then made again. */
const LEDGER_PATIENCE_MS = 120_000;
const LEDGER_RETRY_MS = 1_000;

/**
 * Stores what was made and enters it in the ledger, fenced. Whoever commits first wins: the loser's object goes.
 *
 * Made work is worth waiting for: a database that is away for a moment costs no encode and leaves no object behind.
 * @param andThen more writes in the same transaction; may run again when its answer was lost
 */
export async function keepPiece(
  deps: ActivityDeps,
  attempt: HeavyWork,
  made: MadePiece,
  andThen?: (tx: EntityManager, run: Run, piece: FinishedPiece) => Promise<void>,
): Promise<FinishedPiece> {
  const { video, signal } = attempt;
  const key = made.key ?? workKey(video.id, randomUUID(), path.extname(made.path).slice(1));
  const stored = await putUnowned(deps, key, made.path, signal);
  let kept: FinishedPiece | undefined;
  let replaced: readonly string[] = [];
  try {
    const record = () =>
      asActiveRun(deps, video.id, async (tx, run) => {
        const ledger = ledgerOf(attempt.run);
        const piece = await recordPiece(tx, ledger, made.piece, {
          ...stored,
          objectKey: key,
          toolVersion: deps.ffmpeg.version,
          facts: made.facts,
        });
        replaced = ledger.redo === undefined ? [] : await removeReplaced(tx, ledger, made.piece);
        await andThen?.(tx, run, piece);
        return piece;
      });
    kept = await waitOutDatabase(record, signal);
    return kept;
  } finally {
    const useless = kept?.objectKey === key ? replaced : [key, ...replaced];
    if (useless.length > 0) await deleteIfUnowned(deps, useless).catch(() => undefined);
  }
}

async function waitOutDatabase<T>(write: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const giveUpAt = performance.now() + LEDGER_PATIENCE_MS;
  for (;;) {
    try {
      return await write();
    } catch (error) {
      const isAway = error instanceof AppError && error.code === 'database-unavailable';
      if (!isAway || signal.aborted || performance.now() > giveUpAt) throw error;
      await delay(LEDGER_RETRY_MS, undefined, { signal });
    }
  }
}

function putUnowned(
  deps: ActivityDeps,
  key: string,
  file: string,
  signal: AbortSignal,
): Promise<{ sizeBytes: number; sha256: string }> {
  return replacingUnowned(deps, key, () => deps.store.putFile(key, file, { signal }));
}

/**
 * Gives an object a second key, where that costs no bytes.
 * @returns the key by which the second row names it: the first one, where the store would have to copy
 */
export async function linkUnowned(
  deps: ActivityDeps,
  fromKey: string,
  toKey: string,
): Promise<string> {
  if (!deps.store.sharesBytes) return fromKey;
  await replacingUnowned(deps, toKey, () => deps.store.link(fromKey, toKey));
  return toKey;
}

/** A name that is taken by bytes which no row knows belongs to an attempt that died before it entered them. */
async function replacingUnowned<T>(
  deps: ActivityDeps,
  key: string,
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'storage-object-exists') throw error;
    await deleteIfUnowned(deps, [key]);
    return write();
  }
}

/** Deletes those objects that no row names. @returns how many */
export async function deleteIfUnowned(
  deps: ActivityDeps,
  keys: readonly string[],
): Promise<number> {
  const free = await deps.database.run((em) => withoutOwner(em, keys));
  await deps.store.delete(free);
  return free.length;
}
