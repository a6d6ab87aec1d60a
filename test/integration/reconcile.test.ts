import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { cancelActiveRun } from '../../src/activities/delete-video.ts';
import type { NewVideo } from '../../src/db/videos.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import type { ReconcileInput } from '../../src/domain/reconcile-input.ts';
import type { ReconcileReport } from '../../src/domain/reconcile-report.ts';
import { DeleteVideo } from '../../src/workflows/delete-video.ts';
import { TASK_QUEUES } from '../../src/workflows/messages.ts';
import { ReconcileVideos } from '../../src/workflows/reconcile-videos.ts';
import { makeClip } from '../support/make-clip.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';

const NONE = {
  runsSeen: 0,
  runsSettled: 0,
  runsRestarted: 0,
  videosStarted: 0,
  deletionsStarted: 0,
  picturesStarted: 0,
  objectsDeleted: 0,
};

let pipeline: Pipeline;
let clips: string;
let short: string;
/** What happens between a look and the act that follows it, once. */
let meanwhile: {
  latestRun?: () => Promise<void>;
  listed?: () => Promise<void>;
  /** Before each question to the database. */
  asked?: () => Promise<void>;
};

beforeAll(async () => {
  clips = await mkdtemp(path.join(tmpdir(), 'steadyreel-clips-'));
  short = await makeClip(path.join(clips, 'short.mp4'), { seconds: 1 });
  pipeline = await startPipeline({
    replace: ({ database, runDescriptions, store }) => ({
      database: {
        ...database,
        async run(work) {
          await meanwhile.asked?.();
          return database.run(work);
        },
      },
      runDescriptions: {
        ...runDescriptions,
        async latestRun(workflowId) {
          const latest = await runDescriptions.latestRun(workflowId);
          await meanwhile.latestRun?.();
          return latest;
        },
      },
      store: {
        ...store,
        async *list(prefix, options) {
          yield* store.list(prefix, options);
          await meanwhile.listed?.();
        },
      },
    }),
  });
});

afterAll(async () => {
  await pipeline.close();
  await rm(clips, { recursive: true, force: true });
});

beforeEach(async () => {
  meanwhile = {};
  await pipeline.db.sql('delete from videos');
  await pipeline.deps.store.delete(await pipeline.keys());
});

function reconcile(input?: ReconcileInput): Promise<ReconcileReport> {
  return pipeline.client.workflow.execute(ReconcileVideos, {
    taskQueue: TASK_QUEUES.orchestration,
    workflowId: `reconcile-${Math.random()}`,
    args: [input],
  });
}

const sql: Pipeline['db']['sql'] = (statement, values) => pipeline.db.sql(statement, values);

/** A video that has waited for a while. */
async function addWaiting(changes: Partial<NewVideo> = {}): Promise<VideoId> {
  const hourAgo = new Date(Date.now() - 3600_000);
  return pipeline.addVideo(short, { createdAt: hourAgo, ...changes });
}

/** An active run of the video, as the database knows it. */
async function addRun(id: VideoId, workflowId: string, version = 1): Promise<void> {
  await sql(
    `insert into video_runs (video_id, workflow_id, run_id, kind, version, settings, source) values ($1, $2, 'x', 'upload', $3, '{}', '{}')`,
    [id, workflowId, version],
  );
  await sql(
    `update videos set status = 'processing', last_version = $2 where id = $1 and version is null`,
    [id, version],
  );
}

async function runsOf(id: VideoId): Promise<unknown[]> {
  const rows = await sql('select state from video_runs where video_id = $1 order by id', [id]);
  return rows.map(({ state }) => state);
}

/** A workflow that nobody works on, open or ended from outside. */
async function foreignWorkflow(end: 'terminate' | 'nothing'): Promise<string> {
  const workflowId = `foreign-${Math.random()}`;
  const handle = await pipeline.client.workflow.start('Foreign', {
    taskQueue: `nobody-${workflowId}`,
    workflowId,
  });
  if (end === 'terminate') await handle.terminate('test');
  return workflowId;
}

