import { randomBytes, randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import type { ActivityDeps, WorkDisks } from './activities/deps.ts';
import { createEncoderAdmission } from './activities/encoder-admission.ts';
import { createObjectRows } from './composition/object-rows.ts';
import { openStores } from './composition/open-stores.ts';
import { type Config, ConfigError, PROJECT_ROOT } from './config/env.ts';
import { createDatabase } from './db/database.ts';
import { openOrm } from './db/orm.ts';
import { usableMemoryBytes } from './host/usable-memory.ts';
import { createFfmpeg } from './media/ffmpeg.ts';
import { isFfprobe } from './media/ffprobe.ts';
import { openSandbox } from './media/open-sandbox.ts';
import { createScratchRoot, type ScratchRoot } from './media/scratch.ts';
import type { ToolLauncher } from './media/tool-launcher.ts';
import type { StoreName } from './domain/storage-migration.ts';
import { createLogger, type Logger } from './observability/logger.ts';
import { createDisk, isSameDisk, type KeptFiles } from './storage/disk.ts';
import { withFileCache } from './storage/file-cache.ts';
import { createManifestFolder } from './storage/manifest-folder.ts';
import type { ObjectStore } from './storage/object-store.ts';
import { openToPages } from './storage/open-to-pages.ts';
import { bucketAddress } from './storage/presign.ts';
import type { ObjectRows } from './storage/save-objects.ts';
import { startRetention } from './temporal/apply-retention.ts';
import { openTemporalClient } from './temporal/client.ts';
import { createRunDescriptions } from './temporal/run-descriptions.ts';
import { withLaterStarts } from './temporal/start-later.ts';
import { createStorageWorkflow } from './temporal/storage-workflow.ts';
import { createVideoWorkflows } from './temporal/video-workflows.ts';
import { createAttemptLimiter } from './usecases/attempt-limiter.ts';
import type { UseCaseDeps } from './usecases/deps.ts';
import { ensureFirstAdmin } from './usecases/ensure-first-admin.ts';
import { createMediaLibrary, type MediaLibrary } from './usecases/find-media.ts';
import { createPictureLibrary, type PictureLibrary } from './usecases/find-pictures.ts';
import { createUserAdministration, type UserAdministration } from './usecases/manage-users.ts';
import { createStorageMigrations, type StorageMigrations } from './usecases/migrate-storage.ts';
import { createOwnPosters, type OwnPosters } from './usecases/own-posters.ts';
import { createPasswords } from './usecases/passwords.ts';
import { createRecall, type Recall } from './usecases/recall.ts';
import { recallMedia } from './usecases/recall-media.ts';
import { recoverManifests, type RecoveryReport } from './usecases/recover-manifests.ts';
import { lookAtRetention, type RetentionPreview } from './usecases/retention.ts';
import { createSubmitUpload, type SubmitUpload } from './usecases/submit-upload.ts';
import {
  createStorageReport,
  type ReadStorageReport,
  type ReportedDisk,
} from './usecases/storage-report.ts';
import { createUploadSpace } from './usecases/upload-space.ts';

/** From settings to real adapters. Only the mains come here. */

/** What a worker process works with. */
export interface WorkerParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly client: Client;
  readonly activityDeps: ActivityDeps;
  /** Absolute; for what can be made again. */
  readonly cacheDir: string;
  close(): Promise<void>;
}

/** Of what this process may use: on 2 GB the rest is for the database, Temporal, the API and the worker itself. */
const ENCODERS_SHARE_OF_MEMORY = 0.4;

