import { createHash } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { writeFully } from './durable-files.ts';
import { ignoreMissing } from './incoming-folder.ts';
import type { StoredObject } from './object-store.ts';

/** Small writes are gathered, so that a form parser's crumbs do not become system calls. */
const WRITE_BUFFER_BYTES = 256 * 1024;

/** An unfinished file that counts and hashes what goes into it. */
export interface FileSink {
  readonly path: string;
  write(chunk: Uint8Array): Promise<void>;
  /** Ends writing; the bytes survive a power cut. */
  finish(): Promise<StoredObject>;
  /** Closes and removes the file. Idempotent. */
  discard(): Promise<void>;
}

export async function openFileSink(path: string): Promise<FileSink> {
  const file: FileHandle = await open(path, 'wx', 0o640);
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafeSlow(WRITE_BUFFER_BYTES);
  let filled = 0;
  let sizeBytes = 0;
  let isClosed = false;

  const flush = async () => {
    const bytes = buffer.subarray(0, filled);
    filled = 0;
    await writeFully(file, bytes);
  };
  const close = async () => {
    if (isClosed) return;
    isClosed = true;
    await file.close();
  };

  return {
    path,

    async write(chunk) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      for (let taken = 0; taken < chunk.length;) {
        const part = chunk.subarray(taken, taken + buffer.length - filled);
        buffer.set(part, filled);
        filled += part.length;
        taken += part.length;
        if (filled === buffer.length) await flush();
      }
    },

    async finish() {
      await flush();
      await file.sync();
      await close();
      return { sizeBytes, sha256: hash.digest('hex') };
    },

    async discard() {
      await close();
      await unlink(path).catch(ignoreMissing);
    },
  };
}