async function put(key: string, ageSeconds = 7200): Promise<void> {
  await pipeline.deps.store.put(key, Readable.from([Buffer.from(key)]));
  const then = new Date(Date.now() - ageSeconds * 1000);
  await utimes(path.join(pipeline.folder, 'media', key), then, then);
}

describe('rule 22: runs', () => {
  it('a video that waits without a run gets one after a minute', async () => {
    const waiting = await addWaiting();
    const young = await pipeline.addVideo(short);
    expect(await reconcile()).toMatchObject({ counts: { ...NONE, videosStarted: 1 } });
    await pipeline.waitForStatus(waiting, 'completed');
    expect(await runsOf(young)).toEqual([]);
  });

  it('an open one is left alone; one that its workers cannot go on with is reported', async () => {
    const [id, stuck, unclaimed] = [await addWaiting(), await addWaiting(), await addWaiting()];
    await addRun(id, await foreignWorkflow('nothing'));
    await addRun(stuck, `stuck-${stuck}`);
    for (const workflowId of [`stuck-${stuck}`, `process-video-${unclaimed}`]) {
      await pipeline.client.workflow.start('NoSuchType', {
        taskQueue: TASK_QUEUES.orchestration,
        workflowId,
      });
      await pipeline.until('the server reports the problem', async () => {
        return (await pipeline.deps.runDescriptions.latestRun(workflowId))?.isWedged === true;
      });
    }
    const { counts, findings } = await reconcile();
    expect(counts).toEqual({ ...NONE, runsSeen: 2, objectsSeen: 3 });
    expect(findings).toMatchObject([
      { code: 'run-wedged', videoId: stuck, subject: `stuck-${stuck}` },
      { code: 'run-wedged', videoId: unclaimed, subject: `process-video-${unclaimed}` },
    ]);
    expect(await runsOf(id)).toEqual(['active']);
    expect(await runsOf(stuck)).toEqual(['active']);
    expect(await pipeline.video(unclaimed)).toMatchObject({ status: 'pending' });
  });

  it('a terminated one fails its video as run-lost and keeps its pieces', async () => {
    const id = await addWaiting();
    const workflowId = await foreignWorkflow('terminate');
    await addRun(id, workflowId);
    await put(`videos/work/${id}/piece.mp4`);
    await sql(
      `insert into pieces (video_id, source_sha256, name, kind, recipe, object_key, size_bytes, sha256, tool_version, facts)
       values ($1, 's', 'audio', 'audio', 'r', 'videos/work/' || $1::int || '/piece.mp4', 1, 's', 't', '{}')`,
      [id],
    );
    expect(await reconcile()).toMatchObject({
      counts: { ...NONE, runsSeen: 1, runsSettled: 1 },
      findings: [{ code: 'run-lost', videoId: id, subject: workflowId }, { videoId: id }],
    });
    expect(await pipeline.video(id)).toMatchObject({
      status: 'failed',
      failure: { code: 'run-lost' },
    });
    expect(await sql('select name from pieces where video_id = $1', [id])).toHaveLength(1);
  });

  it('one of a deleted video that does not answer a cancel is terminated in the end, and the video goes', async () => {
    const id = await addWaiting();
    const workflowId = await foreignWorkflow('nothing');
    await addRun(id, workflowId);
    await sql('update videos set deleted_at = now() where id = $1', [id]);
    const ask = (insist: boolean) => cancelActiveRun(pipeline.deps, { videoId: id, insist });
    const isOpen = async () =>
      (await pipeline.deps.runDescriptions.latestRun(workflowId))?.state === 'open';
    expect([await ask(false), await isOpen()]).toEqual([{ stillActive: true }, true]);
    expect(await ask(true)).toEqual({ stillActive: true });
    await pipeline.until('it is closed', async () => !(await isOpen()));
    expect(await ask(false)).toEqual({ stillActive: false });
    const receipt = await pipeline.client.workflow.execute(DeleteVideo, {
      taskQueue: TASK_QUEUES.orchestration,
      workflowId: `delete-${id}`,
      args: [{ videoId: id }],
    });
    expect(receipt).toEqual({ videoId: id, objectsDeleted: 1, rowDeleted: true });
  }, 60_000);

  it('one that the server has lost is started again, and the video processed all the same', async () => {
    const id = await addWaiting();
    await addRun(id, `lost-${id}`);
    expect(await reconcile()).toMatchObject({
      counts: { ...NONE, runsSeen: 1, runsSettled: 1, runsRestarted: 1 },
    });
    await pipeline.waitForStatus(id, 'completed');
    expect(await runsOf(id)).toEqual(['lost', 'completed']);
  });

  it('one that is lost a fourth time fails, and so does one of a published video, which stays live', async () => {
    const id = await addWaiting();
    for (const version of [1, 2, 3, 4]) {
      if (version > 1) await sql(`update video_runs set state = 'lost' where video_id = $1`, [id]);
      await addRun(id, `lost-${id}-${version}`, version);
    }
    const published = await addWaiting();
    await sql(`update videos set status = 'completed', version = 1 where id = $1`, [published]);
    await addRun(published, `lost-${published}`, 2);
    expect(await reconcile()).toMatchObject({
      counts: { ...NONE, runsSeen: 2, runsSettled: 2 },
      findingCounts: { 'run-lost': 2 },
    });
    expect(await runsOf(id)).toEqual(['lost', 'lost', 'lost', 'failed']);
    expect(await pipeline.video(id)).toMatchObject({ status: 'failed' });
    expect(await pipeline.video(published)).toMatchObject({ status: 'completed', failure: null });
    expect(await runsOf(published)).toEqual(['failed']);
  });

  it('one that ends by itself, or is taken over, between the look and the act is not touched', async () => {
    const id = await addWaiting();
    await addRun(id, `lost-${id}`);
    meanwhile.latestRun = async () => {
      await sql(`update video_runs set run_id = 'taken-over' where video_id = $1`, [id]);
    };
    expect(await reconcile()).toMatchObject({ counts: { ...NONE, runsSeen: 1 }, findings: [] });
    expect(await runsOf(id)).toEqual(['active']);
  });
});

