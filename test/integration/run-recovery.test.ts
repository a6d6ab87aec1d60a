import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunIdentity, VideoId } from '../../src/domain/ids.ts';
import { TASK_QUEUES, WORKFLOW_TYPES } from '../../src/workflows/messages.ts';
import { makeClip } from '../support/make-clip.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';
import { findProcesses } from '../support/processes.ts';
import { writeSlowFfmpeg } from '../support/stub-ffmpeg.ts';
import { awaitRun, findFlaws, identifyRun, listResetPoints, resetRun } from '../support/resets.ts';

const SMALL = { widthPx: 320, heightPx: 180, framesPerSecond: 10, audio: false } as const;

describe('what a run or its video can go through', () => {
  let pipeline: Pipeline;
  let clips: string;
  let short: string;
  let middling: string;
  let long: string;

  beforeAll(async () => {
    clips = await mkdtemp(path.join(tmpdir(), 'steadyreel-clips-'));
    short = await makeClip(path.join(clips, 'short.mp4'), { framesPerSecond: 10, seconds: 1 });
    middling = await makeClip(path.join(clips, 'middling.mp4'), {
      ...SMALL,
      seconds: 8,
    });
    long = await makeClip(path.join(clips, 'long.mp4'), {
      ...SMALL,
      seconds: 60,
    });
    // The long one is still encoded when one looks, the short one soon done.
    pipeline = await startPipeline({ ffmpegPath: await writeSlowFfmpeg(clips, 2) });
  });

  afterAll(async () => {
    await pipeline.close();
    await rm(clips, { recursive: true, force: true });
  });

  function reconcile(): Promise<unknown> {
    const workflowId = `reconcile-${Math.random()}`;
    return pipeline.client.workflow.execute(WORKFLOW_TYPES.reconcileVideos, {
      taskQueue: TASK_QUEUES.orchestration,
      workflowId,
    });
  }

  /** As *Start Workflow Like This One* of the Web UI does: the same id and input, and nothing else of the run. */
  async function startLike({ workflowId, runId }: RunIdentity): Promise<void> {
    const { events } = await pipeline.client.workflow.getHandle(workflowId, runId).fetchHistory();
    const { input } = events?.[0]?.workflowExecutionStartedEventAttributes ?? {};
    const args = (input?.payloads ?? []).map(({ data }): unknown =>
      JSON.parse(Buffer.from(data ?? []).toString()),
    );
    await pipeline.client.workflow.execute(WORKFLOW_TYPES.processVideo, {
      taskQueue: TASK_QUEUES.orchestration,
      workflowId,
      args,
    });
  }

  async function expectWhole(id: VideoId): Promise<void> {
    expect(await findFlaws(pipeline, id)).toEqual([]);
  }

  async function reset(run: RunIdentity, toEvent: number | undefined): Promise<void> {
    await awaitRun(pipeline, await resetRun(pipeline, run, toEvent ?? 0));
  }

  it('rules 7 and 8: a completed run can be reset to any of its points and ends whole', async () => {
    const id = await pipeline.submit(short);
    await pipeline.client.workflow.getHandle(`process-video-${id}`).result();
    const run = await identifyRun(pipeline, id);
    const points = await listResetPoints(pipeline, run);
    expect(points.length).toBeGreaterThan(8);
    for (const point of [
      points[0],
      points[3],
      points[Math.floor(points.length / 2)],
      points.at(-2),
    ]) {
      await reset(run, point);
      await expectWhole(id);
    }
  });

  it('rules 7 and 8: a failed run can be reset and completes once its cause is gone', async () => {
    const id = await pipeline.addVideo(short, { originalSizeBytes: 5 });
    await pipeline.deps.workflows.startUpload({
      id,
      ownerId: pipeline.ownerId,
      title: 'x',
      priority: 'normal',
    });
    const video = await pipeline.waitForStatus(id, 'failed');
    expect(video['failure']).toMatchObject({ code: 'source-missing' });
    const facts = await pipeline.deps.store.stat(`videos/original/${String(video['stored_name'])}`);
    await pipeline.db.sql('update videos set original_size_bytes = $2 where id = $1', [
      id,
      facts?.sizeBytes,
    ]);
    const run = await identifyRun(pipeline, id);
    const [first] = await listResetPoints(pipeline, run);
    await reset(run, first);
    await expectWhole(id);
  });

  it('rule 9: a person who starts a run like that of an upload tries it again, or makes it anew', async () => {
    const id = await pipeline.addVideo(short, { originalSizeBytes: 5 });
    await pipeline.deps.workflows.startUpload({
      id,
      ownerId: pipeline.ownerId,
      title: 'x',
      priority: 'normal',
    });
    const { stored_name: name } = await pipeline.waitForStatus(id, 'failed');
    const facts = await pipeline.deps.store.stat(`videos/original/${String(name)}`);
    await pipeline.db.sql('update videos set original_size_bytes = $2 where id = $1', [
      id,
      facts?.sizeBytes,
    ]);
    const uploaded = await identifyRun(pipeline, id);
    // The row is settled a moment before the run is closed.
    await awaitRun(pipeline, uploaded);
    for (const version of [2, 3]) {
      await startLike(uploaded);
      await expectWhole(id);
      expect(await pipeline.video(id)).toMatchObject({ version });
    }
  });

  it('rules 7 and 8: a run that is at work can be reset, and its successor takes over', async () => {
    const id = await pipeline.submit(middling);
    await pipeline.until(
      'an encode is running',
      async () => (await findProcesses(`${pipeline.folder}/work`, 'libx264')).length > 0,
    );
    const run = await identifyRun(pipeline, id);
    const points = await listResetPoints(pipeline, run);
    await reset(run, points.at(-1));
    await expectWhole(id);
    expect(
      await pipeline.db.sql('select state, version from video_runs where video_id = $1', [id]),
    ).toEqual([{ state: 'completed', version: 1 }]);
  });

  it('rule 23: a deleted video stops its run and leaves no object, row or tool', async () => {
    const id = await pipeline.submit(long);
    const { stored_name: name } = await pipeline.video(id);
    await pipeline.until(
      'an encode is running',
      async () => (await findProcesses(`${pipeline.folder}/work`, 'libx264')).length > 0,
    );
    await pipeline.db.sql('update videos set deleted_at = now() where id = $1', [id]);
    await pipeline.deps.workflows.startDelete(id);
    const receipt = await pipeline.client.workflow.getHandle(`delete-video-${id}`).result();
    expect(receipt).toMatchObject({ videoId: id, rowDeleted: true });
    expect(await pipeline.db.sql('select 1 from videos where id = $1', [id])).toEqual([]);
    expect(await pipeline.deps.store.stat(`videos/original/${String(name)}`)).toBeUndefined();
    expect((await pipeline.keys()).filter((key) => key.includes(`/${id}/`))).toEqual([]);
    expect(await findProcesses(`${pipeline.folder}/work`)).toEqual([]);
  });

  it('touches nothing when asked to delete a video that nobody deleted', async () => {
    const id = await pipeline.addVideo(short);
    await pipeline.deps.workflows.startDelete(id);
    const receipt = await pipeline.client.workflow.getHandle(`delete-video-${id}`).result();
    expect(receipt).toMatchObject({ rowDeleted: false, objectsDeleted: 0 });
    expect(await pipeline.video(id)).toMatchObject({ status: 'pending' });
    await pipeline.db.sql('delete from videos where id = $1', [id]);
  });

  it('rule 21: finished pieces of a failed run stay for a retry, until their retention has passed', async () => {
    const id = await pipeline.submit(short);
    await pipeline.waitForStatus(id, 'completed');
    const [chunk] = await pipeline.db.sql(
      `insert into pieces (video_id, source_sha256, name, kind, recipe, object_key, size_bytes, sha256, tool_version, facts, created_at)
       select $1::int, 's', 'chunk/0/240p', 'chunk', 'r', 'videos/work/' || $1::int || '/old.mp4', 3, 's', 't', '{}', now() - interval '8 days'
       returning object_key`,
      [id],
    );
    const key = String(chunk?.['object_key']);
    await pipeline.deps.store.put(key, Readable.from([Buffer.from('old')]));
    await pipeline.db.sql(
      `update pieces set created_at = now() - interval '6 days' where object_key = $1`,
      [key],
    );
    await reconcile();
    expect(await pipeline.deps.store.stat(key)).toBeDefined();
    await pipeline.db.sql(
      `update pieces set created_at = now() - interval '8 days' where video_id = $1`,
      [id],
    );
    await reconcile();
    expect(await pipeline.deps.store.stat(key)).toBeUndefined();
    await expectWhole(id);
  });

  it('rule 6: gives a start after a terminated run its own settings, not those of the dead one', async () => {
    const id = await pipeline.submit(long);
    await pipeline.until(
      'an encode is running',
      async () => (await findProcesses(`${pipeline.folder}/work`, 'libx264')).length > 0,
    );
    await pipeline.client.workflow.getHandle(`process-video-${id}`).terminate('test');
    const video = { id, ownerId: pipeline.ownerId, title: 'x', priority: 'normal' } as const;
    await pipeline.deps.workflows.startRun(video, { profile: '720p', timeoutSeconds: 777 });
    await pipeline.until(
      'the new run is claimed',
      async () =>
        (await pipeline.db.sql('select 1 from video_runs where video_id = $1', [id])).length === 2,
    );
    const runs = await pipeline.db.sql(
      `select state, settings from video_runs where video_id = $1 order by id`,
      [id],
    );
    expect(runs).toMatchObject([
      { state: 'lost' },
      { state: 'active', settings: { profile: '720p', timeoutSeconds: 777 } },
    ]);
    await pipeline.deps.workflows.cancelRun(`process-video-${id}`);
    await pipeline.waitForStatus(id, 'cancelled');
  });

  it('rule 20: a reprocess makes only what the ledger lacks', async () => {
    const id = await pipeline.submit(short);
    await pipeline.client.workflow.getHandle(`process-video-${id}`).result();
    const [lost] = await pipeline.db.sql(
      `select object_key from video_streams where video_id = $1 and output = '240p'`,
      [id],
    );
    await pipeline.deps.store.delete([String(lost?.['object_key'])]);
    const video = { id, ownerId: pipeline.ownerId, title: 'x', priority: 'normal' } as const;
    const run = await pipeline.deps.workflows.startRun(video, {});
    await pipeline.client.workflow.getHandle(run.workflowId, run.runId).result();
    await expectWhole(id);
    const made = await pipeline.db.sql(
      `select name from pieces where video_id = $1 and kind = 'rendition' and object_key like '%/v2/%'`,
      [id],
    );
    expect(made).toEqual([{ name: 'rendition/240p' }]);
    const { events } = await pipeline.client.workflow
      .getHandle(run.workflowId, run.runId)
      .fetchHistory();
    const summaries = (events ?? []).flatMap(({ userMetadata }) => {
      const data = userMetadata?.summary?.data;
      return data ? [JSON.parse(Buffer.from(data).toString()) as string] : [];
    });
    expect(summaries.filter((summary) => summary.startsWith('chunk'))).toEqual([
      'chunk 1/1 → 240p',
    ]);
  });

  it('a cancel that comes before the claim ends the wait of the video', async () => {
    const id = await pipeline.addVideo(short);
    await pipeline.client.workflow.start(WORKFLOW_TYPES.processVideo, {
      taskQueue: TASK_QUEUES.orchestration,
      workflowId: `process-video-${id}`,
      startDelay: '1 hour',
      memo: { origin: 'upload' },
      args: [{ videoId: id }],
    });
    await pipeline.deps.workflows.cancelRun(`process-video-${id}`);
    await pipeline.waitForStatus(id, 'cancelled');
  });

  it('rule 10: keeps the old version live when a reprocess fails', async () => {
    const id = await pipeline.submit(short);
    await pipeline.client.workflow.getHandle(`process-video-${id}`).result();
    const { stored_name: name } = await pipeline.video(id);
    const video = { id, ownerId: pipeline.ownerId, title: 'x', priority: 'normal' } as const;
    await pipeline.db.sql('update videos set original_size_bytes = 5 where id = $1', [id]);
    const run = await pipeline.deps.workflows.startRun(video, {
      profile: '720p',
      timeoutSeconds: 60,
    });
    await expect(
      pipeline.client.workflow.getHandle(run.workflowId, run.runId).result(),
    ).rejects.toThrow();
    expect(await pipeline.video(id)).toMatchObject({
      status: 'completed',
      version: 1,
      failure: null,
      stored_name: name,
    });
    const [last] = await pipeline.db.sql(
      'select kind, state from video_runs where video_id = $1 order by id desc limit 1',
      [id],
    );
    expect(last).toEqual({ kind: 'reprocess', state: 'failed' });
    await expectWhole(id);
  });
});
