import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { giveBuffer, takeBuffer } from './buffer-pool.ts';
import type { StoredObject } from './object-store.ts';

/**
 * Size and SHA-256 of a regular file, which is synced to disk on the way.
 * @throws raw system errors; EINVAL for what is no regular file, ELOOP for a symbolic link
 */
export async function hashFile(path: string, signal?: AbortSignal): Promise<StoredObject> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  const buffer = takeBuffer('large');
  try {
    if (!(await file.stat()).isFile())
      throw Object.assign(new Error(`${path} is no file`), { code: 'EINVAL' });
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, buffer.length, sizeBytes);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      sizeBytes += bytesRead;
    }
    await file.sync();
    return { sizeBytes, sha256: hash.digest('hex') };
  } finally {
    giveBuffer(buffer);
    await file.close();
  }
}
