import type { EntityManager } from './orm.ts';
import { toPgArray } from './pg-array.ts';
import type { VideoId } from '../domain/ids.ts';
import { ORIGINAL_PREFIX } from '../domain/object-keys.ts';
import type { Piece as PieceName } from '../domain/recipe.ts';
import { oldestUsableVersion, type Redo } from '../domain/redo.ts';
import type { PieceKind } from '../domain/video.ts';
import { Piece, type PieceFacts } from './entities/piece.ts';

/** The work ledger: what is proven done, and how often what is not was tried. */
export interface FinishedPiece {
  readonly id: number;
  readonly name: string;
  readonly kind: PieceKind;
  readonly objectKey: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly facts: PieceFacts;
}

/** The ledger as one run sees it: the pieces of its video, made from the very bytes of its source. */
export interface RunLedger {
  readonly videoId: VideoId;
  readonly sourceSha256: string;
  /** Of what the run makes. */
  readonly version: number;
  /** Finished work that does not count for this run. */
  readonly redo: Redo | undefined;
}

/**
 * Which of the wanted pieces are finished, by name: of several the newest. One that was made by another recipe does not count, and
 * neither does one that is to be made anew.
 */
export async function findPieces(
  em: EntityManager,
  { videoId, sourceSha256, redo }: RunLedger,
  wanted: readonly PieceName[],
): Promise<ReadonlyMap<string, FinishedPiece>> {
  if (wanted.length === 0) return new Map();
  const byName = new Map(wanted.map((piece) => [piece.name, piece]));
  const rows = await em.find(
    Piece,
    { videoId, sourceSha256, name: { $in: [...byName.keys()] } },
    { refresh: true, orderBy: { version: 'asc' } },
  );
  const counts = ({ name, recipe, version }: Piece): boolean => {
    const piece = byName.get(name);
    return piece?.recipe === recipe && version >= oldestUsableVersion(piece, redo);
  };
  return new Map(rows.filter(counts).map((row) => [row.name, toFinished(row)]));
}

/** Every finished rendition of a video, whatever it was made from, oldest first. */
export async function listRenditions(
  em: EntityManager,
  videoId: VideoId,
): Promise<readonly (FinishedPiece & { readonly recipe: string; readonly toolVersion: string })[]> {
  const where = { videoId, kind: 'rendition' as const };
  const rows = await em.find(Piece, where, { orderBy: { id: 'asc' }, refresh: true });
  return rows.map((row) => ({
    ...toFinished(row),
    recipe: row.recipe,
    toolVersion: row.toolVersion,
  }));
}

/**
 * Enters a finished piece; whoever commits first wins.
 * @returns the row that counts, which is another's when this one came second
 */
export async function recordPiece(
  tx: EntityManager,
  ledger: RunLedger,
  piece: PieceName,
  made: Omit<FinishedPiece, 'id' | 'name' | 'kind'> & { readonly toolVersion: string },
): Promise<FinishedPiece> {
  await tx.execute(
    `insert into pieces (video_id, source_sha256, name, kind, recipe, version, object_key, size_bytes, sha256, tool_version, facts)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (video_id, source_sha256, name, recipe, version) do nothing`,
    [
      ledger.videoId,
      ledger.sourceSha256,
      piece.name,
      piece.kind,
      piece.recipe,
      ledger.version,
      made.objectKey,
      made.sizeBytes,
      made.sha256,
      made.toolVersion,
      JSON.stringify(made.facts),
    ],
    'run',
  );
  const row = await tx.findOneOrFail(
    Piece,
    {
      videoId: ledger.videoId,
      sourceSha256: ledger.sourceSha256,
      name: piece.name,
      recipe: piece.recipe,
      version: ledger.version,
    },
    { refresh: true },
  );
  return toFinished(row);
}

/**
 * Takes out what a piece that was made anew stands for from now on; a published version keeps its own.
 * @returns object keys, which may have other owners still
 */
export async function removeReplaced(
  tx: EntityManager,
  { videoId, sourceSha256, version }: RunLedger,
  piece: PieceName,
): Promise<readonly string[]> {
  return removePiecesWhere(
    tx,
    'video_id = ? and source_sha256 = ? and name = ? and recipe = ? and version < ?',
    [videoId, sourceSha256, piece.name, piece.recipe, version],
  );
}