/** @throws ConfigError where FFPROBE_PATH is another program */
export async function composeWorker(config: Config): Promise<WorkerParts> {
  const logger = createLogger({ level: config.logLevel, format: config.logFormat, name: 'worker' });
  const { ffprobePath } = config;
  if (!(await isFfprobe(ffprobePath)))
    throw new ConfigError([`${ffprobePath} is not an ffprobe: correct FFPROBE_PATH.`]);
  const scratch = await createScratchRoot(config.workDir);
  const launcher = await openLauncher(config, { scratch, logger });
  const database = createDatabase(await openOrm({ databaseUrl: config.databaseUrl }));
  const client = openTemporalClient({
    address: config.temporalAddress,
    namespace: config.temporalNamespace,
  });
  const caches = createBucketCaches(config);
  const opened = await openStores(config, { logger, database, inFront: caches.keep });
  const cores = availableParallelism();
  const ffmpegMemoryMb =
    config.ffmpegMemoryMb ??
    Math.floor((usableMemoryBytes() / 1024 ** 2) * ENCODERS_SHARE_OF_MEMORY);
  logger.info({ ffmpegMemoryMb, cores }, 'memory and cores for encoders');
  const activityDeps: ActivityDeps = {
    database,
    store: opened.store,
    stores: opened.stores,
    disks: await openWorkDisks(config, caches.kept),
    workflows: createVideoWorkflows(client),
    runDescriptions: createRunDescriptions(client),
    ffmpeg: await createFfmpeg({ ffmpegPath: config.ffmpegPath, logger, launcher }),
    encoders: createEncoderAdmission({ budgetMb: ffmpegMemoryMb, cores }),
    ffprobePath,
    launcher,
    scratch,
    logger,
    settings: {
      crf: config.videoCrf,
      preset: config.videoPreset,
      onTruncated: config.onTruncated,
      timeoutSeconds: config.videoProcessingTimeoutSeconds,
      maxDurationSeconds: config.maxVideoDurationSeconds,
      platformFaultPatienceSeconds: config.platformFaultPatienceSeconds,
      oldVersionGraceSeconds: config.oldVersionGraceSeconds,
      ...config.retention,
      reconcileGraceSeconds: config.reconcileGraceSeconds,
      lanes: config.maxVideoProcessingTasks,
      ffmpegMemoryMb,
      threads: Math.max(1, Math.floor(cores / config.maxVideoProcessingTasks)),
      decodeCheck: config.decodeCheck,
    },
  };
  return {
    config,
    logger,
    client,
    activityDeps,
    cacheDir: path.join(PROJECT_ROOT, '.cache'),
    async close() {
      await scratch.remove();
      opened.close();
      await client.connection.close();
      await database.close();
    },
  };
}

/** Tries the sandbox and says what came of it. */
async function openLauncher(
  config: Config,
  { scratch, logger }: { scratch: ScratchRoot; logger: Logger },
): Promise<ToolLauncher> {
  const { ffmpegPath, ffprobePath, sandbox: mode } = config;
  const { withScratch } = scratch;
  try {
    const opened = await openSandbox({ mode, ffmpegPath, ffprobePath, withScratch });
    const { launcher, shortcoming } = opened;
    const fields = { sandbox: launcher.sandbox };
    if (shortcoming !== undefined)
      logger.warn({ ...fields, reason: shortcoming }, SANDBOX_WORDS[launcher.sandbox]);
    else logger.info(fields, SANDBOX_WORDS[launcher.sandbox]);
    return launcher;
  } catch (error) {
    await scratch.remove();
    throw error;
  }
}

const SANDBOX_WORDS = {
  bubblewrap: 'ffmpeg and ffprobe are shut in: no network, no files but their own',
  'no-network': 'ffmpeg and ffprobe have no network, but can read what this process can',
  none: 'ffmpeg and ffprobe are not shut in: only their flags and limits guard against hostile files',
} as const;

/** A seek takes well under a second once there is a slot; browsers and people wait that long. */
const PICTURE_WAIT_MS = 10_000;

/** What another process has changed, a viewer's rights among it, is seen after this; what this one has changed, at once. */
const RECALL_MS = 1_000;