describe('rule 23: objects', () => {
  it('without an owner go once they are old, never an original, and none of a run at work', async () => {
    const gone = await addWaiting();
    const id = await addWaiting();
    await sql('delete from videos where id = $1', [gone]);
    await addRun(id, await foreignWorkflow('nothing'));
    const leftovers = [`videos/work/${gone}/left.mp4`, `videos/streams/${gone}/v1/240p.mp4`];
    const kept = [`videos/work/${id}/coming.mp4`, 'videos/original/stray.mp4'];
    for (const key of [...leftovers, ...kept]) await put(key);
    await put(`videos/work/${gone}/young.mp4`, 60);
    const { counts, findings } = await reconcile();
    expect(counts).toMatchObject({ objectsDeleted: 2, objectsSeen: 7 });
    expect(findings).toMatchObject([
      { code: 'original-without-video', subject: 'videos/original/stray.mp4' },
    ]);
    expect(await pipeline.keys()).toEqual(expect.arrayContaining([...kept]));
    expect((await pipeline.keys(`work/${gone}/`)).length).toBe(1);
  });

  it('of videos that this database never had stay: they are another database’s', async () => {
    const id = await addWaiting();
    const keys = [`videos/streams/${id + 1}/v1/240p.mp4`, `videos/work/${id + 500}/x.mp4`];
    for (const key of keys) await put(key);
    expect(await reconcile()).toMatchObject({ counts: { objectsDeleted: 0 } });
    expect(await pipeline.keys()).toEqual(expect.arrayContaining(keys));
  });

  it('that are entered between the look and the act stay', async () => {
    const id = await addWaiting();
    const key = `videos/streams/${id}/v1/240p.mp4`;
    await put(key);
    const enter = () =>
      sql(
        `insert into own_posters (video_id, object_key, size_bytes, sha256) values ($1, $2, $3, 's') on conflict do nothing`,
        [id, key, key.length],
      );
    meanwhile.listed = async () => {
      let questions = 0;
      // The first one, what rows name, misses it.
      meanwhile.asked = async () => void ((questions += 1) === 2 && (await enter()));
    };
    expect(await reconcile()).toMatchObject({ counts: { objectsDeleted: 0 }, findings: [] });
    expect(await pipeline.keys('streams/')).toEqual([key]);
  });

  it('that are deleted with their video between the look and the act are not told', async () => {
    const id = await addWaiting();
    const { stored_name: name } = await pipeline.video(id);
    const key = `videos/original/${String(name)}`;
    await pipeline.deps.store.delete([key]);
    await put(key);
    meanwhile.listed = async () => {
      await pipeline.deps.store.delete([key]);
      await sql('delete from videos where id = $1', [id]);
    };
    expect(await reconcile()).toMatchObject({ counts: { objectsSeen: 1 }, findings: [] });
  });

  it('that rows name and that are gone, or of another size, are reported, and nothing is deleted', async () => {
    const id = await addWaiting();
    await sql(`update videos set status = 'completed', version = 1 where id = $1`, [id]);
    const key = `videos/streams/${id}/v1/240p.mp4`;
    for (const [output, objectKey] of [
      ['240p', key],
      ['compressed', `videos/compressed/${id}/v1.mp4`],
    ])
      await sql(
        `insert into video_streams (video_id, version, output, object_key, size_bytes, sha256, width_px, height_px, bitrate_bps, duration_seconds, codecs)
         values ($1, 1, $2, $3, 5, 's', 16, 16, 1, 1, 'x')`,
        [id, output, objectKey],
      );
    await put(key);
    const { stored_name: name } = await pipeline.video(id);
    await pipeline.deps.store.delete([`videos/original/${String(name)}`]);
    const { findings } = await reconcile();
    expect(findings).toMatchObject([
      { code: 'storage-object-missing', videoId: id, subject: `videos/compressed/${id}/v1.mp4` },
      { code: 'source-missing', videoId: id },
      { code: 'storage-object-missing', videoId: id, subject: key },
    ]);
    expect(findings[0]?.detail).toContain('version 1 is published and needs it');
    expect(await sql('select 1 from video_streams where video_id = $1', [id])).toHaveLength(2);
    expect(await pipeline.keys('streams/')).toEqual([key]);
  });
});