/** Takes a row out whose object is no longer there or no longer what it was; the piece is made anew. */
export async function forgetPiece(em: EntityManager, piece: FinishedPiece): Promise<void> {
  await em.nativeDelete(Piece, { id: piece.id, objectKey: piece.objectKey });
}

/**
 * Takes the pieces of some kinds out of the ledger, those apart that a version is made of; returns their object keys, which may
 * have other owners still.
 */
export async function removePieces(
  tx: EntityManager,
  videoId: VideoId,
  kinds: readonly PieceKind[],
): Promise<readonly string[]> {
  const rows = await tx.execute<{ object_key: string }[]>(
    `delete from pieces where video_id = ? and kind = any(?)
        and not exists (select 1 from video_streams where video_streams.object_key = pieces.object_key)
     returning object_key`,
    [videoId, toPgArray(kinds)],
  );
  return rows.map((row) => row.object_key);
}

/** Takes out the pieces of these objects that no version is made of any more, so that the objects can go. */
export async function forgetUnnamedOutputs(
  tx: EntityManager,
  videoId: VideoId,
  keys: readonly string[],
): Promise<void> {
  await removePiecesWhere(tx, 'video_id = ? and object_key = any(?)', [videoId, toPgArray(keys)]);
}

/** Takes out every piece of a video that no version is made of; returns their object keys. */
export async function removeUnpublishedPieces(
  tx: EntityManager,
  videoId: VideoId,
): Promise<readonly string[]> {
  return removePiecesWhere(tx, 'video_id = ?', [videoId]);
}

const IN_NO_VERSION = `not exists (select 1 from video_streams where video_streams.object_key = pieces.object_key)
  and not exists (select 1 from thumbnails where thumbnails.object_key = pieces.object_key)
  and not exists (select 1 from pictures where pictures.object_key = pieces.object_key)`;

async function removePiecesWhere(
  tx: EntityManager,
  where: string,
  values: unknown[],
): Promise<readonly string[]> {
  const rows = await tx.execute<{ object_key: string }[]>(
    `delete from pieces where ${where} and ${IN_NO_VERSION} returning object_key`,
    values,
  );
  return rows.map((row) => row.object_key);
}

/** Videos that have pieces which were made before a moment and belong to nothing that is published or being made, by id. */
export async function findVideosWithExpired(
  em: EntityManager,
  { before, afterId, limit }: { before: Date; afterId: number; limit: number },
): Promise<readonly VideoId[]> {
  const rows = await em.execute<{ video_id: number }[]>(
    `select distinct video_id from pieces where created_at < ? and video_id > ? and ${IS_LEFT_OVER}
      order by video_id limit ?`,
    [before, afterId, limit],
  );
  return rows.map((row) => row.video_id as VideoId);
}

/**
 * Takes out pieces of a video that were made before a moment and are part of nothing published; returns their object keys. Needs
 * the video's lock, and that no run of it is active.
 */
export async function removeExpiredPieces(
  tx: EntityManager,
  videoId: VideoId,
  before: Date,
): Promise<readonly string[]> {
  return removePiecesWhere(tx, 'video_id = ? and created_at < ?', [videoId, before]);
}

/** Of a piece: it belongs to nothing that is published or being made. */
export const IS_LEFT_OVER = `${IN_NO_VERSION}
  and not exists (select 1 from video_runs where video_runs.video_id = pieces.video_id and state = 'active')`;

/** Of these keys, those that no row names any more: only they may be deleted. */
export async function withoutOwner(
  tx: EntityManager,
  keys: readonly string[],
): Promise<readonly string[]> {
  return filterKeys(tx, keys, NO_ROW);
}

/**
 * Of these keys, those that no row names, no run can come to name and nobody moves to another store. What lies below a video (its id is the third part of a key)
 * belongs to its run while there is one; and a later run gives other names.
 */
export async function withoutOwnerOrWork(
  tx: EntityManager,
  keys: readonly string[],
): Promise<readonly string[]> {
  return filterKeys(tx, keys, UNOWNED);
}

/**
 * Those of them that may go. An id that was never given out is of another database's video: a new one beside old media, or one that
 * was restored from before the video came, does not know what is a leftover.
 */