/** What the API process works with. */
export interface ApiParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly useCases: UseCaseDeps;
  readonly uploads: SubmitUpload;
  readonly library: MediaLibrary;
  readonly recall: Recall;
  readonly pictures: PictureLibrary;
  readonly ownPosters: OwnPosters;
  /** `https://host` of what viewers are sent on to. */
  readonly mediaOrigins: readonly string[];
  readonly storageMigrations: StorageMigrations;
  /** Each answers whether it works, or throws. */
  readonly readiness: {
    readonly database: () => Promise<boolean>;
    readonly temporal: () => Promise<boolean>;
    readonly storage: () => Promise<boolean>;
  };
  readonly readStorageReport: ReadStorageReport;
  ensureFirstAdmin(): Promise<void>;
  recoverManifests(): Promise<RecoveryReport>;
  close(): Promise<void>;
}

export async function composeApi(config: Config): Promise<ApiParts> {
  const logger = createLogger({ level: config.logLevel, format: config.logFormat, name: 'api' });
  const database = createDatabase(await openOrm({ databaseUrl: config.databaseUrl }));
  const client = openTemporalClient({
    address: config.temporalAddress,
    namespace: config.temporalNamespace,
  });
  const workflows = withLaterStarts(createVideoWorkflows(client));
  const {
    store,
    stores,
    allowPages,
    close: closeStores,
  } = await openStores(config, { logger, database });
  if (config.viewerMode === 'redirect')
    void openToPages(allowPages, new URL(config.publicUrl).origin, logger);
  const now = () => new Date();
  const recall = createRecall({ keepMs: RECALL_MS });
  const passwords = createPasswords();
  const manifests = createManifestFolder(config.processDir);
  const registration = { database, manifests, workflows, logger };
  const disks = await openDisks(config);
  // Nothing of an upload lies on a disk of ours where media lie in object storage.
  const media = disks.find(({ name }) => name === 'media');
  const space =
    media && createUploadSpace({ database, disk: media.disk, processName: randomUUID(), logger });
  const uploads = createSubmitUpload({
    ...registration,
    store,
    maxUploadBytes: config.maxUploadBytes,
    memberQuotaBytes: config.memberQuotaBytes,
    space,
    now,
    randomName: () => randomBytes(8).toString('hex'),
  });
  return {
    config,
    logger,
    useCases: { database, workflows, passwords, logInLimiter: createAttemptLimiter(now), now },
    uploads,
    library: recallMedia(createMediaLibrary({ database, store }), recall),
    recall,
    pictures: createPictureLibrary({ database, store, workflows, waitMs: PICTURE_WAIT_MS }),
    ownPosters: createOwnPosters({
      database,
      store,
      workflows,
      randomName: () => randomBytes(12).toString('hex'),
      waitMs: PICTURE_WAIT_MS,
    }),
    mediaOrigins:
      config.viewerMode === 'redirect' && config.spaces !== undefined
        ? [new URL(bucketAddress(config.spaces)).origin]
        : [],
    storageMigrations: createStorageMigrations({
      database,
      workflow: createStorageWorkflow(client),
      stores: stores.map(({ name, place }) => ({ name, place })),
      oldVersionGraceSeconds: config.oldVersionGraceSeconds,
    }),
    readiness: {
      database: () => database.isReachable(),
      temporal: () => workflows.isReachable(),
      storage: async () => {
        await store.checkWritable();
        return true;
      },
    },
    readStorageReport: createStorageReport({
      database,
      store,
      disks,
      space,
      memberQuotaBytes: config.memberQuotaBytes,
      graceSeconds: config.reconcileGraceSeconds,
      now,
    }),
    ensureFirstAdmin: () => ensureFirstAdmin({ ...config, database, passwords }),
    recoverManifests: () => recoverManifests({ ...registration, store, uploads, now }),
    async close() {
      closeStores();
      await workflows.close();
      await database.close();
    },
  };
}

