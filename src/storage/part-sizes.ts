/**
 * Sizes of the parts in which a large object is stored.
 *
 * S3 takes at most 10,000 parts, each of at least 5 MiB but the last. Parts are held in memory, so they start small: 8 MiB are
 * enough for 78 GiB of known length. Where the length is not known they double from time to time, which makes 10,000 parts enough
 * for 2.4 TiB; the first 10 GiB go in parts of 8 MiB.
 * Source: Amazon S3 multipart upload limits.
 */
const MIB = 1024 ** 2;
const MOST_PARTS = 10_000;
const PARTS_PER_SIZE = 1_250;

/** Of the first parts. */
export const PART_BYTES = 8 * MIB;

/**
 * @param partNumber from 1
 * @param sizeBytes of the whole; undefined where it is not known
 */
export function partSize(
  partNumber: number,
  sizeBytes: number | undefined,
  smallest = PART_BYTES,
): number {
  if (sizeBytes === undefined) return smallest * 2 ** Math.floor((partNumber - 1) / PARTS_PER_SIZE);
  return Math.max(smallest, Math.ceil(sizeBytes / MOST_PARTS / MIB) * MIB);
}
