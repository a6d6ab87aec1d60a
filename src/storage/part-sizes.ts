/**
 * Sizes of the parts in which a large object is stored.
 *
 * S3 takes at most 10,000 parts, each of at least 5 MiB but the last. Parts are held in memory, so they are as small as the most
 * that may come allows: 8 MiB are enough for 78 GiB.
 * Source: Amazon S3 multipart upload limits.
 */
const MIB = 1024 ** 2;
const MOST_PARTS = 10_000;

/** Of objects up to 78 GiB. */
export const PART_BYTES = 8 * MIB;

/**
 * @param maxBytes the object's size, or a bound of it; undefined: it will not be over 78 GiB
 */
export function partSize(maxBytes = 0, smallest = PART_BYTES): number {
  return Math.max(smallest, Math.ceil(maxBytes / MOST_PARTS / MIB) * MIB);
}
