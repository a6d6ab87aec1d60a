import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { AppError } from '../domain/errors.ts';
import { giveBuffer, LARGE_CHUNK_BYTES, takeBuffer } from './buffer-pool.ts';
import type { ByteRange } from './object-store.ts';

/** A reader that is this slow with one chunk gets small ones again, so that many stalled ones hold little memory. */
const SLOW_READER_MS = 1_000;
/** Small chunks before the first large one: short ranges never need more. */
const SMALL_CHUNKS_FIRST = 4;

/**
 * Reads a range of a file, opened with the first chunk and closed whatever happens. Buffers are reused: a chunk is valid until
 * the next is asked for.
 * @throws `storage-object-missing` when the file ends inside the range; raw system errors
 */
export async function* readFileRange(
  path: string,
  range: ByteRange | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void> {
  signal?.throwIfAborted();
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  let buffer = takeBuffer('small');
  try {
    let position = range?.start ?? 0;
    const end = range?.end ?? (await file.stat()).size - 1;
    for (let chunks = 1; position <= end; chunks += 1) {
      const bytes = await readSome(file, buffer, { position, end });
      signal?.throwIfAborted();
      position += bytes;
      const givenAt = performance.now();
      yield buffer.subarray(0, bytes);
      signal?.throwIfAborted();
      const isSlow = performance.now() - givenAt > SLOW_READER_MS;
      buffer = resize(buffer, !isSlow && chunks >= SMALL_CHUNKS_FIRST ? 'large' : 'small');
    }
  } finally {
    giveBuffer(buffer);
    await file.close();
  }
}

async function readSome(
  file: FileHandle,
  buffer: Buffer,
  { position, end }: { position: number; end: number },
) {
  const { bytesRead } = await file.read(
    buffer,
    0,
    Math.min(buffer.length, end - position + 1),
    position,
  );
  if (bytesRead === 0)
    throw new AppError('storage-object-missing', { reason: 'the file ends too early' });
  return bytesRead;
}

function resize(buffer: Buffer, wanted: 'small' | 'large'): Buffer {
  if ((buffer.length === LARGE_CHUNK_BYTES) === (wanted === 'large')) return buffer;
  giveBuffer(buffer);
  return takeBuffer(wanted);
}