/** The disks of this host that uploads and runs fill: that of the media, and that of the work where it is another. */
async function openDisks(config: Config): Promise<readonly ReportedDisk[]> {
  const { mediaRoot, workDir, diskMarginBytes: marginBytes } = config;
  const work = { name: 'work', disk: createDisk({ folder: workDir, marginBytes }) } as const;
  if (config.spaces !== undefined) return [work];
  const media = { name: 'media', disk: createDisk({ folder: mediaRoot, marginBytes }) } as const;
  return (await isSameDisk(mediaRoot, workDir)) ? [media] : [media, work];
}

/** What a worker keeps of buckets on its disk. */
interface BucketCaches {
  /** Puts a cache in front of a bucket. */
  keep(name: StoreName, bucket: ObjectStore): Promise<ObjectStore>;
  readonly kept: KeptFiles;
}

function createBucketCaches(config: Config): BucketCaches {
  const { sourceCacheDir, sourceCacheBytes: maxBytes, workDir, diskMarginBytes } = config;
  const disk = createDisk({ folder: workDir, marginBytes: diskMarginBytes });
  const caches: KeptFiles[] = [];
  return {
    async keep(name, bucket) {
      if (maxBytes === 0) return bucket;
      const folder = name === 'old-spaces' ? `${sourceCacheDir}-old` : sourceCacheDir;
      const cached = await withFileCache(bucket, { folder, maxBytes, disk });
      caches.push(cached);
      return cached;
    },
    kept: {
      keptBytes: () => caches.reduce((sum, cache) => sum + cache.keptBytes(), 0),
      async giveWay(bytes) {
        for (const cache of caches) await cache.giveWay(bytes);
      },
    },
  };
}

/** The same for a worker. Where media lie in object storage, what is kept of them gives way where the disk is short. */
async function openWorkDisks(config: Config, kept: KeptFiles): Promise<WorkDisks> {
  const [outputs, scratch = outputs] = (await openDisks(config)).map(({ disk }) => disk);
  if (outputs === undefined || scratch === undefined) throw new Error('there is always a disk');
  if (config.spaces === undefined) return { outputs, scratch, keepsMedia: true };
  const { workDir: folder, diskMarginBytes: marginBytes } = config;
  const disk = createDisk({ folder, marginBytes, kept });
  return { outputs: disk, scratch: disk, keepsMedia: false };
}

/** What the command about retention works with. */
export async function composeRetention(config: Config): Promise<{
  look(page: { readonly afterId: number; readonly limit: number }): Promise<RetentionPreview>;
  start(): ReturnType<typeof startRetention>;
  close(): Promise<void>;
}> {
  const database = createDatabase(await openOrm({ databaseUrl: config.databaseUrl, poolSize: 1 }));
  const client = openTemporalClient({
    address: config.temporalAddress,
    namespace: config.temporalNamespace,
  });
  const deps = { database, now: () => new Date(), retention: config.retention };
  return {
    look: (page) => lookAtRetention(deps, page),
    start: () => startRetention(client),
    async close() {
      await client.connection.close();
      await database.close();
    },
  };
}

/** What the backup command works with: everything that is stored, wherever it lies, and what the database says of it. */
export async function composeBackup(
  config: Config,
): Promise<{ readonly store: ObjectStore; readonly rows: ObjectRows; close(): Promise<void> }> {
  const logger = createLogger({ level: 'warn', format: config.logFormat, name: 'backup' });
  const database = createDatabase(await openOrm({ databaseUrl: config.databaseUrl, poolSize: 1 }));
  const stores = await openStores(config, { logger, database });
  return {
    store: stores.store,
    rows: createObjectRows(database),
    async close() {
      stores.close();
      await database.close();
    },
  };
}

/** What commands about users work with. */
export async function composeUserAdministration(
  databaseUrl: string,
): Promise<{ readonly users: UserAdministration; close(): Promise<void> }> {
  const database = createDatabase(await openOrm({ databaseUrl, poolSize: 1 }));
  const users = createUserAdministration({
    database,
    passwords: createPasswords(),
    now: () => new Date(),
  });
  return { users, close: () => database.close() };
}
