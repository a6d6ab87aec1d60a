import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { expect } from '@jest/globals';
import { Hono } from 'hono';
import { type AppDeps, createApp } from '../../src/api/app.ts';
import type { AppEnv } from '../../src/api/app-env.ts';
import { createMediaSender } from '../../src/api/media/send.ts';
import { createMediaRoutes } from '../../src/api/routes/media.ts';
import { createPictureRoutes } from '../../src/api/routes/pictures.ts';
import { insertUser } from '../../src/db/users.ts';
import { insertVideo, type NewVideo } from '../../src/db/videos.ts';
import type { UserId, VideoId } from '../../src/domain/ids.ts';
import type { Role, Scope } from '../../src/domain/video.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { createDisk } from '../../src/storage/disk.ts';
import { createLocalStore } from '../../src/storage/local-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createApiKeyFor } from '../../src/usecases/api-keys.ts';
import { createAttemptLimiter } from '../../src/usecases/attempt-limiter.ts';
import { createMediaLibrary } from '../../src/usecases/find-media.ts';
import { createPictureLibrary } from '../../src/usecases/find-pictures.ts';
import { createStorageMigrations } from '../../src/usecases/migrate-storage.ts';
import { createOwnPosters } from '../../src/usecases/own-posters.ts';
import { createRecall } from '../../src/usecases/recall.ts';
import { createPasswords } from '../../src/usecases/passwords.ts';
import { createStorageReport } from '../../src/usecases/storage-report.ts';
import { getVideo } from '../../src/usecases/videos.ts';
import { scopesOf } from '../../src/usecases/viewer.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { KEEP_ALL } from './keep-all.ts';
import {
  createFakeStorageWorkflow,
  createFakeWorkflows,
  type FakeWorkflows,
} from './fake-workflows.ts';
import { PLAIN_UPLOAD } from './plain-upload.ts';

/** A user of a test, and a key that may do all that they may. */
export interface TestUser {
  readonly id: UserId;
  readonly email: string;
  readonly password: string;
  readonly key: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
  readonly body: any;
}

export interface AskOptions {
  readonly as?: TestUser | string | undefined;
  readonly json?: unknown;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
}

/** The whole application on a database and an empty store of its own; Temporal is a fake, the clock can be moved. */
export interface TestApi {
  readonly app: ReturnType<typeof createApp>;
  readonly db: TestDatabase;
  readonly workflows: FakeWorkflows;
  readonly store: ObjectStore;
  readonly deps: AppDeps;
  /** Log lines so far, parsed. An error among them fails the test in `close`. */
  readonly logLines: Record<string, unknown>[];
  readonly clock: { advanceSeconds(seconds: number): void };
  ask(method: string, path: string, options?: AskOptions): Promise<Answer>;
  addUser(role?: Role): Promise<TestUser>;
  addKey(user: TestUser, role: Role, scopes: readonly Scope[]): Promise<string>;
  addVideo(owner: TestUser, changes?: Partial<NewVideo>): Promise<VideoId>;
  close(): Promise<void>;
}

