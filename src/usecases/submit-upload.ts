import { AppError } from '../domain/errors.ts';
import type { VideoId } from '../domain/ids.ts';
import { originalKey } from '../domain/object-keys.ts';
import { sanitizeFileName, storedName } from '../domain/stored-name.ts';
import type { Priority, Profile } from '../domain/video.ts';
import type { ObjectSink, ObjectStore } from '../storage/object-store.ts';
import { requireCategoryField } from './categories.ts';
import { findAllowance, quotaExceeded } from './quota.ts';
import {
  type RegisterUploadDeps,
  registerUpload,
  type UploadManifest,
  writeManifest,
} from './register-upload.ts';
import { type Container, SNIFF_BYTES, sniffContainer } from './sniff-container.ts';
import type { SpaceClaim, UploadSpace } from './upload-space.ts';
import type { Viewer } from './viewer.ts';

/**
 * An upload, from the first byte to the row.
 *
 *   1 bytes to an unfinished file, counted, hashed, sniffed   died here: swept at the next start
 *   2 synced and published under its own name                 died here: an original that nobody was promised
 *   3 manifest written and synced                             died here: recovery goes on with 4
 *   4 row `pending`                                           died here: recovery removes the manifest
 *   5 manifest removed                                        died here: reconcile starts the run
 *   6 run started, answer
 *
 * Nothing is ever visible half-written, and from 3 on nothing is lost, whether or not the caller heard of it.
 */
export interface SubmitUploadDeps extends RegisterUploadDeps {
  readonly store: ObjectStore;
  readonly maxUploadBytes: number;
  /** What the videos of one member may take; undefined: no limit. */
  readonly memberQuotaBytes?: number | undefined;
  /** Of the disk that uploads go to; undefined where they go to no disk. */
  readonly space: UploadSpace | undefined;
  readonly now: () => Date;
  /** Unguessable: lower-case letters and digits. */
  readonly randomName: () => string;
}

/** What the uploader tells about the video, already checked. */
export interface UploadDetails {
  /** Undefined: the file's name without its extension. */
  readonly title: string | undefined;
  readonly description: string;
  readonly categoryId: number | null;
  readonly tags: readonly string[];
  readonly profile: Profile;
  readonly priority: Priority;
  readonly thumbnailTimestamps: readonly number[] | null;
}

/** One upload under way. The caller ends it by `submit` or `abort`; calls come one after the other. */
export interface IncomingUpload {
  /**
   * @throws `upload-too-large`, `quota-exceeded`, `upload-not-a-video` (as soon as they are known), `disk-full`,
   *         `storage-unavailable`
   */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Keeps the file and makes the video. On an error before the manifest nothing is left.
   * @param fileName the uploader's, as it came
   * @throws `upload-file-empty`, `upload-not-a-video`, `validation-failed` (no such category), `quota-exceeded` (of several at
   *         once), `database-unavailable`
   */
  submit(fileName: string, details: UploadDetails): Promise<VideoId>;
  /** Throws away what arrived. Idempotent; nothing happens after `submit`. */
  abort(): Promise<void>;
}

export interface RequestLength {
  readonly bytes: number;
  /** At most so much of it is not the file. */
  readonly overheadBytes: number;
}

export interface SubmitUpload {
  /**
   * @param length  of the whole request, where it says so: nothing is refused for the little that a form adds to its file
   * @throws `quota-exceeded`, `disk-full`
   */
  receive(viewer: Viewer, length?: RequestLength): Promise<IncomingUpload>;
  /** Whether an upload of this process is between its manifest and its row. */
  isLive(storedName: string): boolean;
}

export function createSubmitUpload(deps: SubmitUploadDeps): SubmitUpload {
  const live = new Set<string>();
  return {
    receive: async (viewer, length) =>
      receiveUpload(deps, live, { viewer, ...(await admit(deps, viewer, length)) }),
    isLive: (name) => live.has(name),
  };
}

/** What an upload may take. */
interface Admission {
  /** The file is no longer than that. */
  readonly maxBytes: number;
  /** Of the member's quota; undefined where there is none. */
  readonly allowanceBytes: number | undefined;
  /** Undefined where uploads go to no disk. */
  readonly claim: SpaceClaim | undefined;
}

/** Before a byte has come. @throws `quota-exceeded`, `disk-full` */
async function admit(
  { database, maxUploadBytes, memberQuotaBytes, space }: SubmitUploadDeps,
  viewer: Viewer,
  length: RequestLength | undefined,
): Promise<Admission> {
  const allowanceBytes =
    memberQuotaBytes === undefined
      ? undefined
      : await database.run((em) => findAllowance(em, viewer, memberQuotaBytes));
  const leastBytes = length === undefined ? 1 : length.bytes - length.overheadBytes;
  if (memberQuotaBytes !== undefined && leastBytes > (allowanceBytes ?? leastBytes))
    throw quotaExceeded(memberQuotaBytes);
  const maxBytes = Math.min(length?.bytes ?? maxUploadBytes, maxUploadBytes);
  return { maxBytes, allowanceBytes, claim: await space?.open(length?.bytes) };
}

