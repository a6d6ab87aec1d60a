import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { ActivityDeps } from '../../src/activities/deps.ts';
import { PROJECT_ROOT } from '../../src/config/env.ts';
import { addWish } from '../../src/db/picture-wishes.ts';
import { AppError } from '../../src/domain/errors.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { startRetention } from '../../src/temporal/apply-retention.ts';
import type { ReconcileInput } from '../../src/domain/reconcile-input.ts';
import { MIGRATION_WORKFLOW_ID } from '../../src/domain/storage-migration.ts';
import { createLocalStore } from '../../src/storage/local-store.ts';
import { createStorageWorkflow } from '../../src/temporal/storage-workflow.ts';
import { TASK_QUEUES, WORKFLOW_TYPES } from '../../src/workflows/messages.ts';
import { ReconcileVideos } from '../../src/workflows/reconcile-videos.ts';
import { makeClip, runTool } from './make-clip.ts';
import { type Pipeline, type PipelineOptions, startPipeline } from './pipeline.ts';
import { findProcesses } from './processes.ts';
import startServices from './start-services.ts';
import stopServices from './stop-services.ts';
import { writeStubFfmpeg } from './stub-ffmpeg.ts';

/**
 * Records the history of every kind of ending from real runs, for the replay test: `npm run record-histories`, or some of them by the
 * names of their scenarios: `npm run record-histories -- plain slow`.
 *
 * The files are never edited by hand. Record before a workflow is changed; afterwards the old ones must still replay.
 */
const FOLDER = path.join(import.meta.dirname, '../fixtures/histories');
const WANTED = process.argv.slice(2);