/** @param waitMs how long requests wait for pictures, which nobody makes here but the test */
export async function createTestApi(
  settings: Partial<AppDeps['settings']> = {},
  { waitMs = 300 }: { readonly waitMs?: number } = {},
): Promise<TestApi> {
  const db = await createTestDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'api-store-'));
  const store = await createLocalStore({ root: folder });
  const workflows = createFakeWorkflows();
  const logLines: Record<string, unknown>[] = [];
  let skewMs = 0;
  const now = (): Date => new Date(Date.now() + skewMs);
  const deps: AppDeps = {
    database: db.database,
    workflows,
    passwords: createPasswords(),
    logInLimiter: createAttemptLimiter(now),
    now,
    logger: createLogger({
      level: 'debug',
      format: 'json',
      name: 'api',
      destination: collect(logLines),
    }),
    readiness: {
      database: () => db.database.isReachable(),
      temporal: () => workflows.isReachable(),
      storage: () => Promise.resolve(true),
    },
    readStorageReport: createStorageReport({
      database: db.database,
      store,
      disks: [{ name: 'media', disk: createDisk({ folder }) }],
      space: undefined,
      memberQuotaBytes: undefined,
      graceSeconds: 3600,
      now,
    }),
    recall: createRecall({ keepMs: 0 }),
    storageMigrations: createStorageMigrations({
      database: db.database,
      workflow: createFakeStorageWorkflow(),
      stores: [{ name: 'local', place: 'local' }],
      oldVersionGraceSeconds: 0,
    }),
    uploadRoutes: new Hono<AppEnv>().post('/videos/upload', (c) => c.text('not under test', 201)),
    mediaRoutes: createMediaRoutes({
      library: createMediaLibrary({ database: db.database, store }),
      sender: createMediaSender(),
    }),
    pictureRoutes: createPictureRoutes({
      pictures: createPictureLibrary({ database: db.database, store, workflows, waitMs }),
      ownPosters: createOwnPosters({
        database: db.database,
        store,
        workflows,
        randomName: () => randomBytes(8).toString('hex'),
        waitMs,
      }),
      sender: createMediaSender(),
      presentVideo: (videoId, viewer) => getVideo({ database: db.database, now }, viewer, videoId),
    }),
    settings: {
      publicUrl: 'http://api.test',
      trustedProxies: [],
      allowSignUp: true,
      retention: KEEP_ALL,
      ...settings,
    },
  };
  const app = createApp(deps);
  const addKey: TestApi['addKey'] = async (user, role, scopes) => {
    const request = { name: 'test', scopes, expiresAt: null };
    return (await createApiKeyFor(deps, { id: user.id, role }, request)).key;
  };

  return {
    app,
    db,
    workflows,
    store,
    deps,
    logLines,
    clock: {
      advanceSeconds: (seconds) => {
        skewMs += seconds * 1000;
      },
    },
    addKey,
    ask: (method, path, options) => ask(app, method, path, options),
    async addUser(role = 'member') {
      const email = `${randomBytes(6).toString('hex')}@example.test`;
      const password = randomBytes(9).toString('hex');
      const passwordHash = await deps.passwords.hash(password);
      const id = await db.database.run((em) => insertUser(em, { email, passwordHash, role }));
      const user = { id, email, password, key: '' };
      return { ...user, key: await addKey(user, role, scopesOf(role)) };
    },
    async addVideo(owner, changes = {}) {
      const id = await db.database.run((em) => insertVideo(em, newVideo(owner.id, changes)));
      if (id === undefined) throw new Error('the video was there already');
      return id;
    },
    async close() {
      await db.drop();
      await rm(folder, { recursive: true });
      expect(logLines.filter((line) => Number(line['level']) >= ERROR_LEVEL)).toEqual([]);
    },
  };
}

/** pino's number for `error`. */
const ERROR_LEVEL = 50;

async function ask(
  app: TestApi['app'],
  method: string,
  path: string,
  { as, json, body, headers = {} }: AskOptions = {},
): Promise<Answer> {
  const key = typeof as === 'string' ? as : as?.key;
  const response = await app.request(`http://api.test${path}`, {
    method,
    headers: {
      ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
      ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  const isJson = response.headers.get('Content-Type')?.includes('json') === true;
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson && text !== '' ? JSON.parse(text) : undefined,
  };
}

/** Checks the shape of a problem document and names its code. */
export function problemCode(answer: Answer): string {
  expect(answer.headers.get('Content-Type')).toBe('application/problem+json');
  expect(answer.body).toMatchObject({
    type: `/problems/${answer.body.code}`,
    status: answer.status,
    title: expect.any(String),
    instance: expect.any(String),
    requestId: answer.headers.get('X-Request-Id'),
  });
  return answer.body.code;
}

/** The cookie that an answer sets, as a browser would send it back. */
export function sessionCookie(answer: Answer): string {
  const cookie = answer.headers.getSetCookie().find((each) => /^(__Host-)?session=/.test(each));
  if (cookie === undefined) throw new Error('the answer sets no session cookie');
  return cookie.split(';')[0] ?? '';
}

function newVideo(ownerId: number, changes: Partial<NewVideo>): NewVideo {
  return {
    ownerId,
    title: 'Holiday',
    ...PLAIN_UPLOAD,
    storedName: `${randomBytes(8).toString('hex')}.mov`,
    originalFileName: 'holiday.mov',
    originalContentType: 'video/quicktime',
    originalSizeBytes: 1000,
    originalSha256: 'a'.repeat(64),
    ...changes,
  };
}

function collect(lines: Record<string, unknown>[]): Writable {
  return new Writable({
    write(chunk, _encoding, done) {
      for (const line of String(chunk).split('\n')) if (line !== '') lines.push(JSON.parse(line));
      done();
    },
  });
}