function receiveUpload(
  deps: SubmitUploadDeps,
  live: Set<string>,
  { viewer, maxBytes, allowanceBytes, claim }: Admission & { readonly viewer: Viewer },
): IncomingUpload {
  const { store, manifests, maxUploadBytes, memberQuotaBytes } = deps;
  let head: Uint8Array[] = [];
  let sizeBytes = 0;
  let opened:
    | { readonly name: string; readonly sink: ObjectSink; readonly container: Container }
    | undefined;

  /** Before this nothing has touched the disk. */
  const open = async () => {
    const bytes = Buffer.concat(head);
    head = [];
    const container = await sniffContainer(bytes.subarray(0, SNIFF_BYTES));
    if (container === undefined) throw new AppError('upload-not-a-video');
    const { contentType, extension } = container;
    const name = storedName(deps.now(), deps.randomName(), extension);
    const sink = await store.openSink(originalKey(name), { contentType, maxBytes });
    opened = { name, sink, container };
    await opened.sink.write(bytes);
    return opened;
  };

  /** Until the manifest is on disk the upload can still be taken back. */
  const keep = async (
    manifest: Omit<UploadManifest, 'originalSizeBytes' | 'originalSha256'>,
    sink: ObjectSink,
  ) => {
    const key = originalKey(manifest.storedName);
    const stored = await sink.commit();
    deps.crashPoint?.('original-stored');
    const whole = {
      ...manifest,
      originalSizeBytes: stored.sizeBytes,
      originalSha256: stored.sha256,
    };
    try {
      await manifests.write(manifest.storedName, writeManifest(whole));
    } catch (error) {
      await store.delete([key]);
      throw error;
    }
    deps.crashPoint?.('manifest-written');
    return whole;
  };

  /** Another upload of this member has entered its row meanwhile: nothing of this one stays. */
  const refused = async (name: string, error: unknown): Promise<never> => {
    if (!(error instanceof AppError) || error.code !== 'quota-exceeded') return keptForLater(error);
    await store.delete([originalKey(name)]);
    await manifests.remove(name);
    throw error;
  };

  return {
    async write(chunk) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxUploadBytes) throw tooLarge(maxUploadBytes);
      if (memberQuotaBytes !== undefined && sizeBytes > (allowanceBytes ?? sizeBytes))
        throw quotaExceeded(memberQuotaBytes);
      await claim?.take(chunk.length);
      if (opened !== undefined) return opened.sink.write(chunk);
      head.push(chunk.slice());
      if (sizeBytes >= SNIFF_BYTES) await open();
    },

    async submit(fileName, details) {
      if (sizeBytes === 0) throw new AppError('upload-file-empty');
      const { name, sink, container } = opened ?? (await open());
      const { categoryId } = details;
      if (categoryId !== null)
        await deps.database.run((em) => requireCategoryField(em, categoryId, 'category'));
      const createdAt = deps.now();
      const originalFileName = sanitizeFileName(fileName);
      live.add(name);
      try {
        const manifest = await keep(
          {
            ...details,
            ownerId: viewer.userId,
            title: details.title ?? withoutExtension(originalFileName),
            visibility: 'private',
            storedName: name,
            originalFileName,
            originalContentType: container.contentType,
            createdAt,
          },
          sink,
        );
        return await registerUpload(deps, manifest, memberQuotaBytes).catch((error: unknown) =>
          refused(name, error),
        );
      } finally {
        live.delete(name);
        claim?.close();
      }
    },

    async abort() {
      head = [];
      claim?.close();
      await opened?.sink.abort();
    },
  };
}

/** The same sentence wherever a size is refused. */
export function tooLarge(maxUploadBytes: number): AppError {
  return new AppError('upload-too-large', {
    detail: `This server takes files of up to ${maxUploadBytes} bytes.`,
    maxUploadBytes,
  });
}

function keptForLater(error: unknown): never {
  if (!(error instanceof AppError) || error.code !== 'database-unavailable') throw error;
  const detail =
    'The file arrived and is kept; the video appears once the database is back. There is no need to send it again.';
  throw new AppError('database-unavailable', { detail }, { cause: error });
}

function withoutExtension(fileName: string): string {
  return fileName.replace(/(?<=.)\.[^.]{1,9}$/u, '');
}
