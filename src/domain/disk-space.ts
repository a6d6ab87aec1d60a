import type { EncodingPlan } from './encoding-plan.ts';
import { chunkPiece, copyPiece, indexedCopyPiece, type Piece, renditionPiece } from './recipe.ts';
import type { RenditionPlan } from './rendition-ladder.ts';
import type { RunSettings } from './run-settings.ts';

/** What a disk has for uploads and runs. All in bytes. */
export interface DiskSpace {
  readonly totalBytes: number;
  /** Free for this account. */
  readonly freeBytes: number;
  /** Taken by files that are only kept for later, and give way. */
  readonly keptBytes: number;
  /** Never given away: PostgreSQL and Temporal stop where a disk is full to the last block. */
  readonly marginBytes: number;
}

const MARGIN_SHARE = 0.05;
/** PostgreSQL's write-ahead log grows to 1 GiB by default before it is written back. */
const LARGEST_MARGIN_BYTES = 2 * 1024 ** 3;

/** What is kept free of a disk unless somebody has decided otherwise: 5 %, at most 2 GiB. */
export function defaultMarginBytes(totalBytes: number): number {
  return Math.min(LARGEST_MARGIN_BYTES, Math.floor(totalBytes * MARGIN_SHARE));
}

/** What may be promised. Negative where the margin itself is no longer free. */
export function usableBytes({ freeBytes, keptBytes, marginBytes }: DiskSpace): number {
  return freeBytes + keptBytes - marginBytes;
}

/** Chunks, then the renditions that they are joined to, and a fifth for what is joined and checked in between. */
const LOCAL_FACTOR = 2.2;
/** A join reads its chunks, joins them and packages the result: three times the rendition. Two are joined at a time. */
const JOIN_FACTOR = 3;
const JOINS_AT_ONCE = 2;
const AUDIO_BPS = 128_000;

export interface DiskNeedInput {
  readonly plan: EncodingPlan;
  readonly settings: RunSettings;
  readonly sourceBytes: number;
  /** Sizes of the run's pieces that are finished already, by name. */
  readonly done: ReadonlyMap<string, number>;
  /** Where media lie: on the disk that is asked about, or elsewhere, so that it only holds what is being worked with. */
  readonly keepsMedia: boolean;
}

/**
 * Bytes that a run may still write on the disk. An upper bound: renditions are counted with the cap of their bitrate, of
 * which films and camera clips take between 0.6 and 0.85.
 */
export function estimateDiskNeed(input: DiskNeedInput): number {
  const { plan, settings, sourceBytes, done, keepsMedia } = input;
  const isDone = (piece: Piece): boolean => done.has(piece.name);
  const unjoined = plan.renditions.filter(
    (rendition) => !isDone(renditionPiece(plan, rendition, settings)),
  );
  const isCopied = plan.conversion === 'copy' && !isDone(copyPiece(plan));
  const isIndexed = plan.needsIndex && unjoined.length > 0 && !isDone(indexedCopyPiece(plan));
  const copies = [isCopied, isIndexed].filter(Boolean).length * sourceBytes;
  if (unjoined.length === 0) return copies;
  const sizes = unjoined.map((rendition) => renditionBytes(plan, rendition));
  if (!keepsMedia)
    return Math.ceil(sourceBytes + copies + JOIN_FACTOR * sum(largest(sizes, JOINS_AT_ONCE)));
  const made = unjoined.flatMap((rendition) =>
    plan.chunks.map((chunk) => done.get(chunkPiece(plan, chunk, rendition, settings).name) ?? 0),
  );
  return Math.ceil(copies + Math.max(0, LOCAL_FACTOR * sum(sizes) - sum(made)));
}

/** Every piece that `estimateDiskNeed` asks about. */
export function countedPieces(plan: EncodingPlan, settings: RunSettings): readonly Piece[] {
  return [
    copyPiece(plan),
    indexedCopyPiece(plan),
    ...plan.renditions.flatMap((rendition) => [
      renditionPiece(plan, rendition, settings),
      ...plan.chunks.map((chunk) => chunkPiece(plan, chunk, rendition, settings)),
    ]),
  ];
}

function renditionBytes(
  { audio, durationSeconds }: EncodingPlan,
  { rateControl }: RenditionPlan,
): number {
  const pictureBps = rateControl.kind === 'abr' ? rateControl.bitrateBps : rateControl.maxrateBps;
  return ((pictureBps + (audio === null ? 0 : AUDIO_BPS)) / 8) * durationSeconds;
}

function largest(values: readonly number[], count: number): readonly number[] {
  return values.toSorted((a, b) => b - a).slice(0, count);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** For sentences: `1.4 GB`, in powers of 1000. */
export function formatBytes(bytes: number): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 9.95 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}
