import { randomBytes, randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import type { ActivityDeps, WorkDisks } from './activities/deps.ts';
import { createEncoderAdmission } from './activities/encoder-admission.ts';
import { type Config, PROJECT_ROOT } from './config/env.ts';
import type { SpacesConfig } from './config/spaces.ts';
import { createDatabase } from './db/database.ts';
import { openOrm } from './db/orm.ts';
import { AppError } from './domain/errors.ts';
import { usableMemoryBytes } from './host/usable-memory.ts';
import { createFfmpeg } from './media/ffmpeg.ts';
import { openSandbox } from './media/open-sandbox.ts';
import { createScratchRoot, type ScratchRoot } from './media/scratch.ts';
import type { ToolLauncher } from './media/tool-launcher.ts';
import { createLogger, type Logger } from './observability/logger.ts';
import { createDisk, isSameDisk } from './storage/disk.ts';
import { withFileCache } from './storage/file-cache.ts';
import { createLocalStore } from './storage/local-store.ts';
import { createManifestFolder } from './storage/manifest-folder.ts';
import type { ObjectStore } from './storage/object-store.ts';
import { openToPages } from './storage/open-to-pages.ts';
import { bucketAddress } from './storage/presign.ts';
import type { S3Store } from './storage/s3-store.ts';
import { startRetention } from './temporal/apply-retention.ts';
import { openTemporalClient } from './temporal/client.ts';
import { createRunDescriptions } from './temporal/run-descriptions.ts';
import { withLaterStarts } from './temporal/start-later.ts';
import { createVideoWorkflows } from './temporal/video-workflows.ts';
import { createAttemptLimiter } from './usecases/attempt-limiter.ts';
import type { UseCaseDeps } from './usecases/deps.ts';
import { ensureFirstAdmin } from './usecases/ensure-first-admin.ts';
import { createMediaLibrary, type MediaLibrary } from './usecases/find-media.ts';
import { createPictureLibrary, type PictureLibrary } from './usecases/find-pictures.ts';
import { createUserAdministration, type UserAdministration } from './usecases/manage-users.ts';
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

export async function composeWorker(config: Config): Promise<WorkerParts> {
  const logger = createLogger({ level: config.logLevel, format: config.logFormat, name: 'worker' });
  const scratch = await createScratchRoot(config.workDir);
  const launcher = await openLauncher(config, { scratch, logger });
  const database = createDatabase(await openOrm({ databaseUrl: config.databaseUrl }));
  const client = openTemporalClient({
    address: config.temporalAddress,
    namespace: config.temporalNamespace,
  });
  const opened = await openStore(config, logger);
  const cores = availableParallelism();
  const ffmpegMemoryMb =
    config.ffmpegMemoryMb ??
    Math.floor((usableMemoryBytes() / 1024 ** 2) * ENCODERS_SHARE_OF_MEMORY);
  logger.info({ ffmpegMemoryMb, cores }, 'memory and cores for encoders');
  const { store, disks } = await openWorkDisks(opened.store, config);
  const activityDeps: ActivityDeps = {
    database,
    store,
    disks,
    workflows: createVideoWorkflows(client),
    runDescriptions: createRunDescriptions(client),
    ffmpeg: await createFfmpeg({ ffmpegPath: config.ffmpegPath, logger, launcher }),
    encoders: createEncoderAdmission({ budgetMb: ffmpegMemoryMb, cores }),
    ffprobePath: config.ffprobePath,
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
  const workflows = withLaterStarts(
    createVideoWorkflows(
      openTemporalClient({ address: config.temporalAddress, namespace: config.temporalNamespace }),
    ),
  );
  const { store, allowPages, close: closeStore } = await openStore(config, logger);
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
      closeStore();
      await workflows.close();
      await database.close();
    },
  };
}

interface OpenedStore {
  readonly store: ObjectStore;
  /** Absent where no viewer is ever sent to the store. */
  readonly allowPages?: S3Store['allowPages'];
  close(): void;
}

async function openStore(config: Config, logger: Logger): Promise<OpenedStore> {
  if (config.spaces === undefined) {
    const idFile = path.join(config.dataDir, 'media-root-id');
    const store = await createLocalStore({ root: config.mediaRoot, idFile });
    return { store, close: () => undefined };
  }
  // 60 MB and a second, which a disk does not need.
  const { createS3Store } = await import('./storage/s3-store.ts');
  const store = createS3Store(config.spaces);
  void reportStorage(store, config.spaces, logger);
  return { store, allowPages: store.allowPages, close: store.close };
}

/** A store that cannot be reached is no reason not to start: it may come, and `/readyz` says so until then. */
async function reportStorage(
  store: ObjectStore,
  { endpoint, bucket, prefix }: SpacesConfig,
  logger: Logger,
): Promise<void> {
  try {
    await store.checkWritable();
    logger.info({ endpoint, bucket, prefix }, 'media lie in object storage');
  } catch (error) {
    const details = error instanceof AppError ? error.details : { err: error };
    logger.error(
      { endpoint, bucket, ...details },
      `object storage cannot be used: ${error instanceof Error ? error.message : 'unknown fault'}`,
    );
  }
}

/** The disks of this host that uploads and runs fill: that of the media, and that of the work where it is another. */
async function openDisks(config: Config): Promise<readonly ReportedDisk[]> {
  const { mediaRoot, workDir, diskMarginBytes: marginBytes } = config;
  const work = { name: 'work', disk: createDisk({ folder: workDir, marginBytes }) } as const;
  if (config.spaces !== undefined) return [work];
  const media = { name: 'media', disk: createDisk({ folder: mediaRoot, marginBytes }) } as const;
  return (await isSameDisk(mediaRoot, workDir)) ? [media] : [media, work];
}

/** The same for a worker. With object storage a cache stands in front of the store, and gives way where its disk is short. */
async function openWorkDisks(
  store: ObjectStore,
  config: Config,
): Promise<{ readonly store: ObjectStore; readonly disks: WorkDisks }> {
  const [outputs, scratch = outputs] = (await openDisks(config)).map(({ disk }) => disk);
  if (outputs === undefined || scratch === undefined) throw new Error('there is always a disk');
  const { sourceCacheDir, sourceCacheBytes: maxBytes, workDir, diskMarginBytes } = config;
  const keepsMedia = config.spaces === undefined;
  if (keepsMedia || maxBytes === 0) return { store, disks: { outputs, scratch, keepsMedia } };
  const cached = await withFileCache(store, { folder: sourceCacheDir, maxBytes, disk: scratch });
  const disk = createDisk({ folder: workDir, marginBytes: diskMarginBytes, kept: cached });
  return { store: cached, disks: { outputs: disk, scratch: disk, keepsMedia } };
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
