import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  findPublishedStream,
  findPublishedThumbnail,
  listPackagedStreams,
} from '../../src/db/published.ts';
import { findVideo } from '../../src/db/videos.ts';
import { AppError } from '../../src/domain/errors.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import type { RunRequest } from '../../src/domain/run-request.ts';
import { openTemporalClient } from '../../src/temporal/client.ts';
import { createVideoWorkflows } from '../../src/temporal/video-workflows.ts';
import { TASK_QUEUES, WORKFLOW_TYPES } from '../../src/workflows/messages.ts';
import { makeClip, makeTempFolder } from '../support/make-clip.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';

const ONE_THUMBNAIL = { thumbnailTimestamps: [1] };

/** What can be asked of a run: go on, leave out, make anew. Which pieces a run made, the ledger tells by their versions. */
describe('a run that is asked for something', () => {
  let temp: Awaited<ReturnType<typeof makeTempFolder>>;
  let pipeline: Pipeline;
  let clip: string;
  /** Encodes of the picture so far, and from which one on they fail, and how. */
  let encodes = 0;
  let failing: { readonly from: number; readonly error: AppError } | undefined;
  let beforeEncode: (() => Promise<unknown>) | undefined;
  let isStoreAway = false;
  let beforePublish: (() => Promise<unknown>) | undefined;

  beforeAll(async () => {
    temp = await makeTempFolder();
    clip = await makeClip(`${temp.path}/clip.mp4`, {
      framesPerSecond: 10,
      seconds: 5,
      options: ['-g', '20'],
    });
    pipeline = await startPipeline({
      maxVideoProcessingTasks: 1,
      replace: ({ ffmpeg, store }) => ({
        store: {
          ...store,
          async stat(key) {
            if (isStoreAway && key.startsWith('videos/work/'))
              throw new AppError('storage-unavailable');
            // Only publish looks at this one.
            if (key.startsWith('videos/compressed/')) await beforePublish?.();
            return store.stat(key);
          },
        },
        ffmpeg: {
          ...ffmpeg,
          async run(command, limits) {
            const isEncode = command.outputs.some(({ options }) => options.includes('libx264'));
            if (!isEncode) return ffmpeg.run(command, limits);
            encodes += 1;
            await beforeEncode?.();
            if (failing !== undefined && encodes >= failing.from) throw failing.error;
            return ffmpeg.run(command, limits);
          },
        },
      }),
    });
  });

  beforeEach(() => {
    encodes = 0;
    failing = undefined;
    beforeEncode = undefined;
    isStoreAway = false;
    beforePublish = undefined;
  });

  afterAll(async () => {
    await pipeline.close();
    await temp.remove();
  });

  /** Starts a run as the API does and awaits its end. @returns names of the pieces that it made, chunks and sound apart */
  async function run(id: VideoId, request: RunRequest): Promise<readonly string[]> {
    const video = { id, ownerId: pipeline.ownerId, title: 'x', priority: 'normal' } as const;
    const { workflowId, runId } = await pipeline.deps.workflows.startRun(video, request);
    await pipeline.client.workflow.getHandle(workflowId, runId).result();
    return madeBy(id, Number((await pipeline.video(id))['version']));
  }

  async function madeBy(id: VideoId, version: number): Promise<readonly string[]> {
    const rows = await pipeline.db.sql(
      'select name from pieces where video_id = $1 and version = $2 order by name',
      [id, version],
    );
    return rows.map(({ name }) => String(name));
  }

  async function publish(): Promise<VideoId> {
    const id = await pipeline.submit(clip, ONE_THUMBNAIL);
    await pipeline.client.workflow.getHandle(`process-video-${id}`).result();
    encodes = 0;
    return id;
  }

  async function failAt(encode: number): Promise<VideoId> {
    failing = { from: encode, error: new AppError('processing-timeout') };
    const id = await pipeline.submit(clip, ONE_THUMBNAIL);
    await pipeline.waitForStatus(id, 'failed');
    await pipeline.untilRunEnds(id);
    encodes = 0;
    failing = undefined;
    return id;
  }

  async function outputs(id: VideoId): Promise<readonly string[]> {
    const rows = await pipeline.db.sql(
      'select output from video_streams where video_id = $1 and version = (select version from videos where id = $1) order by output',
      [id],
    );
    return rows.map(({ output }) => String(output));
  }

  /** What the source does not have, and what contradicts itself, touches no row. */
  async function expectRefusals(id: VideoId): Promise<void> {
    const rows = () => pipeline.db.sql('select * from video_runs where video_id = $1', [id]);
    const before = { video: await pipeline.video(id), runs: await rows() };
    for (const request of [
      { renditions: ['720p'] },
      { skip: ['240p', '360p'] },
      { from: 'claim' },
      { from: 'probe', renditions: ['240p'] },
    ]) {
      const typed = await pipeline.client.workflow.start(WORKFLOW_TYPES.processVideo, {
        taskQueue: TASK_QUEUES.orchestration,
        workflowId: `typed-${JSON.stringify(request)}`,
        args: [{ videoId: id, ...request }],
      });
      const failure = await typed.result().catch((error: unknown) => error);
      expect(JSON.stringify(failure, ['cause', 'type'])).toContain('invalid-workflow-input');
    }
    expect({ video: await pipeline.video(id), runs: await rows() }).toEqual(before);
  }

  const PICTURES = ['storyboard/0', 'thumbnail/0'] as const;

  it('rules 8 and 21: after a failure it goes on where the run before it stopped, also with another budget', async () => {
    const id = await failAt(2);
    const finished = (await madeBy(id, 1)).filter((name) => name.startsWith('chunk/'));
    expect(finished).toEqual([
      expect.stringMatching(/chunk.*240p/),
      expect.stringMatching(/chunk.*360p/),
    ]);
    await run(id, { timeoutSeconds: 7200 });
    expect(encodes).toBe(1);
    expect(await pipeline.video(id)).toMatchObject({ status: 'completed', version: 2 });
  });

  it('leaves out what it is to skip, and says so', async () => {
    const id = await failAt(2);
    await run(id, { skip: ['1080p', '360p'] });
    expect(encodes).toBe(1);
    expect(await outputs(id)).toEqual(['240p', 'compressed', 'processed']);
    const video = await pipeline.video(id);
    expect(video).toMatchObject({ status: 'completed' });
    expect(video['skipped']).toEqual([
      { quality: '360p', reason: 'skipped-by-request' },
      { quality: '480p', reason: 'taller-than-source' },
      { quality: '720p', reason: 'taller-than-source' },
      { quality: '1080p', reason: 'taller-than-source' },
    ]);
    expect(await run(id, {})).toContain('rendition/360p');
    expect(await outputs(id)).toEqual(['240p', '360p', 'compressed', 'processed']);
  });

  it('rules 3 and 21: makes anew what is asked for and uses the rest, and refuses what there is not', async () => {
    const id = await publish();
    const { database } = pipeline.deps;
    const seen = await database.run((em) => findVideo(em, id));
    expect(await run(id, {})).toEqual([]);
    // Somebody who has looked just before the switch gets what he saw.
    if (seen === undefined) throw new Error('the video is gone');
    expect(await database.run((em) => listPackagedStreams(em, seen, 1))).toHaveLength(2);
    expect(await database.run((em) => findPublishedStream(em, seen, '240p'))).toBeDefined();
    expect(await database.run((em) => findPublishedThumbnail(em, seen, 0))).toBeDefined();
    expect(await run(id, { from: 'thumbnails' })).toEqual(PICTURES);
    expect(encodes).toBe(0);
    expect(await run(id, { renditions: ['240p'] })).toEqual(['rendition/240p']);
    expect(encodes).toBe(2);
    expect(await run(id, { from: 'ladder' })).toEqual([
      'rendition/240p',
      'rendition/360p',
      ...PICTURES,
    ]);
    expect(encodes).toBe(4);
    expect(await outputs(id)).toEqual(['240p', '360p', 'compressed', 'processed']);
    await expectRefusals(id);
  });

  it('what was to be made anew and failed is gone on with by the same wish, and used by none', async () => {
    const id = await publish();
    failing = { from: 2, error: new AppError('processing-timeout') };
    await expect(run(id, { from: 'compress' })).rejects.toThrow();
    expect(await pipeline.video(id)).toMatchObject({ status: 'completed', version: 1 });
    failing = undefined;
    encodes = 0;
    expect(await run(id, { from: 'compress', timeoutSeconds: 3600 })).toContain('rendition/360p');
    expect(encodes).toBe(1);
    expect(await run(id, { from: 'compress' })).toContain('rendition/360p');
    expect(encodes).toBe(3);
  });

  it('rule 21: keeps the published version and its pieces when what is made anew is cancelled while it waits', async () => {
    const id = await publish();
    const before = await madeBy(id, 1);
    let entered: () => void = () => undefined;
    const hasEntered = new Promise<void>((resolve) => (entered = resolve));
    failing = {
      from: 2,
      get error(): AppError {
        entered();
        return new AppError('storage-unavailable');
      },
    };
    const ended = run(id, { from: 'convert' });
    await hasEntered;
    await pipeline.deps.workflows.cancelRun(`process-video-${id}`);
    await expect(ended).rejects.toThrow();
    expect(await pipeline.video(id)).toMatchObject({ status: 'completed', version: 1 });
    expect(await madeBy(id, 1)).toEqual(before);
    expect(await madeBy(id, 2)).toEqual([]);
    expect((await pipeline.keys()).filter((key) => key.includes(`/${id}/v2`))).toEqual([]);
  });

  it('rule 11: a start that finds no server says so within its deadline', async () => {
    const nowhere = createVideoWorkflows(
      openTemporalClient({ address: '127.0.0.1:1', namespace: 'default' }),
    );
    const video = { id: 1 as VideoId, ownerId: 1, title: 'x', priority: 'normal' } as const;
    try {
      const started = nowhere.startRun(video, {});
      const accepted = nowhere.startUpload(video);
      await expect(started).rejects.toMatchObject({ code: 'temporal-unavailable' });
      expect(await accepted).toBe(false);
    } finally {
      await nowhere.close();
    }
  });

  it('rule 12: a short step waits for the store in plain sight, too, and a cancel ends that', async () => {
    const id = await failAt(2);
    isStoreAway = true;
    const ended = run(id, {});
    await pipeline.until('the wait is told', async () => {
      const [last] = await pipeline.db.sql(
        'select waiting_for from video_runs where video_id = $1 order by id desc limit 1',
        [id],
      );
      return /^storage-unavailable: .*, next try \d\d:\d\d:\d\d UTC$/.test(
        String(last?.['waiting_for']),
      );
    });
    await pipeline.deps.workflows.cancelRun(`process-video-${id}`);
    await expect(ended).rejects.toThrow();
    expect(await pipeline.video(id)).toMatchObject({ status: 'cancelled' });
    expect(await pipeline.db.sql('select 1 from pieces where video_id = $1', [id])).toEqual([]);
  });

  it('rule 7: a run whose place another one has taken writes nothing and undoes nothing', async () => {
    beforeEncode = async () => {
      beforeEncode = undefined;
      await pipeline.db.sql(
        `update video_runs set workflow_id = 'another', run_id = 'another' where state = 'active'`,
      );
    };
    const id = await pipeline.submit(clip);
    await expect(
      pipeline.client.workflow.getHandle(`process-video-${id}`).result(),
    ).rejects.toMatchObject({ cause: { cause: { type: 'run-superseded' } } });
    expect(await pipeline.video(id)).toMatchObject({ status: 'processing', failure: null });
    const pieces = await pipeline.db.sql(
      'select kind, object_key from pieces where video_id = $1',
      [id],
    );
    expect(pieces.filter(({ kind }) => kind === 'chunk')).toEqual([]);
    expect(await pipeline.keys(`work/${id}/`)).toEqual(pieces.map((row) => row['object_key']));
    const runs = await pipeline.db.sql('select state from video_runs where video_id = $1', [id]);
    expect(runs).toEqual([{ state: 'active' }]);
    await pipeline.db.sql('delete from videos where id = $1', [id]);
  });

  it('a deleted video is neither claimed nor published, and its removal leaves a receipt', async () => {
    const remove = (id: VideoId) =>
      pipeline.db.sql('update videos set deleted_at = now() where id = $1', [id]);
    const notFound = { cause: { cause: { type: 'video-not-found' } } };
    const video = { ownerId: pipeline.ownerId, title: 'x', priority: 'normal' } as const;
    const queued = await pipeline.addVideo(clip);
    await remove(queued);
    await pipeline.deps.workflows.startUpload({ ...video, id: queued });
    await expect(
      pipeline.client.workflow.getHandle(`process-video-${queued}`).result(),
    ).rejects.toMatchObject(notFound);
    expect(await pipeline.db.sql('select 1 from video_runs where video_id = $1', [queued])).toEqual(
      [],
    );

    beforePublish = async () => remove(running);
    const running = await pipeline.submit(clip);
    await expect(
      pipeline.client.workflow.getHandle(`process-video-${running}`).result(),
    ).rejects.toMatchObject(notFound);
    expect(await pipeline.video(running)).toMatchObject({ version: null });

    const receipts = [];
    for (const id of [running, running, queued]) {
      await pipeline.deps.workflows.startDelete(id);
      receipts.push(await pipeline.client.workflow.getHandle(`delete-video-${id}`).result());
      expect((await pipeline.keys()).filter((key) => key.includes(`/${id}/`))).toEqual([]);
    }
    expect(receipts).toEqual([
      { videoId: running, objectsDeleted: expect.any(Number), rowDeleted: true },
      { videoId: running, objectsDeleted: 0, rowDeleted: false },
      { videoId: queued, objectsDeleted: 1, rowDeleted: true },
    ]);
    // Renditions, thumbnails, a sheet, chunks, sound, and the original.
    expect((receipts[0] as { objectsDeleted: number }).objectsDeleted).toBeGreaterThan(10);
  });
});
