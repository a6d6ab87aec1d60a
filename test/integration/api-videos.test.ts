import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { videoSchema } from '../../src/api/schemas/video.ts';
import { saveReport } from '../../src/db/reconcile-reports.ts';
import { AppError } from '../../src/domain/errors.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { addPage, emptyReport, toPageResult } from '../../src/domain/reconcile-report.ts';
import { createTestApi, problemCode, type TestApi, type TestUser } from '../support/api.ts';

let api: TestApi;
let admin: TestUser;
let owner: TestUser;

beforeAll(async () => {
  api = await createTestApi();
  admin = await api.addUser('admin');
});
beforeEach(async () => {
  owner = await api.addUser();
  api.workflows.reachable = true;
});
afterAll(() => api.close());

/** The part of a plan that is shown, and two chunks of its grid. */
const PLAN = {
  conversion: 'none',
  needsIndex: false,
  renditions: [{ quality: '240p', widthPx: 426, heightPx: 240, rateControl: {} }],
  skipped: [{ quality: '360p', reason: 'taller-than-source' }],
  estimate: { cpuSeconds: 12, storedBytes: 3456, encoderMemoryMb: 512 },
  warnings: [],
  chunks: [
    { index: 0, firstFrame: 0, endFrame: 50 },
    { index: 1, firstFrame: 50, endFrame: 99 },
  ],
};

interface RunChanges {
  readonly state?: string;
  readonly stage?: string;
  readonly plan?: object | null;
  readonly toolSeenAt?: Date | null;
  readonly progressPercent?: number;
  /** As if that percentage had been made in so many seconds. */
  readonly workedSeconds?: number;
  readonly failure?: object | null;
}

/** A run as the worker writes it. */
async function addRun(videoId: VideoId, changes: RunChanges = {}): Promise<string> {
  const runId = `run-${videoId}-${Math.random()}`;
  await api.db.sql(
    `insert into video_runs (video_id, workflow_id, run_id, kind, state, version, settings, source, plan, stage, progress_percent, tool_seen_at, failure, worked_seconds, done_percent, start_percent)
     values ($1, $2, $3, 'upload', $4, 1, '{}', '{}', $5, $6, $7, $8, $9, $10, $7, 0)`,
    [
      videoId,
      `process-video-${videoId}`,
      runId,
      changes.state ?? 'active',
      changes.plan === undefined ? JSON.stringify(PLAN) : changes.plan,
      changes.stage ?? 'compress',
      changes.progressPercent ?? 0,
      changes.toolSeenAt ?? null,
      changes.failure ?? null,
      changes.workedSeconds ?? 0,
    ],
  );
  return runId;
}

async function setVideo(videoId: VideoId, assignments: string): Promise<void> {
  await api.db.sql(`update videos set ${assignments} where id = $1`, [videoId]);
}

/** A published version with two renditions and two thumbnails, and what an older one left. */
async function publish(videoId: VideoId): Promise<void> {
  await setVideo(
    videoId,
    `status = 'completed', version = 2, completed_at = now(), skipped = '[{"quality":"1080p","reason":"taller-than-source"}]'`,
  );
  for (const [version, retired] of [
    [1, 'now()'],
    [2, 'null'],
  ] as const) {
    for (const output of ['240p', '360p', 'compressed', 'processed']) {
      await api.db.sql(
        `insert into video_streams (video_id, version, output, object_key, size_bytes, sha256, width_px, height_px, bitrate_bps, duration_seconds, codecs, retired_at)
         values ($1, $2, $3, 'k', $4, 'a', 640, 360, 800000, 3, 'avc1.64001e', ${retired})`,
        [videoId, version, output, version * 100],
      );
    }
    for (const position of [0, 1]) {
      await api.db.sql(
        `insert into thumbnails (video_id, version, position, timestamp_seconds, object_key, size_bytes, sha256, is_default, retired_at)
         values ($1, $2, $3, $4, 'k', 10, 'a', $5, ${retired})`,
        [videoId, version, position, position * 1.5, position === 1],
      );
    }
  }
}