describe('reconcile', () => {
  it('pages through everything, goes on as a new run, and leaves one report', async () => {
    const ids: VideoId[] = [];
    for (let count = 0; count < 5; count += 1) {
      const id = await addWaiting();
      await sql(`update videos set status = 'completed', version = 1 where id = $1`, [id]);
      await addRun(id, `lost-${id}`, 2);
      await put(`videos/work/${id}/left.mp4`);
      ids.push(id);
    }
    const report = await reconcile({ pageSize: 2, pagesPerRun: 3 });
    expect(report).toMatchObject({
      counts: { ...NONE, runsSeen: 5, runsSettled: 5, objectsSeen: 10, objectsDeleted: 5 },
      findingCounts: { 'run-lost': 5 },
    });
    const [saved] = await sql('select * from reconcile_reports order by id desc limit 1');
    expect(saved).toMatchObject({ counts: report.counts, findings: report.findings });
  });

  it('goes on with the other steps when one cannot be done', async () => {
    await addWaiting();
    meanwhile.listed = () => {
      throw ApplicationFailure.nonRetryable('the store is away', 'storage-unavailable');
    };
    expect(await reconcile()).toMatchObject({
      counts: { videosStarted: 1 },
      findings: [{ code: 'storage-unavailable', subject: 'checkStoredObjects' }],
    });
  });

  it('refuses input that it does not know', async () => {
    await expect(
      pipeline.client.workflow.execute('ReconcileVideos', {
        taskQueue: TASK_QUEUES.orchestration,
        workflowId: `reconcile-${Math.random()}`,
        args: [{ videoId: 1 }],
      }),
    ).rejects.toMatchObject({ cause: { type: 'invalid-workflow-input' } });
  });
});