await mkdir(FOLDER, { recursive: true });
const clips = await mkdtemp(path.join(tmpdir(), 'steadyreel-clips-'));
await startServices();
try {
  const short = await makeClip(path.join(clips, 'short.mp4'), { seconds: 1 });
  const long = await makeClip(path.join(clips, 'long.mp4'), {
    widthPx: 1920,
    heightPx: 1080,
    seconds: 60,
    audio: false,
  });
  const sound = path.join(clips, 'sound.m4a');
  await runTool('ffmpeg', ['-f', 'lavfi', '-i', 'sine=d=1', '-c:a', 'aac', sound]);

  await record('plain', {}, async (pipeline, keep) => {
    const id = await pipeline.submit(short);
    await keep('completed', `process-video-${id}`);

    const video = { id, ownerId: pipeline.ownerId, title: 'again', priority: 'normal' } as const;
    await pipeline.deps.workflows.startRun(video, { profile: '720p' });
    await keep('reprocessed', `process-video-${id}`);

    await pipeline.db.database.run((em) => addWish(em, id, 'poster', 0));
    await pipeline.deps.workflows.startPictures(video);
    await keep('pictures', `make-pictures-${id}`);

    const { runId } = await pipeline.client.workflow.getHandle(`process-video-${id}`).describe();
    await pipeline.client.workflowService.resetWorkflowExecution({
      namespace: pipeline.client.options.namespace,
      workflowExecution: { workflowId: `process-video-${id}`, runId },
      reason: 'recording',
      workflowTaskFinishEventId: 10 as never,
      requestId: 'recording',
    });
    await keep('reset', `process-video-${id}`);

    const refused = await pipeline.submit(sound);
    await keep('failed-source', `process-video-${refused}`);

    await pipeline.db.sql('update videos set deleted_at = now() where id = $1', [id]);
    await pipeline.deps.workflows.startDelete(id);
    await keep('deleted', `delete-video-${id}`);
  });
  await record('reconcile', {}, async (pipeline, keep) => {
    const hourAgo = new Date(Date.now() - 3600_000);
    for (let count = 0; count < 3; count += 1)
      await pipeline.addVideo(short, { createdAt: hourAgo });
    const reconcile = (workflowId: string, input: ReconcileInput) =>
      pipeline.client.workflow.start(ReconcileVideos, {
        taskQueue: TASK_QUEUES.orchestration,
        workflowId,
        args: [input],
      });
    const first = await reconcile('reconcile-pages', { pageSize: 2, pagesPerRun: 4 });
    await keep('reconcile-continued', 'reconcile-pages', first.firstExecutionRunId);
    await reconcile('reconcile-videos', {});
    await keep('reconciled', 'reconcile-videos');
  });
  let isHasty = true;
  const impatient = ({ ffmpeg }: ActivityDeps): Partial<ActivityDeps> => ({
    ffmpeg: {
      ...ffmpeg,
      run(command, limits) {
        const isEncode = command.outputs.some(({ options }) => options.includes('libx264'));
        const fails = isEncode && isHasty;
        return fails
          ? Promise.reject(new AppError('processing-timeout'))
          : ffmpeg.run(command, limits);
      },
    },
  });
  await record('asked', { replace: impatient }, async (pipeline, keep) => {
    const id = await pipeline.submit(short);
    const video = { id, ownerId: pipeline.ownerId, title: 'asked', priority: 'normal' } as const;
    await pipeline.waitForStatus(id, 'failed');
    await pipeline.client.workflow
      .getHandle(`process-video-${id}`)
      .result()
      .catch(() => undefined);
    isHasty = false;
    await pipeline.deps.workflows.startRun(video, { timeoutSeconds: 3600, skip: ['360p'] });
    await keep('continued', `process-video-${id}`);
    await pipeline.deps.workflows.startRun(video, { from: 'ladder', renditions: ['240p'] });
    await keep('reprocessed-from', `process-video-${id}`);
  });
  const failing = await writeStubFfmpeg(clips, 'exit 1');
  await record('failing', { ffmpegPath: failing }, async (pipeline, keep) => {
    await keep('failed-encoder', `process-video-${await pipeline.submit(short)}`);
  });
  const withoutStore = ({ store }: ActivityDeps): Partial<ActivityDeps> => ({
    store: { ...store, fetchToFile: () => Promise.reject(new AppError('storage-unavailable')) },
  });
  await record(
    'storeless',
    { settings: { platformFaultPatienceSeconds: 0 }, replace: withoutStore },
    async (pipeline, keep) => {
      await keep('failed-platform', `process-video-${await pipeline.submit(short)}`);
    },
  );
  await record('unkept', { settings: { keepOriginal: false } }, async (pipeline, keep) => {
    const id = await pipeline.submit(short, { profile: '720p' });
    await keep('original-replaced', `process-video-${id}`);
    const { workflowId } = await startRetention(pipeline.client);
    await keep('retention', workflowId);
  });
  await record('slow', { settings: { preset: 'slow' } }, async (pipeline, keep) => {
    const id = await pipeline.submit(long);
    await encoding(pipeline, id);
    const busy = await pipeline.client.workflow.start(WORKFLOW_TYPES.processVideo, {
      taskQueue: TASK_QUEUES.orchestration,
      workflowId: 'second',
      args: [{ videoId: id }],
    });
    await keep('busy', busy.workflowId);
    await pipeline.client.workflow.getHandle(`process-video-${id}`).cancel();
    await keep('cancelled', `process-video-${id}`);
  });
  await record(
    'hasty',
    { settings: { preset: 'slow', timeoutSeconds: 1 } },
    async (pipeline, keep) => {
      await keep('failed-timeout', `process-video-${await pipeline.submit(long)}`);
    },
  );
  const killing = await writeStubFfmpeg(
    clips,
    'case " $* " in *" -threads:v 1 "*) exec ffmpeg "$@" ;; esac; kill -9 $$',
  );
  await record('killing', { ffmpegPath: killing }, async (pipeline, keep) => {
    await keep('one-thread', `process-video-${await pipeline.submit(short)}`);
  });
  const bucket = await createLocalStore({ root: path.join(clips, 'bucket') });
  const places = { name: 'spaces', place: 'a bucket', store: bucket } as const;
  const twoStores: PipelineOptions = {
    replace: ({ stores }) => ({ stores: [...stores, places] }),
  };
  await record('moving', twoStores, async (pipeline, keep) => {
    const workflow = createStorageWorkflow(pipeline.client);
    const stateIs = (state: string) =>
      pipeline.until(`it is ${state}`, async () => {
        const [row] = await pipeline.db.sql(
          'select state from storage_migrations order by id desc limit 1',
        );
        return row?.['state'] === state;
      });
    await pipeline.addVideo(long);
    // Slow enough to be met in the middle.
    const move = { from: 'local', to: 'spaces', bytesPerSecond: 1_000_000 } as const;
    await workflow.start(move);
    await stateIs('moving');
    await workflow.cancel();
    await keep('migration-cancelled', MIGRATION_WORKFLOW_ID);

    await workflow.start(move);
    await stateIs('moving');
    await workflow.pause();
    await stateIs('paused');
    await workflow.resume();
    await keep('migrated', MIGRATION_WORKFLOW_ID);
  });
} finally {
  await stopServices();
  await rm(clips, { recursive: true, force: true });
}

/** @param runId the latest one if left out */
type Keep = (name: string, workflowId: string, runId?: string) => Promise<void>;

async function record(
  what: string,
  options: PipelineOptions,
  scenario: (pipeline: Pipeline, keep: Keep) => Promise<void>,
): Promise<void> {
  if (WANTED.length > 0 && !WANTED.includes(what)) return;
  const pipeline = await startPipeline(options);
  try {
    await scenario(pipeline, async (name, workflowId, runId) => {
      const handle = pipeline.client.workflow.getHandle(workflowId, runId);
      await handle.result().catch(() => undefined);
      // Stack traces name where this checkout lies; that is nobody's business and changes nothing in a replay.
      const history = historyToJSON(await handle.fetchHistory()).replaceAll(PROJECT_ROOT, '.');
      const file = path.join(FOLDER, `${name}.json`);
      await writeFile(
        file,
        `${JSON.stringify({ workflowId, history: JSON.parse(history) }, null, 1)}\n`,
      );
      process.stdout.write(`${what}: ${name}\n`);
    });
  } finally {
    await pipeline.close();
  }
}

async function encoding(pipeline: Pipeline, id: VideoId): Promise<void> {
  await pipeline.until(`video ${id} is being encoded`, async () => {
    return (await findProcesses(`${pipeline.folder}/work`, 'libx264')).length > 0;
  });
}