describe('GET /videos/:id', () => {
  it('shows a published video whole, and only the published version of it', async () => {
    const id = await api.addVideo(owner);
    await publish(id);
    await addRun(id, { state: 'completed', progressPercent: 100 });
    const { body, status } = await api.ask('GET', `/videos/${id}`, { as: owner });
    expect(status).toBe(200);
    expect(body).toEqual({
      id,
      title: 'Holiday',
      description: '',
      ownerId: owner.id,
      categoryId: null,
      tags: [],
      visibility: 'private',
      status: 'completed',
      stage: null,
      progressPercent: 100,
      etaSeconds: null,
      playable: true,
      original: {
        fileName: 'holiday.mov',
        sizeBytes: 1000,
        sha256: 'a'.repeat(64),
        available: true,
      },
      durationSeconds: null,
      widthPx: null,
      heightPx: null,
      frameRate: null,
      streams: [
        {
          quality: '360p',
          widthPx: 640,
          heightPx: 360,
          bitrateBps: 800_000,
          sizeBytes: 200,
          codecs: 'avc1.64001e',
          url: `/videos/stream/${id}/360p/`,
        },
        {
          quality: '240p',
          widthPx: 640,
          heightPx: 360,
          bitrateBps: 800_000,
          sizeBytes: 200,
          codecs: 'avc1.64001e',
          url: `/videos/stream/${id}/240p/`,
        },
      ],
      plan: expect.objectContaining({ conversion: 'none', pieces: 2 }),
      skipped: [{ quality: '1080p', reason: 'taller-than-source' }],
      compressedUrl: `/videos/stream/${id}/compressed/`,
      hlsUrl: null,
      dashUrl: null,
      thumbnails: [
        { timestampSeconds: 0, url: `/videos/${id}/thumbnails/0.jpg`, isDefault: false },
        { timestampSeconds: 1.5, url: `/videos/${id}/thumbnails/1.jpg`, isDefault: true },
      ],
      thumbnailUrl: `/videos/${id}/thumbnails/1.jpg`,
      wantedThumbnails: [],
      poster: null,
      storyboardUrl: null,
      failure: null,
      warnings: [],
      waitingFor: null,
      lastRun: { kind: 'upload', state: 'completed', startedAt: expect.any(String), failure: null },
      profile: 'ladder',
      workflowId: `process-video-${id}`,
      version: 2,
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
      completedAt: expect.stringMatching(/Z$/),
    });
  });

  it('shows the active run, whatever came before it', async () => {
    const id = await api.addVideo(owner);
    await setVideo(id, `status = 'processing'`);
    await addRun(id, { state: 'failed' });
    await addRun(id, {
      stage: 'compress',
      progressPercent: 40,
      toolSeenAt: new Date(),
      workedSeconds: 60,
    });
    expect((await api.ask('GET', `/videos/${id}`, { as: owner })).body).toMatchObject({
      status: 'processing',
      stage: 'compress',
      progressPercent: 40,
      etaSeconds: expect.any(Number),
      lastRun: { state: 'active' },
    });
  });

  it('tells the plan of the newest run, the number of its chunks instead of all of them', async () => {
    const id = await api.addVideo(owner);
    await addRun(id);
    const { body } = await api.ask('GET', `/videos/${id}`, { as: owner });
    expect(body).toMatchObject({
      plan: {
        conversion: 'none',
        renditions: [{ quality: '240p', widthPx: 426, heightPx: 240 }],
        pieces: 2,
        indexedCopy: false,
        estimatedCpuSeconds: 12,
        estimatedMemoryMb: 512,
        estimatedStoredBytes: 3456,
      },
    });
    expect(JSON.stringify(body)).not.toContain('firstFrame');
  });

  it('answers as the description says', async () => {
    const id = await api.addVideo(owner);
    await publish(id);
    await addRun(id);
    const { body } = await api.ask('GET', `/videos/${id}`, { as: owner });
    expect(videoSchema.strict().parse(body)).toEqual(body);
  });
});