export async function findLeftovers(
  tx: EntityManager,
  keys: readonly string[],
): Promise<readonly string[]> {
  const isOurs = `case when split_part(key, '/', 3) ~ '^\\d{1,18}$' then split_part(key, '/', 3)::bigint <= (
      select case when is_called then last_value else 0 end from videos_id_seq) else true end`;
  return filterKeys(tx, keys, `${UNOWNED} and ${isOurs}`);
}

const NO_ROW = `not exists (select 1 from pieces where object_key = key)
        and not exists (select 1 from video_streams where object_key = key)
        and not exists (select 1 from thumbnails where object_key = key)
        and not exists (select 1 from pictures where object_key = key)
        and not exists (select 1 from own_posters where object_key = key)
        and not exists (select 1 from picture_wishes where upload_key = key)
        and not exists (select 1 from videos where starts_with(key, '${ORIGINAL_PREFIX}')
                           and stored_name = substr(key, length('${ORIGINAL_PREFIX}') + 1) and original_available)`;

const UNOWNED = `${NO_ROW}
        and not exists (select 1 from video_runs where state = 'active' and video_id::text = split_part(key, '/', 3))
        and not exists (select 1 from object_moves where object_key = key)`;

async function filterKeys(
  tx: EntityManager,
  keys: readonly string[],
  condition: string,
): Promise<readonly string[]> {
  if (keys.length === 0) return [];
  const rows = await tx.execute<{ key: string }[]>(
    `select key from unnest(?::text[]) as candidate(key) where ${condition}`,
    [toPgArray(keys)],
  );
  return rows.map((row) => row.key);
}

export interface AttemptCounts {
  /** Starts in a row, this one included, that came to no end. */
  readonly unendedStarts: number;
  readonly encoderFaults: number;
  readonly kills: number;
  readonly platformFaultSince: Date | null;
}

/** Counts a start before anything is done, so that a worker that dies has left its mark. */
export async function countStart(
  em: EntityManager,
  videoRunId: number,
  name: string,
): Promise<AttemptCounts> {
  const rows = await em.execute<AttemptRow[]>(
    `insert into piece_attempts (video_run_id, name, unended_starts) values (?, ?, 1)
       on conflict (video_run_id, name) do update set unended_starts = piece_attempts.unended_starts + 1, fraction = 0
     returning unended_starts, encoder_faults, kills, platform_fault_since`,
    [videoRunId, name],
  );
  return toCounts(rows[0]);
}

/**
 * How a start came to an end. `planned`: success, cancellation or a worker that is stopped. `waited`: it was turned away for want
 * of memory, which is as if it had not been started.
 */
export type AttemptEnd = 'planned' | 'waited' | 'encoder-fault' | 'killed' | 'platform-fault';

/** Counts an end. Kills count only in a row; the wait for the platform begins with its first fault in a row. */
export async function countEnd(
  em: EntityManager,
  videoRunId: number,
  name: string,
  end: AttemptEnd,
): Promise<AttemptCounts> {
  const rows = await em.execute<AttemptRow[]>(
    `update piece_attempts set
        unended_starts = case when ? then greatest(unended_starts - 1, 0) else 0 end,
        encoder_faults = encoder_faults + case when ? then 1 else 0 end,
        kills = case when ? then kills + 1 when ? then kills else 0 end,
        platform_fault_since = case when ? then coalesce(platform_fault_since, now()) end
      where video_run_id = ? and name = ?
     returning unended_starts, encoder_faults, kills, platform_fault_since`,
    [
      end === 'waited',
      end === 'encoder-fault',
      end === 'killed',
      end === 'planned' || end === 'waited',
      end === 'platform-fault',
      videoRunId,
      name,
    ],
  );
  return toCounts(rows[0]);
}

interface AttemptRow {
  unended_starts: number;
  encoder_faults: number;
  kills: number;
  platform_fault_since: Date | string | null;
}

function toCounts(row: AttemptRow | undefined): AttemptCounts {
  return {
    unendedStarts: row?.unended_starts ?? 0,
    encoderFaults: row?.encoder_faults ?? 0,
    kills: row?.kills ?? 0,
    platformFaultSince: row?.platform_fault_since ? new Date(row.platform_fault_since) : null,
  };
}

function toFinished(row: Piece): FinishedPiece {
  const { id, name, kind, objectKey, sizeBytes, sha256, facts } = row;
  return { id, name, kind, objectKey, sizeBytes, sha256, facts };
}
