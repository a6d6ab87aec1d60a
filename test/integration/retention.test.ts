import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ServerSettings } from '../../src/activities/deps.ts';
import { AppError } from '../../src/domain/errors.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import type { RetentionReport, RetentionSettings } from '../../src/domain/retention.ts';
import { startRetention } from '../../src/temporal/apply-retention.ts';
import { lookAtRetention } from '../../src/usecases/retention.ts';
import { TASK_QUEUES, WORKFLOW_TYPES } from '../../src/workflows/messages.ts';
import { KEEP_ALL } from '../support/keep-all.ts';
import { makeClip, runTool } from '../support/make-clip.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';
import { type PipelineApi, servePipeline } from '../support/pipeline-api.ts';
import { findProcesses } from '../support/processes.ts';
import { writeSlowFfmpeg } from '../support/stub-ffmpeg.ts';

const DESIGN = { profile: '720p' } as const;

describe('what is not kept', () => {
  let pipeline: Pipeline;
  let api: PipelineApi;
  let clips: string;
  let phone: string;
  /** As the server is set up at the moment. */
  let settings: RetentionSettings & Partial<ServerSettings>;
  /** What the store refuses to do. */
  let refused: 'checksum' | 'delete' | undefined;

  beforeAll(async () => {
    clips = await mkdtemp(path.join(tmpdir(), 'steadyreel-clips-'));
    phone = await makeClip(path.join(clips, 'phone.mp4'), { framesPerSecond: 10, seconds: 1 });
    pipeline = await startPipeline({
      // Of a long clip an encode is still running when one looks.
      ffmpegPath: await writeSlowFfmpeg(clips, 2),
      replace: ({ settings: others, store }) => ({
        settings: new Proxy(others, {
          get: (real, name) => Reflect.get({ ...real, ...settings }, name) as unknown,
        }),
        store: {
          ...store,
          checksum: (...input) => unlessRefused('checksum', () => store.checksum(...input)),
          delete: (keys) =>
            keys.some((key) => key.startsWith('videos/original/'))
              ? unlessRefused('delete', () => store.delete(keys))
              : store.delete(keys),
        },
      }),
    });
    api = await servePipeline(pipeline);
  });

  afterAll(async () => {
    await api.close();
    await pipeline.close();
    await rm(clips, { recursive: true, force: true });
  });

  beforeEach(() => {
    settings = { ...KEEP_ALL, keepOriginal: false };
    refused = undefined;
  });

  async function unlessRefused<T>(what: typeof refused, work: () => Promise<T>): Promise<T> {
    if (refused === what) throw new AppError('storage-unavailable');
    return work();
  }

  async function complete(file: string, changes: object = {}): Promise<VideoId> {
    const id = await pipeline.submit(file, changes);
    await pipeline.client.workflow.getHandle(`process-video-${id}`).result();
    return id;
  }

  async function reprocess(id: VideoId): Promise<void> {
    const video = { id, ownerId: pipeline.ownerId, title: 'again', priority: 'normal' } as const;
    const run = await pipeline.deps.workflows.startRun(video, {});
    await pipeline.client.workflow.getHandle(run.workflowId, run.runId).result();
  }

  /** Not by its Schedule, which starts none while the one before it is at work. */
  async function reconcile(): Promise<void> {
    await pipeline.client.workflow.execute(WORKFLOW_TYPES.reconcileVideos, {
      taskQueue: TASK_QUEUES.orchestration,
      workflowId: `reconcile-${Math.random()}`,
    });
    const sql = 'select 1 from video_streams where retired_at is not null limit 1';
    expect(await pipeline.db.sql(sql)).toEqual([]);
  }

  async function apply(): Promise<RetentionReport> {
    return (await startRetention(pipeline.client)).result();
  }

  async function originalOf(id: VideoId): Promise<{ row: unknown; isStored: boolean }> {
    const row = await pipeline.video(id);
    const key = `videos/original/${String(row['stored_name'])}`;
    return {
      row: row['original_available'],
      isStored: (await pipeline.deps.store.stat(key)) !== undefined,
    };
  }

  const streamsOf = (id: VideoId) =>
    pipeline.db.sql(
      `select output, object_key, sha256 from video_streams
        where video_id = $1 and retired_at is null order by output`,
      [id],
    );

  const KEPT = { row: true, isStored: true };
  const GONE = { row: false, isStored: false };

  it('leaves one file of a 720p upload, tells so, and goes on from it without ever losing it', async () => {
    const id = await complete(phone, DESIGN);
    const { original_sha256: sha256 } = await pipeline.video(id);
    expect(await originalOf(id)).toEqual(GONE);
    const first = await streamsOf(id);
    expect(first.map(({ output }) => output)).toEqual(['360p', 'compressed', 'processed']);
    expect(new Set(first.map((stream) => stream['sha256'])).size).toBe(1);
    const files = first.map(({ object_key: key }) =>
      stat(path.join(pipeline.folder, 'media', String(key))),
    );
    expect(new Set((await Promise.all(files)).map(({ ino }) => ino)).size).toBe(1);

    const view = await api.ask('GET', `/videos/${id}`);
    expect(view.body).toMatchObject({ warnings: [], original: { sha256, available: false } });
    const gone = await api.ask('GET', `/videos/stream/${id}/original/`);
    expect(gone).toMatchObject({
      status: 410,
      body: { code: 'original-not-kept', available: ['360p', 'compressed', 'processed'] },
    });
    const before = await api.ask('GET', `/videos/stream/${id}/processed/`);
    expect(before.status).toBe(200);

    for (const version of [2, 3]) {
      await reprocess(id);
      await reconcile();
      const again = await api.ask('GET', `/videos/${id}`);
      expect(again.body).toMatchObject({
        version,
        status: 'completed',
        warnings: [{ code: 'made-from-processed' }],
        plan: { warnings: [{ code: 'made-from-processed' }] },
        streams: [{ quality: '360p', widthPx: 640, heightPx: 360 }],
      });
      const processed = await api.ask('GET', `/videos/stream/${id}/processed/`);
      expect(processed.bytes.equals(before.bytes)).toBe(true);
      // What is there as it is wanted is not encoded again, which would only make it worse.
      const hashes = (await streamsOf(id)).map((stream) => stream['sha256']);
      expect(new Set(hashes)).toEqual(new Set([first[0]?.['sha256']]));
    }
    const sources = await pipeline.db.sql(
      `select source from video_runs where video_id = $1 order by id`,
      [id],
    );
    const key = first.find(({ output }) => output === 'processed')?.['object_key'];
    expect(sources).toMatchObject([
      { source: { kind: 'original', sha256 } },
      { source: { kind: 'processed', objectKey: key } },
      { source: { kind: 'processed', objectKey: key } },
    ]);
  });

  it('keeps the processed version of a ladder: a copy, or the very bytes of an MP4', async () => {
    const movie = await makeClip(path.join(clips, 'movie.mov'), {
      seconds: 1,
      options: ['-c:a', 'pcm_s16le'],
    });
    const copied = await complete(movie);
    expect(await originalOf(copied)).toEqual(GONE);

    const id = await complete(phone);
    expect(await originalOf(id)).toEqual({ row: false, isStored: true });
    const { original_sha256: sha256 } = await pipeline.video(id);
    expect(await streamsOf(id)).toContainEqual(
      expect.objectContaining({ output: 'processed', sha256 }),
    );
    // Nothing would be gained, and nothing is left to do.
    expect(await apply()).toMatchObject({ originalsReplaced: 0, leftoversRemoved: 0 });
    await reprocess(id);
    await reconcile();
    expect(await streamsOf(id)).toContainEqual(
      expect.objectContaining({ output: 'processed', sha256 }),
    );
    expect((await api.ask('GET', `/videos/stream/${id}/processed/`)).status).toBe(200);
  });

  it('never removes the original of a run that failed or was cancelled', async () => {
    const sound = path.join(clips, 'sound.m4a');
    await runTool('ffmpeg', ['-f', 'lavfi', '-i', 'sine=d=1', '-c:a', 'aac', sound]);
    const failed = await pipeline.submit(sound, DESIGN);
    await pipeline.waitForStatus(failed, 'failed');
    const long = await makeClip(path.join(clips, 'long.mp4'), {
      ...{ widthPx: 320, heightPx: 180, framesPerSecond: 5, seconds: 60, audio: false },
    });
    const cancelled = await pipeline.submit(long, DESIGN);
    await pipeline.until(
      'an encode is running',
      async () => (await findProcesses(`${pipeline.folder}/work`, 'libx264')).length > 0,
    );
    expect(await originalOf(cancelled)).toEqual(KEPT);
    await pipeline.client.workflow.getHandle(`process-video-${cancelled}`).cancel();
    await pipeline.waitForStatus(cancelled, 'cancelled');
    expect(await apply()).toMatchObject({ originalsReplaced: 0, originalsFailed: 0 });
    expect(await originalOf(failed)).toEqual(KEPT);
    expect(await originalOf(cancelled)).toEqual(KEPT);
  });

  it.each([
    ['before the row gives it up', 'checksum', KEPT, { originalsReplaced: 1 }],
    [
      'before its object is gone',
      'delete',
      { row: false, isStored: true },
      { leftoversRemoved: 1 },
    ],
  ] as const)(
    'finishes a removal that was cut short %s',
    async (_when, step, between, finished) => {
      refused = step;
      const id = await pipeline.submit(phone, DESIGN);
      await pipeline.waitForStatus(id, 'completed');
      const run = pipeline.client.workflow.getHandle(`process-video-${id}`);
      await pipeline.until('the removal was tried', async () => {
        const pending = (await run.describe()).raw.pendingActivities ?? [];
        return pending.some(({ attempt }) => (attempt ?? 0) > 1);
      });
      await run.terminate('killed');
      expect(await originalOf(id)).toEqual(between);
      refused = undefined;
      expect(await apply()).toMatchObject(finished);
      expect(await originalOf(id)).toEqual(GONE);
      expect(await apply()).toMatchObject({ originalsReplaced: 0, leftoversRemoved: 0 });
    },
  );

  it('resets a run whose original has gone since, to any of its points', async () => {
    const id = await complete(phone, DESIGN);
    const handle = pipeline.client.workflow.getHandle(`process-video-${id}`);
    const { runId } = await handle.describe();
    const { events } = await handle.fetchHistory();
    const points = (events ?? [])
      .filter((event) => event.workflowTaskCompletedEventAttributes)
      .map((event) => Number(event.eventId));
    // The last time nothing of what was made is left, either.
    for (const [point, isForgotten] of [
      [points.at(-2), false],
      [points[0], false],
      [points[2], true],
    ] as const) {
      if (isForgotten) await pipeline.db.sql('delete from pieces where video_id = $1', [id]);
      const answer = await pipeline.client.workflowService.resetWorkflowExecution({
        namespace: pipeline.client.options.namespace,
        workflowExecution: { workflowId: handle.workflowId, runId },
        reason: 'test',
        workflowTaskFinishEventId: (point ?? 0) as never,
        requestId: `${id}-${point}`,
      });
      const again = pipeline.client.workflow.getHandle(handle.workflowId, answer.runId ?? '');
      expect(await again.result()).toMatchObject({ outcome: 'published' });
      for (const stream of await streamsOf(id))
        expect(await pipeline.deps.store.stat(String(stream['object_key']))).toBeDefined();
    }
  });

  it('keeps the original where the processed version is not what was checked', async () => {
    settings = KEEP_ALL;
    const id = await complete(phone, DESIGN);
    settings = { ...KEEP_ALL, keepOriginalDays: 0 };
    const { sha256 } = (await streamsOf(id))[0] ?? {};
    const alter = (hash: unknown) =>
      pipeline.db.sql(`update video_streams set sha256 = $2 where video_id = $1`, [id, hash]);
    await alter('0'.repeat(64));
    expect(await apply()).toMatchObject({ originalsReplaced: 0, originalsFailed: 1 });
    expect(await originalOf(id)).toEqual(KEPT);
    await alter(sha256);
    expect(await apply()).toMatchObject({ originalsReplaced: 1, originalsFailed: 0 });
    expect(await originalOf(id)).toEqual(GONE);
  });

  it('goes by days, shows beforehand what goes, and lets a run keep what it reads', async () => {
    settings = KEEP_ALL;
    const [fresh, old, busy, ancient] = await Promise.all([
      pipeline.addVideo(phone),
      complete(phone, DESIGN),
      pipeline.addVideo(phone),
      pipeline.addVideo(phone),
    ]);
    await pipeline.db.sql(
      `update videos set status = 'completed', version = 1, completed_at = now() where id in ($1, $2)`,
      [fresh, busy],
    );
    await pipeline.db.sql(
      `update videos set completed_at = completed_at - interval '31 days' where id in ($1, $2)`,
      [old, busy],
    );
    await pipeline.db.sql(
      `insert into video_runs (video_id, workflow_id, run_id, kind, version, settings, source)
       values ($1, 'reads-it', 'x', 'reprocess', 2, '{}', '{}')`,
      [busy],
    );
    await pipeline.db.sql(
      `update videos set created_at = created_at - interval '366 days' where id = $1`,
      [ancient],
    );
    await pipeline.db.sql(
      `insert into pieces (video_id, source_sha256, name, kind, recipe, object_key, size_bytes, sha256, tool_version, facts, created_at)
       values ($1, '', 'chunk/0/240p', 'chunk', '', 'videos/work/${fresh}/x.mp4', 5000, '', '', '{}', now() - interval '8 days')`,
      [fresh],
    );
    settings = { ...KEEP_ALL, keepOriginalDays: 30, deleteVideosAfterDays: 365 };
    const look = async () => {
      const { database } = pipeline.deps;
      const deps = { database, retention: settings, now: () => new Date() };
      const { data, totals } = await lookAtRetention(deps, { afterId: 0, limit: 100 });
      const actions = data.map(({ videoId, actions: [action] }) => [videoId, action?.reason]);
      return { actions: Object.fromEntries(actions) as object, totals };
    };
    const bytes = (await stat(phone)).size;
    const due = {
      actions: {
        [fresh]: 'work-retention-days',
        [old]: 'keep-original-days',
        [ancient]: 'delete-videos-after-days',
      },
      totals: [
        { action: 'delete-video', videos: 1, bytes },
        { action: 'remove-original', videos: 1, bytes },
        { action: 'remove-pieces', videos: 1, bytes: 5000 },
      ],
    };
    expect(await look()).toEqual(due);
    expect(await look()).toEqual(due);
    expect(await apply()).toMatchObject({ videosDeleted: 1, originalsReplaced: 1 });
    expect(await look()).toMatchObject({ actions: { [fresh]: 'work-retention-days' } });
    expect(await originalOf(fresh)).toEqual(KEPT);
    expect(await originalOf(busy)).toEqual(KEPT);
    expect(await originalOf(old)).toEqual(GONE);
    await pipeline.client.workflow.getHandle(`delete-video-${ancient}`).result();
    expect(await pipeline.db.sql('select 1 from videos where id = $1', [ancient])).toEqual([]);
  });
});
