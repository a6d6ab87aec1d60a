import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import type { AppEnv } from '../../src/api/app-env.ts';
import { createApp } from '../../src/api/app.ts';
import { createMediaSender } from '../../src/api/media/send.ts';
import { createMediaRoutes } from '../../src/api/routes/media.ts';
import { configureUploadServer, createUploadRoutes } from '../../src/api/routes/upload.ts';
import { createDatabase } from '../../src/db/database.ts';
import { openOrm } from '../../src/db/orm.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { createDisk } from '../../src/storage/disk.ts';
import { createLocalStore } from '../../src/storage/local-store.ts';
import { createManifestFolder } from '../../src/storage/manifest-folder.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import type { S3Settings } from '../../src/storage/s3-clients.ts';
import { createS3Store } from '../../src/storage/s3-store.ts';
import { createAttemptLimiter } from '../../src/usecases/attempt-limiter.ts';
import { createMediaLibrary } from '../../src/usecases/find-media.ts';
import { createRecall } from '../../src/usecases/recall.ts';
import { createPasswords } from '../../src/usecases/passwords.ts';
import { createStorageMigrations } from '../../src/usecases/migrate-storage.ts';
import { recoverManifests, type RecoveryReport } from '../../src/usecases/recover-manifests.ts';
import { createSubmitUpload } from '../../src/usecases/submit-upload.ts';
import { createStorageReport } from '../../src/usecases/storage-report.ts';
import { createUploadSpace } from '../../src/usecases/upload-space.ts';
import { getVideo } from '../../src/usecases/videos.ts';
import { KEEP_ALL } from './keep-all.ts';
import {
  createFakeStorageWorkflow,
  createFakeWorkflows,
  type FakeWorkflows,
} from './fake-workflows.ts';

export interface UploadServerOptions {
  readonly databaseUrl: string;
  /** Media in `media/`, manifests in `process/`. */
  readonly folder: string;
  readonly maxUploadBytes?: number;
  readonly memberQuotaBytes?: number;
  /** Default: none. */
  readonly diskMarginBytes?: number;
  readonly graceSeconds?: number;
  readonly uploadStallMs?: number;
  readonly maxUploads?: number;
  readonly maxStreams?: number;
  readonly maxStreamsPerViewer?: number;
  readonly longestBodyMs?: number;
  readonly viewerStallMs?: number;
  /** Media there instead of in the folder. */
  readonly s3?: S3Settings;
  /** The process ends itself, as by SIGKILL, at this point. */
  readonly crashAt?: string | undefined;
  /** Called at the same points. */
  readonly onCrashPoint?: (name: string) => void;
}

/** The whole application behind a real socket, storing in a folder of the test; only Temporal is a fake. */
export interface UploadServer {
  readonly url: string;
  readonly port: number;
  readonly store: ObjectStore;
  readonly workflows: FakeWorkflows;
  recover(): Promise<RecoveryReport>;
  close(): Promise<void>;
}

export async function startUploadServer(options: UploadServerOptions): Promise<UploadServer> {
  const { databaseUrl, folder, maxUploadBytes = 5_000_000_000, crashAt } = options;
  const crashPoint = (name: string) => {
    options.onCrashPoint?.(name);
    if (name === crashAt) process.kill(process.pid, 'SIGKILL');
  };
  const database = createDatabase(await openOrm({ databaseUrl, poolSize: 4 }));
  const store =
    options.s3 === undefined
      ? await createLocalStore({ root: join(folder, 'media'), crashPoint })
      : createS3Store(options.s3);
  const manifests = createManifestFolder(join(folder, 'process'));
  const workflows = createFakeWorkflows();
  const logger = createLogger({ level: 'error', format: 'json', name: 'api' });
  const now = () => new Date();
  const shared = { database, store, manifests, workflows, logger, crashPoint, now };
  const disk = createDisk({ folder, marginBytes: options.diskMarginBytes ?? 0 });
  const space =
    options.s3 === undefined
      ? createUploadSpace({ database, disk, processName: randomUUID(), logger })
      : undefined;
  const uploads = createSubmitUpload({
    ...shared,
    maxUploadBytes,
    memberQuotaBytes: options.memberQuotaBytes,
    space,
    randomName: () => randomBytes(8).toString('hex'),
  });

  const longestBody =
    options.longestBodyMs === undefined ? {} : { longestBodyMs: options.longestBodyMs };
  const app = createApp({
    ...shared,
    passwords: createPasswords(),
    logInLimiter: createAttemptLimiter(now),
    readiness: {
      database: async () => true,
      temporal: async () => true,
      storage: async () => true,
    },
    readStorageReport: createStorageReport({
      database,
      store,
      disks: [{ name: 'media', disk }],
      space,
      memberQuotaBytes: options.memberQuotaBytes,
      graceSeconds: options.graceSeconds ?? 3600,
      now,
    }),
    recall: createRecall({ keepMs: 0 }),
    storageMigrations: createStorageMigrations({
      database,
      workflow: createFakeStorageWorkflow(),
      stores: [],
      oldVersionGraceSeconds: 0,
    }),
    settings: {
      publicUrl: 'http://127.0.0.1',
      trustedProxies: [],
      allowSignUp: false,
      retention: KEEP_ALL,
      ...longestBody,
    },
    uploadRoutes: createUploadRoutes({
      uploads,
      maxUploadBytes,
      defaultProfile: 'ladder',
      presentVideo: (videoId, viewer) => getVideo(shared, viewer, videoId),
      ...(options.uploadStallMs === undefined ? {} : { stallMs: options.uploadStallMs }),
      ...(options.maxUploads === undefined ? {} : { maxPerViewer: options.maxUploads }),
    }),
    pictureRoutes: new Hono<AppEnv>(),
    mediaRoutes: createMediaRoutes({
      library: createMediaLibrary({ database, store }),
      sender: createMediaSender({
        ...(options.maxStreams === undefined ? {} : { maxStreams: options.maxStreams }),
        ...(options.maxStreamsPerViewer === undefined
          ? {}
          : { maxPerViewer: options.maxStreamsPerViewer }),
        ...(options.viewerStallMs === undefined ? {} : { stallMs: options.viewerStallMs }),
      }),
    }),
  });
  const listener = getRequestListener(app.fetch);
  const server = createServer((incoming, outgoing) => void listener(incoming, outgoing));
  configureUploadServer(server);
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    store,
    workflows,
    recover: () => recoverManifests({ ...shared, uploads }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await database.close();
    },
  };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Run as a program: the options as one JSON argument; writes its port on a line. */
if (import.meta.main) {
  const server = await startUploadServer(
    JSON.parse(process.argv[2] ?? '{}') as UploadServerOptions,
  );
  process.stdout.write(`${server.port}\n`);
}
