import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FragmentIndex } from '../../src/domain/fragment-index.ts';
import { ReconcileVideos } from '../../src/workflows/reconcile-videos.ts';
import { TASK_QUEUES } from '../../src/workflows/messages.ts';
import { makeClip, runTool } from '../support/make-clip.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';

describe('ProcessVideo', () => {
  let pipeline: Pipeline;
  let clips: string;
  const clip = (name: string): string => path.join(clips, name);

  beforeAll(async () => {
    clips = await mkdtemp(path.join(tmpdir(), 'steadyreel-clips-'));
    pipeline = await startPipeline();
  });

  afterAll(async () => {
    await pipeline.close();
    await rm(clips, { recursive: true, force: true });
  });

  it('turns an upload into one stream per rung, thumbnails and a published version', async () => {
    const file = await makeClip(clip('plain.mp4'), { widthPx: 1280, heightPx: 720, seconds: 2 });
    const id = await pipeline.submit(file);
    const video = await pipeline.waitForStatus(id, 'completed');
    expect(video).toMatchObject({
      version: 1,
      width_px: 1280,
      height_px: 720,
      duration_seconds: 2,
      failure: null,
    });
    expect(video['skipped']).toEqual([{ quality: '1080p', reason: 'taller-than-source' }]);

    const streams = await pipeline.db.sql(
      'select * from video_streams where video_id = $1 order by output',
      [id],
    );
    expect(streams.map(({ output }) => output)).toEqual([
      '240p',
      '360p',
      '480p',
      '720p',
      'compressed',
      'processed',
    ]);
    expect(streams.find(({ output }) => output === 'processed')?.['object_key']).toMatch(
      /^videos\/original\//,
    );
    const thumbnails = await pipeline.db.sql(
      'select * from thumbnails where video_id = $1 order by position',
      [id],
    );
    expect(thumbnails.map((row) => [row['timestamp_seconds'], row['is_default']])).toEqual([
      [0, false],
      [0.5, false],
      [1, true],
      [1.5, false],
    ]);
    // What is left of the work goes after the version is published.
    await pipeline.client.workflow.getHandle(`process-video-${id}`).result();
    expect(await pipeline.keys(`work/${id}/`)).toEqual([]);
    expect(await pipeline.keys('original/')).toHaveLength(1);
    const [run] = await pipeline.db.sql('select * from video_runs where video_id = $1', [id]);
    expect(run).toMatchObject({
      state: 'completed',
      kind: 'upload',
      progress_percent: 100,
      waiting_for: null,
    });
  });

  it('encodes a longer clip in chunks that join to the planned frames, each once', async () => {
    const file = await makeClip(clip('chunked.mp4'), {
      widthPx: 640,
      heightPx: 360,
      seconds: 9,
      options: ['-g', '125'],
    });
    const id = await pipeline.submit(file);
    await pipeline.client.workflow.getHandle(`process-video-${id}`).result();
    const [run] = await pipeline.db.sql('select plan from video_runs where video_id = $1', [id]);
    expect(run?.['plan']).toMatchObject({
      chunks: [
        { index: 0, firstFrame: 0, endFrame: 100 },
        { index: 1, firstFrame: 100, endFrame: 225 },
      ],
    });
    const hashes = (await hashFrames(file)).length;
    expect(hashes).toBe(225);
    const whole = await hashFrames(
      path.join(pipeline.folder, `media/videos/streams/${id}/v1/240p.mp4`),
    );
    expect(new Set(whole).size).toBe(225);
  });

  it('copies the streams of H.264 in QuickTime into the processed version', async () => {
    const file = await makeClip(clip('phone.mov'), { seconds: 1, options: ['-c:a', 'pcm_s16le'] });
    const id = await pipeline.submit(file);
    await pipeline.waitForStatus(id, 'completed');
    const [processed] = await pipeline.db.sql(
      `select object_key, codecs from video_streams where video_id = $1 and output = 'processed'`,
      [id],
    );
    expect(processed).toEqual({
      object_key: `videos/processed/${id}/v1.mp4`,
      codecs: expect.stringMatching(/^avc1\.[0-9a-f]{6},mp4a\.40\.2$/),
    });
  });

  it('makes one rendition with the 720p profile, at asked thumbnails, clamped to the clip', async () => {
    const file = await makeClip(clip('small.webm'), {
      seconds: 1,
      options: [
        '-c:v',
        'libvpx',
        '-deadline',
        'realtime',
        '-cpu-used',
        '8',
        '-c:a',
        'libvorbis',
        '-ac',
        '2',
      ],
    });
    const id = await pipeline.submit(file, { profile: '720p', thumbnailTimestamps: [0.4, 99] });
    await pipeline.waitForStatus(id, 'completed');
    const streams = await pipeline.db.sql(
      'select output from video_streams where video_id = $1 order by output',
      [id],
    );
    expect(streams.map(({ output }) => output)).toEqual(['360p', 'compressed', 'processed']);
    const thumbnails = await pipeline.db.sql(
      'select timestamp_seconds from thumbnails where video_id = $1 order by position',
      [id],
    );
    expect(thumbnails.map((row) => row['timestamp_seconds'])).toEqual([0.4, 0.96]);
  });

  it('refuses sound without a picture after one attempt and keeps the original alone', async () => {
    const file = clip('sound.m4a');
    await runTool('ffmpeg', ['-f', 'lavfi', '-i', 'sine=d=1', '-c:a', 'aac', file]);
    const id = await pipeline.submit(file);
    const video = await pipeline.waitForStatus(id, 'failed');
    expect(video['failure']).toMatchObject({
      code: 'source-has-no-video',
      step: 'probe',
      attempt: 1,
    });
    const everything = (await pipeline.keys()).filter((key) => key.includes(`/${id}/`));
    expect(everything).toEqual([]);
    expect(
      await pipeline.deps.store.stat(`videos/original/${String(video['stored_name'])}`),
    ).toBeDefined();
  });

  it('hands the index of fragments on to a version that takes its renditions from the ledger', async () => {
    const id = await pipeline.submit(await makeClip(clip('same.mp4'), { seconds: 5 }));
    await pipeline.client.workflow.getHandle(`process-video-${id}`).result();
    const video = { id, ownerId: pipeline.ownerId, title: 'same', priority: 'normal' } as const;
    const run = await pipeline.deps.workflows.startRun(video, {});
    await pipeline.client.workflow.getHandle(run.workflowId, run.runId).result();
    const rows = await pipeline.db.sql(
      `select version, object_key, fragments from video_streams where video_id = $1 and output = '360p' order by version`,
      [id],
    );
    expect(rows).toMatchObject([
      {
        version: 1,
        fragments: { video: { frameRate: { num: 25, den: 1 } }, audio: { channels: 2 } },
      },
      { version: 2, object_key: rows[0]?.['object_key'], fragments: rows[0]?.['fragments'] },
    ]);
    const picture = (rows[0]?.['fragments'] as FragmentIndex | undefined)?.video;
    expect(picture?.fragments.map(([, , ticks]) => ticks / picture.timescale)).toEqual([4, 1]);
    const others = await pipeline.db.sql(
      `select distinct fragments from video_streams where video_id = $1 and output in ('compressed', 'processed')`,
      [id],
    );
    expect(others).toEqual([{ fragments: null }]);
  });

  it('publishes a reprocess as the next version, live all along, and removes the old one after its grace', async () => {
    const file = await makeClip(clip('again.mp4'), { seconds: 1 });
    const id = await pipeline.submit(file);
    await pipeline.client.workflow.getHandle(`process-video-${id}`).result();
    const video = { id, ownerId: pipeline.ownerId, title: 'again', priority: 'normal' } as const;
    const run = await pipeline.deps.workflows.startRun(video, { profile: '720p' });
    await pipeline.client.workflow.getHandle(run.workflowId, run.runId).result();
    expect(await pipeline.video(id)).toMatchObject({
      status: 'completed',
      version: 2,
      profile: '720p',
    });

    await pipeline.client.workflow.execute(ReconcileVideos, {
      taskQueue: TASK_QUEUES.orchestration,
      workflowId: `reconcile-${id}`,
    });
    expect(
      await pipeline.db.sql('select 1 from video_streams where video_id = $1 and version = 1', [
        id,
      ]),
    ).toEqual([]);
    const left = (await pipeline.keys('streams/')).filter((key) => key.includes(`/${id}/`));
    expect(left).toEqual([`videos/streams/${id}/v2/360p.mp4`]);
  });
});

/** A hash of every decoded picture; the clock in the test picture makes each one differ. */
async function hashFrames(file: string): Promise<readonly string[]> {
  const text = await runTool('ffmpeg', ['-i', file, '-map', '0:v', '-f', 'framemd5', '-']);
  return text
    .split('\n')
    .filter((line) => line.startsWith('0,'))
    .map((line) => line.split(',').at(-1)?.trim() ?? '');
}
