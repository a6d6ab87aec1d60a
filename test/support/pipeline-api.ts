import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { createApp } from '../../src/api/app.ts';
import type { AppEnv } from '../../src/api/app-env.ts';
import { createMediaSender, type MediaSenderOptions } from '../../src/api/media/send.ts';
import { createMediaRoutes } from '../../src/api/routes/media.ts';
import { createPictureRoutes } from '../../src/api/routes/pictures.ts';
import { configureUploadServer } from '../../src/api/routes/upload.ts';
import { createStorageWorkflow } from '../../src/temporal/storage-workflow.ts';
import { createApiKeyFor } from '../../src/usecases/api-keys.ts';
import { createAttemptLimiter } from '../../src/usecases/attempt-limiter.ts';
import { createMediaLibrary } from '../../src/usecases/find-media.ts';
import { createPictureLibrary } from '../../src/usecases/find-pictures.ts';
import { openSession } from '../../src/usecases/open-session.ts';
import { createStorageMigrations } from '../../src/usecases/migrate-storage.ts';
import { createOwnPosters } from '../../src/usecases/own-posters.ts';
import { createRecall } from '../../src/usecases/recall.ts';
import { createPasswords } from '../../src/usecases/passwords.ts';
import { getVideo } from '../../src/usecases/videos.ts';
import type { Pipeline } from './pipeline.ts';

/** The API before a pipeline, on a real socket: what the API asks for, the pipeline's workers make. */
export interface PipelineApi {
  readonly url: string;
  /** Of the owner of the pipeline's videos. */
  readonly key: string;
  /** The owner's, for browsers. */
  readonly cookie: { readonly name: string; readonly value: string; readonly url: string };
  /** As the owner of the pipeline's videos. */
  ask(method: string, path: string, body?: object | Uint8Array<ArrayBuffer>): Promise<ApiAnswer>;
  close(): Promise<void>;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
  readonly body: any;
}

export interface PipelineApiOptions extends MediaSenderOptions {
  /** How long requests wait for pictures. */
  readonly waitMs?: number;
  readonly mediaOrigins?: readonly string[];
}

export async function servePipeline(
  { deps: { database, workflows, store, stores, logger, settings }, client, ownerId }: Pipeline,
  { waitMs = 150_000, mediaOrigins = [], ...senderOptions }: PipelineApiOptions = {},
): Promise<PipelineApi> {
  const now = () => new Date();
  const shared = { database, workflows, passwords: createPasswords(), now };
  const sender = createMediaSender(senderOptions);
  const app = createApp({
    ...shared,
    logInLimiter: createAttemptLimiter(now),
    logger,
    readiness: {
      database: () => database.isReachable(),
      temporal: () => workflows.isReachable(),
      storage: () => Promise.resolve(true),
    },
    readStorageReport: () => Promise.reject(new Error('not under test')),
    recall: createRecall({ keepMs: 0 }),
    storageMigrations: createStorageMigrations({
      database,
      workflow: createStorageWorkflow(client),
      stores,
      oldVersionGraceSeconds: settings.oldVersionGraceSeconds,
    }),
    uploadRoutes: new Hono<AppEnv>(),
    mediaRoutes: createMediaRoutes({ library: createMediaLibrary({ database, store }), sender }),
    pictureRoutes: createPictureRoutes({
      pictures: createPictureLibrary({ database, store, workflows, waitMs }),
      ownPosters: createOwnPosters({
        database,
        store,
        workflows,
        randomName: () => randomBytes(8).toString('hex'),
        waitMs,
      }),
      sender,
      presentVideo: (videoId, viewer) => getVideo(shared, viewer, videoId),
    }),
    settings: {
      publicUrl: 'http://127.0.0.1',
      trustedProxies: [],
      allowSignUp: false,
      retention: settings,
      mediaOrigins,
    },
  });
  const owner = { id: ownerId, role: 'member' as const };
  const request = { name: 'test', scopes: ['read', 'write'] as const, expiresAt: null };
  const { key } = await createApiKeyFor({ database, now }, owner, request);
  const session = await database.run((em) =>
    openSession(em, {
      userId: ownerId,
      apiKeyId: null,
      kind: 'browser',
      now: now(),
      seconds: 3600,
    }),
  );
  const listener = getRequestListener(app.fetch);
  const server = createServer((incoming, outgoing) => void listener(incoming, outgoing));
  configureUploadServer(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    key,
    cookie: { name: 'session', value: session.token, url },
    async ask(method, path, body) {
      const isBytes = body instanceof Uint8Array;
      const response = await fetch(url + path, {
        method,
        headers: {
          Authorization: `Bearer ${key}`,
          ...(body === undefined || isBytes ? {} : { 'Content-Type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: isBytes ? body : JSON.stringify(body) }),
      });
      const bytes = Buffer.from(await response.arrayBuffer());
      const isJson = response.headers.get('Content-Type')?.includes('json') === true;
      return {
        status: response.status,
        headers: response.headers,
        bytes,
        body: isJson ? JSON.parse(bytes.toString()) : undefined,
      };
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