describe('GET /videos', () => {
  it('pages through everything once, newest first, also when videos are added meanwhile', async () => {
    const ids: number[] = [];
    for (let n = 0; n < 5; n += 1) ids.push(await api.addVideo(owner));
    const seen: number[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`;
      const { body } = await api.ask('GET', `/videos?limit=2${query}`, { as: owner });
      seen.push(...body.data.map((video: { id: number }) => video.id));
      cursor = body.nextCursor;
      await api.addVideo(owner);
    } while (cursor !== null);
    expect(seen).toEqual(ids.toReversed());
  });

  it('ends exactly at the last page', async () => {
    for (let n = 0; n < 2; n += 1) await api.addVideo(owner);
    const { body } = await api.ask('GET', '/videos?limit=2', { as: owner });
    expect(body).toMatchObject({ data: [{}, {}], nextCursor: null });
  });

  it('refuses the cursor of another list', async () => {
    const cursor = Buffer.from('comments:5').toString('base64url');
    expect(problemCode(await api.ask('GET', `/videos?cursor=${cursor}`, { as: owner }))).toBe(
      'validation-failed',
    );
  });

  it('filters by state, category, tag and text, whatever the case', async () => {
    const [{ id: categoryId }] = (await api.db.sql(
      `insert into categories (name) values ($1) returning id`,
      [owner.email],
    )) as [{ id: number }];
    const tagged = await api.addVideo(owner, {
      title: 'Über 50% off_season',
      tags: ['sea', 'sun'],
    });
    const sorted = await api.addVideo(owner, { categoryId, description: 'a LONG walk' });
    await setVideo(sorted, `status = 'failed'`);
    const find = async (query: string): Promise<number[]> =>
      (await api.ask('GET', `/videos?${query}`, { as: owner })).body.data.map(
        (video: { id: number }) => video.id,
      );
    expect(await find('tag=sun')).toEqual([tagged]);
    expect(await find('tag=su')).toEqual([]);
    expect(await find(`categoryId=${categoryId}`)).toEqual([sorted]);
    expect(await find('status=failed')).toEqual([sorted]);
    expect(await find('q=long%20WALK')).toEqual([sorted]);
    expect(await find('q=50%25%20off_')).toEqual([tagged]);
    expect(await find('q=5%25off')).toEqual([]);
    expect(await find(`status=failed&tag=sun`)).toEqual([]);
  });

  it('shows administrators all, or one owner’s', async () => {
    const mine = await api.addVideo(admin);
    const theirs = await api.addVideo(owner);
    const find = async (query: string): Promise<number[]> =>
      (await api.ask('GET', `/videos?limit=100${query}`, { as: admin })).body.data.map(
        (video: { id: number }) => video.id,
      );
    expect(await find('')).toEqual(expect.arrayContaining([mine, theirs]));
    expect(await find(`&ownerId=${owner.id}`)).toEqual([theirs]);
    expect(
      (await api.ask('GET', `/videos?ownerId=${owner.id}`, { as: owner })).body.data,
    ).toHaveLength(1);
  });
});

describe('PATCH /videos/:id', () => {
  it('changes what is given and leaves the rest', async () => {
    const id = await api.addVideo(owner, { description: 'stays', tags: ['old'] });
    const [{ id: categoryId }] = (await api.db.sql(
      `insert into categories (name) values ($1) returning id`,
      [`c ${id}`],
    )) as [{ id: number }];
    const changed = await api.ask('PATCH', `/videos/${id}/`, {
      as: owner,
      json: { title: ' New ', tags: ['a', 'b', 'a'], categoryId },
    });
    expect(changed.body).toMatchObject({
      title: 'New',
      description: 'stays',
      tags: ['a', 'b'],
      categoryId,
    });
    expect(changed.body.updatedAt > changed.body.createdAt).toBe(true);
    const cleared = await api.ask('PATCH', `/videos/${id}`, {
      as: owner,
      json: { categoryId: null, tags: [] },
    });
    expect(cleared.body).toMatchObject({ title: 'New', categoryId: null, tags: [] });
    expect((await api.ask('PATCH', `/videos/${id}`, { as: owner, json: {} })).body.title).toBe(
      'New',
    );
  });
});

describe('DELETE /videos/:id', () => {
  it('takes the video away from readers at once and starts its removal', async () => {
    const id = await api.addVideo(owner);
    const deleted = await api.ask('DELETE', `/videos/${id}`, { as: owner });
    expect({ status: deleted.status, body: deleted.body }).toEqual({
      status: 202,
      body: { workflowId: `delete-video-${id}` },
    });
    for (const path of [`/videos/${id}`, `/videos/${id}/comments`]) {
      expect(problemCode(await api.ask('GET', path, { as: owner }))).toBe('video-not-found');
    }
    expect(problemCode(await api.ask('GET', `/videos/${id}`, { as: admin }))).toBe(
      'video-not-found',
    );
    expect(problemCode(await api.ask('DELETE', `/videos/${id}`, { as: owner }))).toBe(
      'video-not-found',
    );
    expect(api.workflows.deleted).toEqual([id]);
    expect(
      (await api.db.sql('select deleted_at from videos where id = $1', [id]))[0]?.['deleted_at'],
    ).toBeInstanceOf(Date);
  });

  it('works while Temporal is away; the removal follows', async () => {
    const id = await api.addVideo(owner);
    api.workflows.reachable = false;
    expect((await api.ask('DELETE', `/videos/${id}`, { as: owner })).status).toBe(202);
    expect(problemCode(await api.ask('GET', `/videos/${id}`, { as: owner }))).toBe(
      'video-not-found',
    );
  });
});

describe('POST /videos/:id/cancel', () => {
  it('asks the active run to stop, or the one that has not claimed the video yet', async () => {
    const id = await api.addVideo(owner);
    await api.ask('POST', `/videos/${id}/cancel`, { as: owner });
    expect(api.workflows.cancelled.at(-1)).toBe(`process-video-${id}`);
    await addRun(id);
    const answer = await api.ask('POST', `/videos/${id}/cancel`, { as: owner });
    expect({ status: answer.status, body: answer.body }).toEqual({
      status: 202,
      body: { workflowId: `process-video-${id}` },
    });
    expect(api.workflows.cancelled.at(-1)).toBe(`process-video-${id}`);
  });

  it('says that nothing runs, or that it is too late', async () => {
    const id = await api.addVideo(owner);
    await addRun(id, { state: 'cancelled' });
    await api.db.sql(`update videos set status = 'cancelled' where id = $1`, [id]);
    expect(problemCode(await api.ask('POST', `/videos/${id}/cancel`, { as: owner }))).toBe(
      'no-active-run',
    );
    await publish(id);
    expect(problemCode(await api.ask('POST', `/videos/${id}/cancel`, { as: owner }))).toBe(
      'already-completed',
    );
  });

  it('tells when Temporal is away', async () => {
    const id = await api.addVideo(owner);
    await addRun(id);
    api.workflows.reachable = false;
    const answer = await api.ask('POST', `/videos/${id}/cancel`, { as: owner });
    expect({ status: answer.status, code: problemCode(answer) }).toEqual({
      status: 503,
      code: 'temporal-unavailable',
    });
    expect(answer.headers.get('Retry-After')).toBe('5');
  });
});

describe('POST /videos/:id/reprocess and /retry', () => {
  it('starts a run with what was asked for', async () => {
    const id = await api.addVideo(owner, { priority: 'bulk' });
    await publish(id);
    const json = {
      profile: '720p',
      thumbnailTimestamps: [0, 1.5],
      timeoutSeconds: 900,
      skip: ['1080p'],
      from: 'ladder',
      renditions: ['720p'],
    };
    const answer = await api.ask('POST', `/videos/${id}/reprocess`, { as: owner, json });
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({ workflowId: `process-video-${id}`, runId: expect.any(String) });
    expect(api.workflows.runs.at(-1)).toEqual({
      video: { id, ownerId: owner.id, title: 'Holiday', priority: 'bulk' },
      input: json,
    });
  });

  it('needs no body', async () => {
    const id = await api.addVideo(owner);
    await setVideo(id, `status = 'failed'`);
    const json = { 'Content-Type': 'application/json' };
    for (const action of ['reprocess', 'retry']) {
      for (const none of [{}, { headers: json }, { headers: json, body: '' }]) {
        const answer = await api.ask('POST', `/videos/${id}/${action}`, { as: owner, ...none });
        expect({ none, status: answer.status }).toEqual({ none, status: 202 });
        expect(api.workflows.runs.at(-1)?.input).toEqual({});
      }
    }
  });

  it.each(['reprocess', 'retry'])('%s is refused while another run is active', async (action) => {
    const id = await api.addVideo(owner);
    await setVideo(id, `status = 'failed'`);
    await addRun(id);
    const answer = await api.ask('POST', `/videos/${id}/${action}`, { as: owner });
    expect({ status: answer.status, code: problemCode(answer) }).toEqual({
      status: 409,
      code: 'video-busy',
    });
    expect(answer.body.workflowId).toBe(`process-video-${id}`);
  });

  it.each(['reprocess', 'retry'])(
    '%s while Temporal is away is answered with 503, and nothing has changed',
    async (action) => {
      const id = await api.addVideo(owner);
      await setVideo(id, `status = 'failed'`);
      api.workflows.reachable = false;
      const answer = await api.ask('POST', `/videos/${id}/${action}`, { as: owner });
      api.workflows.reachable = true;
      expect({ status: answer.status, code: problemCode(answer) }).toEqual({
        status: 503,
        code: 'temporal-unavailable',
      });
      expect(answer.headers.get('Retry-After')).toBe('5');
      expect((await api.ask('GET', `/videos/${id}`, { as: owner })).body).toMatchObject({
        status: 'failed',
        lastRun: null,
      });
    },
  );

  it('refuses what Temporal knows to be running', async () => {
    const id = await api.addVideo(owner);
    await setVideo(id, `status = 'failed'`);
    const { startRun } = api.workflows;
    api.workflows.startRun = () => Promise.reject(new AppError('video-busy', { workflowId: 'x' }));
    const answer = await api.ask('POST', `/videos/${id}/retry`, { as: owner });
    api.workflows.startRun = startRun;
    expect({ status: answer.status, code: problemCode(answer) }).toEqual({
      status: 409,
      code: 'video-busy',
    });
  });

  it.each([
    ['failed', 202, undefined],
    ['cancelled', 202, undefined],
    ['completed', 409, 'already-completed'],
    ['pending', 409, 'video-busy'],
    ['processing', 409, 'video-busy'],
  ])('retries a video that is %s: %d %s', async (status, expected, code) => {
    const id = await api.addVideo(owner);
    await setVideo(id, `status = '${status}'`);
    const answer = await api.ask('POST', `/videos/${id}/retry`, { as: owner });
    expect({ status: answer.status, code: answer.body.code }).toEqual({ status: expected, code });
  });

  it('goes on from the published version where the original was not kept', async () => {
    const id = await api.addVideo(owner);
    await publish(id);
    await setVideo(id, 'original_available = false');
    const answer = await api.ask('POST', `/videos/${id}/reprocess`, { as: owner });
    expect(answer.status).toBe(202);
  });

  it.each([
    [{ renditions: ['1080p'] }, 'renditions'],
    [{ skip: ['240p', '360p', '480p'] }, 'skip'],
    [{ profile: '720p', renditions: ['240p'] }, 'renditions'],
  ])('refuses what a probed source does not have: %j', async (json, path) => {
    const id = await api.addVideo(owner);
    await setVideo(id, `status = 'failed'`);
    await addRun(id, { state: 'failed' });
    await api.db.sql(
      `update video_runs set media_info = '{"video": {"displayWidthPx": 854, "displayHeightPx": 480}}' where video_id = $1`,
      [id],
    );
    const answer = await api.ask('POST', `/videos/${id}/retry`, { as: owner, json });
    expect({ status: answer.status, code: problemCode(answer) }).toEqual({
      status: 422,
      code: 'validation-failed',
    });
    expect(answer.body.errors).toEqual([{ path, message: expect.stringContaining('This source') }]);
    expect(api.workflows.runs.filter(({ video }) => video.id === id)).toEqual([]);
  });

  it('says when the original is gone', async () => {
    const id = await api.addVideo(owner);
    await setVideo(id, `status = 'failed', original_available = false`);
    expect(problemCode(await api.ask('POST', `/videos/${id}/retry`, { as: owner }))).toBe(
      'source-missing',
    );
  });
});

describe('GET /admin/retention', () => {
  it('pages through what would go, for administrators alone, and removes nothing', async () => {
    const admin = await api.addUser('admin');
    const uploads = { title: 'Old', originalSizeBytes: 7000 };
    const ids = [await api.addVideo(owner, uploads), await api.addVideo(owner, uploads)];
    for (const id of ids) {
      await publish(id);
      await setVideo(id, `original_removal_due_at = now()`);
    }
    const actions = [{ action: 'remove-original', reason: 'keep-original', bytes: 7000 }];
    const rows = [];
    for (let query = '?limit=1', round = 0; round < 2; round += 1) {
      const page = await api.ask('GET', `/admin/retention${query}`, { as: admin });
      expect(page).toMatchObject({
        status: 200,
        body: {
          settings: {
            keepOriginal: true,
            keepOriginalDays: null,
            workRetentionDays: 7,
            deleteVideosAfterDays: null,
          },
          totals: [{ action: 'remove-original', videos: 2, bytes: 14_000 }],
        },
      });
      expect(page.body.nextCursor === null).toBe(round === 1);
      rows.push(...page.body.data);
      query = `?limit=1&cursor=${page.body.nextCursor}`;
    }
    expect(rows).toEqual(
      ids.map((videoId) => ({
        videoId,
        title: 'Old',
        ownerId: owner.id,
        uploadedAt: expect.any(String),
        actions,
      })),
    );
    expect(problemCode(await api.ask('GET', '/admin/retention', { as: owner }))).toBe(
      'permission-denied',
    );
    const readOnly = await api.addKey(admin, 'admin', ['read']);
    expect(problemCode(await api.ask('GET', '/admin/retention', { as: readOnly }))).toBe(
      'permission-denied',
    );
  });
});

describe('GET /queue', () => {
  it('lists active runs, to members their own and to administrators all', async () => {
    const waiting = await api.addVideo(owner, { title: 'Waiting' });
    const running = await api.addVideo(admin);
    const ended = await api.addVideo(owner);
    const gone = await api.addVideo(owner);
    await addRun(waiting, { stage: 'compress', progressPercent: 12 });
    await addRun(running, { stage: 'compress', toolSeenAt: new Date() });
    await addRun(ended, { state: 'failed' });
    await addRun(gone);
    await setVideo(gone, 'deleted_at = now()');
    const own = await api.ask('GET', '/queue', { as: owner });
    expect(own.body.data).toEqual([
      {
        videoId: waiting,
        title: 'Waiting',
        ownerId: owner.id,
        kind: 'upload',
        stage: 'waiting-for-slot',
        progressPercent: 12,
        waitingFor: null,
        workflowId: `process-video-${waiting}`,
        runId: expect.any(String),
        startedAt: expect.stringMatching(/Z$/),
      },
    ]);
    const all = (await api.ask('GET', '/queue', { as: admin })).body.data;
    expect(all.map((entry: { videoId: number }) => entry.videoId)).toEqual(
      expect.arrayContaining([waiting, running]),
    );
    expect(all.find((entry: { videoId: number }) => entry.videoId === running).stage).toBe(
      'compress',
    );
    expect(all.map((entry: { videoId: number }) => entry.videoId)).not.toContain(gone);
  });

  it('lists as many as asked for, at most 100, newest first', async () => {
    const newest = [];
    for (let count = 0; count < 101; count += 1) newest.unshift(await api.addVideo(owner));
    for (const id of newest.toReversed()) await addRun(id);
    const list = async (query: string) =>
      (await api.ask('GET', `/queue${query}`, { as: owner })).body.data.map(
        (entry: { videoId: number }) => entry.videoId,
      );
    expect(await list('?limit=2')).toEqual(newest.slice(0, 2));
    expect(await list('')).toEqual(newest.slice(0, 100));
    for (const limit of ['0', '101', 'x'])
      expect(problemCode(await api.ask('GET', `/queue?limit=${limit}`, { as: owner }))).toBe(
        'validation-failed',
      );
  });
});

describe('GET /admin/reconcile', () => {
  it('tells administrators what the last looks came to, newest first', async () => {
    const report = emptyReport('2026-11-22T11:30:15.123Z');
    const finding = { code: 'run-wedged', videoId: 7, subject: 'x', detail: 'y' } as const;
    for (const [runId, findings] of [
      ['1', []],
      ['2', [finding]],
    ] as const)
      await api.db.database.transact((tx) =>
        saveReport(
          tx,
          { workflowId: 'reconcile', runId },
          addPage(report, toPageResult(null, {}, findings)),
        ),
      );
    const { body } = await api.ask('GET', '/admin/reconcile?limit=1', { as: admin });
    expect(body.data).toEqual([
      {
        ...report,
        id: expect.any(Number),
        workflowId: 'reconcile',
        finishedAt: expect.any(String),
        durationSeconds: expect.any(Number),
        findingCounts: { 'run-wedged': 1 },
        findings: [finding],
      },
    ]);
    const refused = await api.ask('GET', '/admin/reconcile', { as: owner });
    expect(problemCode(refused)).toBe('permission-denied');
  });
});
