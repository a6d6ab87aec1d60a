import { z } from 'zod';
import { findCategory } from '../db/categories.ts';
import type { Database } from '../db/database.ts';
import { findVideoIdByStoredName, insertVideo, type NewVideo } from '../db/videos.ts';
import type { JsonValue } from '../domain/errors.ts';
import type { VideoId } from '../domain/ids.ts';
import { PRIORITIES, PROFILES, VISIBILITIES } from '../domain/video.ts';
import type { Logger } from '../observability/logger.ts';
import type { ManifestFolder } from '../storage/manifest-folder.ts';
import type { VideoWorkflows } from '../temporal/video-workflows.ts';
import { requireQuota } from './quota.ts';

/** What a manifest says: everything that the row will. */
export type UploadManifest = NewVideo & { readonly createdAt: Date };

export interface RegisterUploadDeps {
  readonly database: Database;
  readonly manifests: ManifestFolder;
  readonly workflows: Pick<VideoWorkflows, 'startUpload'>;
  readonly logger: Logger;
  /** Called at named instants, so that a test can end the process there. */
  readonly crashPoint?: ((name: string) => void) | undefined;
}

/**
 * The second half of an upload, from the manifest on: row, manifest away, run. May be repeated from any point by anybody who
 * has the manifest; the row is made once.
 *
 * A run that cannot be started now is started later, and no reason to fail.
 * @param quotaBytes  of its owner; left out where the upload was promised to be kept
 * @throws `database-unavailable`; the manifest then stays. `quota-exceeded`; nothing was entered
 */
export async function registerUpload(
  deps: RegisterUploadDeps,
  manifest: UploadManifest,
  quotaBytes?: number,
): Promise<VideoId> {
  const { database, manifests, workflows, logger } = deps;
  const videoId = await database.transact(async (em) => {
    const { categoryId } = manifest;
    const isGone = categoryId !== null && (await findCategory(em, categoryId)) === undefined;
    const inserted = await insertVideo(em, isGone ? { ...manifest, categoryId: null } : manifest);
    if (inserted !== undefined && quotaBytes !== undefined)
      await requireQuota(em, manifest.ownerId, quotaBytes);
    return inserted ?? (await findVideoIdByStoredName(em, manifest.storedName));
  });
  if (videoId === undefined)
    throw new Error(`the row of ${manifest.storedName} was there and is not`);
  deps.crashPoint?.('row-inserted');

  try {
    await manifests.remove(manifest.storedName);
    deps.crashPoint?.('manifest-removed');
    const { ownerId, title, priority } = manifest;
    const started = await workflows.startUpload({ id: videoId, ownerId, title, priority });
    logger.info({ videoId, storedName: manifest.storedName, started }, 'upload registered');
  } catch (error) {
    // The video is in the database: what is left is done by recovery and reconcile.
    logger.error({ videoId, err: error }, 'upload registered, its run will be started later');
  }
  return videoId;
}

const manifestSchema = z.object({
  ownerId: z.int(),
  title: z.string(),
  description: z.string(),
  categoryId: z.int().nullable(),
  tags: z.array(z.string()),
  visibility: z.enum(VISIBILITIES),
  profile: z.enum(PROFILES),
  priority: z.enum(PRIORITIES),
  thumbnailTimestamps: z.array(z.number()).nullable(),
  storedName: z.string(),
  originalFileName: z.string(),
  originalContentType: z.string(),
  originalSizeBytes: z.int(),
  originalSha256: z.string(),
  createdAt: z.iso.datetime().transform((text) => new Date(text)),
});

/** As it is kept on disk. */
export function writeManifest(manifest: UploadManifest): { readonly [key: string]: JsonValue } {
  return { ...manifest, createdAt: manifest.createdAt.toISOString() };
}

/** Undefined for anything that `writeManifest` did not write. */
export function readManifest(content: JsonValue): UploadManifest | undefined {
  return manifestSchema.safeParse(content).data;
}
