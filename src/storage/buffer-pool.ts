/** Chunk sizes of readers: everybody starts small, a reader that keeps up gets a large one while there are any. */
const SMALL_CHUNK_BYTES = 64 * 1024;
export const LARGE_CHUNK_BYTES = 512 * 1024;

/** At most 16 MiB of large buffers, whatever the number of readers. */
const MOST_LARGE = 32;
const MOST_IDLE_SMALL = 64;

const idle: { small: Buffer[]; large: Buffer[] } = { small: [], large: [] };
let largeInUse = 0;

/**
 * Buffers that are used again: fresh pages for every chunk cost more than the copying itself.
 * @returns a small buffer where large ones are used up
 */
export function takeBuffer(wanted: 'small' | 'large'): Buffer {
  if (wanted === 'large' && largeInUse < MOST_LARGE) {
    largeInUse += 1;
    return idle.large.pop() ?? Buffer.allocUnsafeSlow(LARGE_CHUNK_BYTES);
  }
  return idle.small.pop() ?? Buffer.allocUnsafeSlow(SMALL_CHUNK_BYTES);
}

/** Gives a buffer back; the caller holds no view of it any more. */
export function giveBuffer(buffer: Buffer): void {
  if (buffer.length === LARGE_CHUNK_BYTES) {
    largeInUse -= 1;
    idle.large.push(buffer);
  } else if (idle.small.length < MOST_IDLE_SMALL) {
    idle.small.push(buffer);
  }
}
