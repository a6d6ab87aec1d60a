import type { IncomingMessage } from 'node:http';
import {
  Busboy,
  type BusboyFileStream,
  type BusboyHeaders,
  type BusboyInstance,
} from '@fastify/busboy';
import { AppError } from '../../domain/errors.ts';

/** What a form said apart from its file's bytes. */
export interface UploadForm {
  /** As the uploader named it; may be empty. */
  readonly fileName: string;
  readonly fields: ReadonlyMap<string, string>;
}

export interface ReadUploadOptions {
  /** Takes the file's bytes, in order, one call at a time; while it works the sender is held back. */
  readonly write: (chunk: Uint8Array) => Promise<void>;
  /** Longest time without a byte from the sender. */
  readonly stallMs: number;
}

const LIMITS = {
  files: 1,
  fields: 20,
  parts: 25,
  fieldSize: 64 * 1024,
  headerPairs: 100,
  headerSize: 16 * 1024,
};

/**
 * Reads a `multipart/form-data` body with one file, fields before or after it, without holding more of it than one chunk.
 *
 * On an error nothing more is read and no `write` is under way; the request itself is left alone, so that an answer can still
 * reach a sender that is in the middle of its body.
 * @throws `upload-content-type`, `unreadable-request`, `upload-file-missing`, `upload-too-many-files`, `upload-interrupted`,
 *         `upload-stalled`, `validation-failed` (a field that is too long or given twice), and what `write` throws
 */
export async function readUploadForm(
  incoming: IncomingMessage,
  options: ReadUploadOptions,
): Promise<UploadForm> {
  const parser = openParser(incoming);
  const fields = new Map<string, string>();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let file:
    | { readonly name: string; readonly stream: BusboyFileStream; readonly done: Promise<void> }
    | undefined;

  parser.on('file', (_field, stream, fileName) => {
    stream.on('error', () => undefined);
    const done = consume(stream, options.write, watch);
    done.catch(reject);
    file = { name: fileName ?? '', stream, done };
  });
  parser.on('field', (name, value, _nameTruncated, isTruncated) => {
    if (isTruncated) reject(fieldError(name, `May be at most ${LIMITS.fieldSize} bytes long`));
    else if (fields.has(name)) reject(fieldError(name, 'Is given twice'));
    else fields.set(name, value);
  });
  parser.on('filesLimit', () => reject(new AppError('upload-too-many-files')));
  parser.on('fieldsLimit', () => reject(unreadable('The form has too many fields.')));
  parser.on('partsLimit', () => reject(unreadable('The form has too many parts.')));
  parser.on('error', (error) =>
    reject(unreadable('The form ends too early or is malformed.', error)),
  );
  parser.on('finish', () => resolve(file?.done));

  const watch = watchProgress(options.stallMs, () => reject(new AppError('upload-stalled')));
  const stopFeeding = feed(incoming, parser, { onBytes: watch.touch, onError: reject });
  try {
    await promise;
  } catch (error) {
    file?.stream.destroy();
    await file?.done.catch(() => undefined);
    throw error;
  } finally {
    watch.stop();
    stopFeeding();
  }
  if (file === undefined) throw new AppError('upload-file-missing');
  return { fileName: file.name, fields };
}

function openParser(incoming: IncomingMessage): BusboyInstance {
  const type = incoming.headers['content-type'] ?? '';
  if (!/^multipart\/form-data\s*(;|$)/i.test(type)) throw new AppError('upload-content-type');
  try {
    return new Busboy({ headers: incoming.headers as BusboyHeaders, limits: LIMITS });
  } catch (error) {
    throw unreadable('The content type names no boundary.', error);
  }
}

/** Hands the body to the parser, as fast as that takes it. @returns stops, with the body paused where it is */
function feed(
  incoming: IncomingMessage,
  parser: BusboyInstance,
  { onBytes, onError }: { onBytes: () => void; onError: (error: unknown) => void },
): () => void {
  const onData = (chunk: Buffer) => {
    onBytes();
    try {
      if (!parser.write(chunk)) incoming.pause();
    } catch (error) {
      onError(unreadable('The form is malformed.', error));
    }
  };
  const onDrain = () => void incoming.resume();
  const onEnd = () => void parser.end();
  const onClose = () => {
    if (!incoming.complete) onError(new AppError('upload-interrupted'));
  };
  // Stays: without a listener a connection that breaks after the answer would end the process.
  incoming.on('error', onClose);
  incoming.on('data', onData).on('end', onEnd).on('close', onClose);
  parser.on('drain', onDrain);
  if (incoming.destroyed) onClose();
  return () => {
    incoming.off('data', onData).off('end', onEnd).off('close', onClose);
    parser.off('drain', onDrain);
    incoming.pause();
  };
}

async function consume(
  stream: BusboyFileStream,
  write: ReadUploadOptions['write'],
  watch: ProgressWatch,
): Promise<void> {
  for await (const chunk of stream) {
    watch.hold();
    try {
      await write(chunk as Buffer);
    } finally {
      watch.release();
    }
  }
}

interface ProgressWatch {
  touch(): void;
  /** Our own side is slow now: that is not the sender's fault. */
  hold(): void;
  release(): void;
  stop(): void;
}

function watchProgress(stallMs: number, onStall: () => void): ProgressWatch {
  let isHeld = false;
  const timer = setTimeout(() => (isHeld ? timer.refresh() : onStall()), stallMs);
  return {
    touch: () => void timer.refresh(),
    hold: () => {
      isHeld = true;
    },
    release: () => {
      isHeld = false;
      timer.refresh();
    },
    stop: () => clearTimeout(timer),
  };
}

function fieldError(path: string, message: string): AppError {
  return new AppError('validation-failed', { errors: [{ path: path.slice(0, 100), message }] });
}

function unreadable(detail: string, cause?: unknown): AppError {
  return new AppError('unreadable-request', { detail }, { cause });
}
