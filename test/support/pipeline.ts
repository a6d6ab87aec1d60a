import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { createHash, randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { NativeConnection, Runtime, DefaultLogger } from '@temporalio/worker';
import type { ActivityDeps, ServerSettings } from '../../src/activities/deps.ts';
import { createEncoderAdmission } from '../../src/activities/encoder-admission.ts';
import { createActivities } from '../../src/activities/index.ts';
import { PROJECT_ROOT } from '../../src/config/env.ts';
import { insertUser } from '../../src/db/users.ts';
import { insertVideo, type NewVideo } from '../../src/db/videos.ts';
import type { UserId, VideoId } from '../../src/domain/ids.ts';
import { originalKey } from '../../src/domain/object-keys.ts';
import { createFfmpeg } from '../../src/media/ffmpeg.ts';
import { createScratchRoot } from '../../src/media/scratch.ts';
import { type ToolLauncher, unconfinedLauncher } from '../../src/media/tool-launcher.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { createDisk } from '../../src/storage/disk.ts';
import { createLocalStore } from '../../src/storage/local-store.ts';
import { openTemporalClient } from '../../src/temporal/client.ts';
import { ensureServerSide } from '../../src/temporal/ensure-server-side.ts';
import { createRunDescriptions } from '../../src/temporal/run-descriptions.ts';
import { createVideoWorkflows } from '../../src/temporal/video-workflows.ts';
import { createWorker } from '../../src/workers/create-worker.ts';
import { prepareWorkflowBundle } from '../../src/workers/workflow-bundle.ts';
import { RETENTION_SCHEDULE_ID } from '../../src/workflows/messages.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { KEEP_ALL } from './keep-all.ts';
import { createNamespace } from './namespace.ts';
import { PLAIN_UPLOAD } from './plain-upload.ts';
import { testTemporalAddress } from './services.ts';

/** The whole pipeline in this process: real database, real store, real Temporal in a namespace of its own, real ffmpeg. */
export interface Pipeline {
  readonly db: TestDatabase;
  readonly deps: ActivityDeps;
  readonly client: Client;
  /** Where all files of this pipeline lie; tools work below it. */
  readonly folder: string;
  readonly ownerId: UserId;
  /** Holds a copy of a file as an upload that waits for its run. */
  addVideo(file: string, changes?: Partial<NewVideo>): Promise<VideoId>;
  /** Adds a video and starts its run as an upload does. */
  submit(file: string, changes?: Partial<NewVideo>): Promise<VideoId>;
  /** Keys of all objects of a kind, as in `work`, or of everything. */
  keys(prefix?: string): Promise<readonly string[]>;
  /** Waits until `check` is true; fails when `seconds` have passed. */
  until(what: string, check: () => Promise<boolean>, seconds?: number): Promise<void>;
  /** Waits until the video has this status. Fails with what it is instead when `seconds` have passed. */
  waitForStatus(
    videoId: VideoId,
    status: string,
    seconds?: number,
  ): Promise<Record<string, unknown>>;
  /** As `waitForStatus`, without the pauses between tries. */
  hurryTo(videoId: VideoId, status: string): Promise<Record<string, unknown>>;
  /** Waits until no run of the video's own is open. The row tells the end a moment before: until then none can be started. */
  untilRunEnds(videoId: VideoId): Promise<void>;
  video(videoId: VideoId): Promise<Record<string, unknown>>;
  /** Ends the pauses of a workflow before it tries again what has failed; does nothing where there is none. */
  tryNow(workflowId: string): Promise<void>;
  close(): Promise<void>;
}

export interface PipelineOptions {
  /** Instead of the real one; see `writeStubFfmpeg`. */
  readonly ffmpegPath?: string;
  /** Default: no sandbox, so that stubs may leave notes where they like. */
  readonly launcher?: ToolLauncher;
  readonly settings?: Partial<ServerSettings>;
  /** Where the pipeline makes its folder; the system's folder for temporary files when left out. */
  readonly parent?: string;
  /** Default: none. */
  readonly diskMarginBytes?: number;
  readonly maxVideoProcessingTasks?: number;
  /** Puts other parts in the place of the real ones. */
  readonly replace?: (
    deps: ActivityDeps,
    db: TestDatabase,
  ) => Partial<ActivityDeps> | Promise<Partial<ActivityDeps>>;
}

export const TEST_SETTINGS: ServerSettings = {
  crf: 28,
  preset: 'ultrafast',
  onTruncated: 'fail',
  timeoutSeconds: 120,
  maxDurationSeconds: 3600,
  platformFaultPatienceSeconds: 3600,
  oldVersionGraceSeconds: 0,
  ...KEEP_ALL,
  reconcileGraceSeconds: 3600,
  lanes: 2,
  threads: 2,
  /** More than any test needs. */
  ffmpegMemoryMb: 8000,
  decodeCheck: 'smallest',
};

/** A Schedule goes by the clock: at a full hour it would meddle with what a test looks at. */
const NEVER_SECONDS = 100 * 365 * 86_400;
/** A bound against hanging, not a measure: a busy machine is slow. */
const PATIENCE_SECONDS = 150;

let hasRuntime = false;

export async function startPipeline(options: PipelineOptions = {}): Promise<Pipeline> {
  if (!hasRuntime)
    Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined), shutdownSignals: [] });
  hasRuntime = true;
  const folder = await mkdtemp(path.join(options.parent ?? tmpdir(), 'steadyreel-pipeline-'));
  const [db, namespace] = await Promise.all([createTestDatabase(), createNamespace()]);
  const address = testTemporalAddress();
  const client = openTemporalClient({ address, namespace });
  const logger = createLogger({
    level: process.env['TEST_LOG_LEVEL'] ?? 'silent',
    format: 'pretty',
    name: 'test',
  });
  const scratch = await createScratchRoot(path.join(folder, 'work'));
  const disk = createDisk({ folder, marginBytes: options.diskMarginBytes ?? 0 });
  const launcher = options.launcher ?? (await unconfinedLauncher());
  const settings: ServerSettings = { ...TEST_SETTINGS, ...options.settings };
  const store = await createLocalStore({ root: path.join(folder, 'media') });
  const real: ActivityDeps = {
    database: db.database,
    store,
    stores: [{ name: 'local', place: 'local', store }],
    workflows: createVideoWorkflows(client, PATIENCE_SECONDS * 1000),
    runDescriptions: createRunDescriptions(client),
    ffmpeg: await createFfmpeg({
      ffmpegPath: options.ffmpegPath ?? process.env['FFMPEG_PATH'] ?? '/usr/bin/ffmpeg',
      logger,
      launcher,
    }),
    encoders: createEncoderAdmission({ budgetMb: settings.ffmpegMemoryMb, cores: 2 }),
    ffprobePath: process.env['FFPROBE_PATH'] ?? '/usr/bin/ffprobe',
    launcher,
    scratch,
    disks: { outputs: disk, scratch: disk, keepsMedia: true },
    logger,
    settings,
  };
  const deps = { ...real, ...(await options.replace?.(real, db)) };
  await ensureServerSide(client, NEVER_SECONDS);
  // Three o'clock comes to every test.
  await client.schedule.getHandle(RETENTION_SCHEDULE_ID).pause();
  const connection = await NativeConnection.connect({ address });
  const bundlePath = await prepareWorkflowBundle(path.join(PROJECT_ROOT, '.cache'));
  const workers = await Promise.all(
    (['orchestration', 'intake', 'processing'] as const).map((queue) =>
      createWorker(queue, {
        connection,
        namespace,
        activities: createActivities(deps),
        bundlePath,
        maxVideoProcessingTasks: options.maxVideoProcessingTasks ?? 2,
        drainSeconds: 0,
        endMs: PATIENCE_SECONDS * 1000,
      }),
    ),
  );
  const running = Promise.all(workers.map((worker) => worker.run()));
  const ownerId = await db.database.transact((em) =>
    insertUser(em, {
      email: `owner-${randomBytes(4).toString('hex')}@example.org`,
      role: 'member',
      passwordHash: null,
    }),
  );

  const addVideo: Pipeline['addVideo'] = async (file, changes = {}) => {
    const storedName = `test-${randomBytes(6).toString('hex')}${path.extname(file)}`;
    await deps.store.put(originalKey(storedName), createReadStream(file));
    return db.database.transact(async (em) => {
      const id = await insertVideo(em, {
        ...PLAIN_UPLOAD,
        ...(await describeFile(file)),
        ownerId,
        storedName,
        ...changes,
      });
      if (id === undefined) throw new Error('the video was not inserted');
      return id;
    });
  };
  const video: Pipeline['video'] = async (videoId) => {
    const [row] = await db.sql('select * from videos where id = $1', [videoId]);
    if (row === undefined) throw new Error(`video ${videoId} is gone`);
    return row;
  };

  const until: Pipeline['until'] = async (what, check, seconds = PATIENCE_SECONDS) => {
    const deadline = performance.now() + seconds * 1000;
    while (!(await check())) {
      if (performance.now() > deadline) throw new Error(`waited ${seconds} s in vain: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };

  const tryNow: Pipeline['tryNow'] = async (workflowId) => {
    const execution = { workflowId };
    const { raw } = await client.workflow.getHandle(workflowId).describe();
    const paused = (raw.pendingActivities ?? []).filter(
      ({ state, attempt }) => state === SCHEDULED && Number(attempt) > 1,
    );
    for (const { activityId } of paused) {
      await client.workflowService
        .resetActivity({ namespace, execution, id: activityId ?? '' })
        .catch((error: unknown) => {
          if ((error as { code?: unknown }).code !== GRPC_NOT_FOUND) throw error;
        });
    }
  };

  async function waitForStatus(
    videoId: VideoId,
    wanted: { readonly status: string; readonly seconds: number; readonly isHurried?: boolean },
  ): Promise<Record<string, unknown>> {
    const deadline = performance.now() + wanted.seconds * 1000;
    for (;;) {
      const row = await video(videoId);
      const status = String(row['status']);
      if (status === wanted.status) return row;
      const isStuck =
        performance.now() > deadline || ['failed', 'cancelled', 'completed'].includes(status);
      if (isStuck)
        throw new Error(
          `video ${videoId} is ${status}, not ${wanted.status}: ${JSON.stringify(row['failure'])}`,
        );
      if (wanted.isHurried === true) await tryNow(`process-video-${videoId}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  return {
    until,
    async keys(prefix = '') {
      const keys: string[] = [];
      for await (const { key } of deps.store.list(`videos/${prefix}`)) keys.push(key);
      return keys;
    },
    db,
    deps,
    client,
    folder,
    ownerId,
    addVideo,
    video,
    tryNow,
    async submit(file, changes) {
      const id = await addVideo(file, changes);
      const isStarted = await deps.workflows.startUpload({
        id,
        ownerId,
        title: path.basename(file),
        priority: 'normal',
      });
      if (!isStarted) throw new Error('the run could not be started');
      return id;
    },
    waitForStatus: (videoId, status, seconds = PATIENCE_SECONDS) =>
      waitForStatus(videoId, { status, seconds }),
    hurryTo: (videoId, status) =>
      waitForStatus(videoId, { status, seconds: PATIENCE_SECONDS, isHurried: true }),
    async untilRunEnds(videoId) {
      const run = client.workflow.getHandle(`process-video-${videoId}`);
      await run.result().catch(() => undefined);
    },
    async close() {
      for (const worker of workers) worker.shutdown();
      await running;
      await connection.close();
      await client.connection.close();
      await db.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const GRPC_NOT_FOUND = 5;
/** An activity that waits, be it for a worker or for its next try (temporal/api/enums/v1/workflow.proto). */
const SCHEDULED = 1;

async function describeFile(file: string) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return {
    title: path.basename(file),
    originalFileName: path.basename(file),
    originalContentType: 'video/mp4',
    originalSizeBytes: (await stat(file)).size,
    originalSha256: hash.digest('hex'),
  };
}
