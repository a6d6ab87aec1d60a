import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createDatabase } from '../../src/db/database.ts';
import { type MikroORM, openOrm } from '../../src/db/orm.ts';
import { AppError } from '../../src/domain/errors.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { TRANSFER_MARGIN_SECONDS } from '../../src/domain/tool-time.ts';
import { TASK_QUEUES, WORKFLOW_TYPES } from '../../src/workflows/messages.ts';
import { makeClip } from '../support/make-clip.ts';
import { type Pipeline, type PipelineOptions, startPipeline } from '../support/pipeline.ts';
import { findProcesses } from '../support/processes.ts';
import { writeSlowFfmpeg, writeStubFfmpeg } from '../support/stub-ffmpeg.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const SMALL = { widthPx: 320, heightPx: 180, framesPerSecond: 10 } as const;

describe('faults of a run', () => {
  let pipeline: Pipeline;
  let clips: string;
  let short: string;
  /** With nothing to make but the picture. */
  let silent: string;
  let long: string;
  /** Of which no encode ends while it is looked at. */
  let slow: string;

  beforeAll(async () => {
    clips = await mkdtemp(path.join(tmpdir(), 'steadyreel-clips-'));
    // One rendition, and one group of pictures, so that there is one piece.
    short = await makeClip(path.join(clips, 'short.mp4'), { ...SMALL, seconds: 1 });
    silent = await makeClip(path.join(clips, 'silent.mp4'), { ...SMALL, seconds: 1, audio: false });
    long = await makeClip(path.join(clips, 'long.mp4'), { ...SMALL, seconds: 60, audio: false });
    slow = await writeSlowFfmpeg(clips, 0.1);
  });

  afterEach(() => pipeline.close());
  afterAll(() => rm(clips, { recursive: true, force: true }));

  const stub = (body: string): Promise<string> => writeStubFfmpeg(clips, body);

  async function start(options: PipelineOptions = {}): Promise<void> {
    pipeline = await startPipeline(options);
  }

  async function untilEncodes(): Promise<void> {
    await pipeline.until(
      'an encode is running',
      async () => (await findProcesses(`${pipeline.folder}/work`, 'libx264')).length > 0,
    );
  }

  async function expectNoTools(): Promise<void> {
    expect(await findProcesses(`${pipeline.folder}/`)).toEqual([]);
  }

  async function expectOriginalAlone(id: VideoId): Promise<void> {
    const { stored_name: name, original_size_bytes: size } = await pipeline.video(id);
    expect(await pipeline.keys()).toEqual([`videos/original/${String(name)}`]);
    expect(await pipeline.deps.store.stat(`videos/original/${String(name)}`)).toMatchObject({
      sizeBytes: Number(size),
    });
  }

  it.each([
    ['a real encode', () => slow],
    ['an encoder that ignores SIGTERM', () => stub(`trap '' TERM; while true; do sleep 1; done`)],
    [
      'an encoder that reports progress for ever',
      () =>
        stub(
          `n=0; while true; do n=$((n+1000)); printf 'frame=%s\\nout_time_us=%s\\ntotal_size=%s\\nprogress=continue\\n' $n $n $n; sleep 0.2; done`,
        ),
    ],
  ])(
    'rule 29: the timeout stops %s, its whole group dead before the activity ends',
    async (_title, encoder) => {
      await start({ settings: { timeoutSeconds: 2 }, ffmpegPath: await encoder() });
      const id = await pipeline.submit(long);
      const video = await pipeline.waitForStatus(id, 'failed');
      expect(video['failure']).toMatchObject({
        code: 'processing-timeout',
        step: 'compressChunk',
        attempt: 1,
      });
      await expectNoTools();
      const { stored_name: name } = video;
      expect(await pipeline.deps.store.stat(`videos/original/${String(name)}`)).toBeDefined();
    },
  );

  it('rule 13: more time that an operator gives to a running piece counts', async () => {
    const budgetSeconds = 8;
    // Longer than its budget, and well within what is given to it.
    const ffmpegPath = await writeSlowFfmpeg(clips, 1 / (budgetSeconds + 3));
    await start({ settings: { timeoutSeconds: budgetSeconds }, ffmpegPath });
    const id = await pipeline.submit(short);
    await untilEncodes();
    const { raw } = await pipeline.client.workflow.getHandle(`process-video-${id}`).describe();
    const piece = raw.pendingActivities?.find(
      ({ activityType }) => activityType?.name === 'compressChunk',
    );
    await pipeline.client.workflowService.updateActivityOptions({
      namespace: pipeline.client.options.namespace,
      execution: { workflowId: `process-video-${id}` },
      id: piece?.activityId ?? '',
      activityOptions: {
        startToCloseTimeout: { seconds: (TRANSFER_MARGIN_SECONDS + 300) as never },
      },
      updateMask: { paths: ['start_to_close_timeout'] },
    });
    await pipeline.waitForStatus(id, 'completed');
  });

  it('rules 1, 9 and 15: a cancel ends every ffmpeg at once, before anything is undone, and leaves the original alone', async () => {
    await start({ ffmpegPath: slow });
    const id = await pipeline.submit(long);
    await untilEncodes();
    expect(await pipeline.video(id)).toMatchObject({ status: 'processing' });
    await pipeline.client.workflow.getHandle(`process-video-${id}`).cancel();
    await pipeline.waitForStatus(id, 'cancelled');
    await expectNoTools();
    await pipeline.until(
      'objects of the run are gone',
      async () => (await pipeline.keys()).length === 1,
    );
    await expectOriginalAlone(id);
    const { events } = await pipeline.client.workflow
      .getHandle(`process-video-${id}`)
      .fetchHistory();
    const encodesEnded = (events ?? []).findLastIndex(
      (event) => event.activityTaskCanceledEventAttributes,
    );
    const undone = (events ?? []).findIndex(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'markCancelled',
    );
    expect(encodesEnded).toBeGreaterThan(0);
    expect(undone).toBeGreaterThan(encodesEnded);

    // rule 9: a start that is repeated does not revive it
    await pipeline.untilRunEnds(id);
    await pipeline.deps.workflows.startUpload({
      id,
      ownerId: pipeline.ownerId,
      title: 'x',
      priority: 'normal',
    });
    const result = await pipeline.client.workflow.getHandle(`process-video-${id}`).result();
    expect(result).toMatchObject({ outcome: 'nothing-to-do' });
    expect(await pipeline.video(id)).toMatchObject({ status: 'cancelled' });
  });

  it('rule 2: a cancel that arrives during publish comes too late', async () => {
    let entered: () => void = () => undefined;
    let release: () => void = () => undefined;
    const hasEntered = new Promise<void>((resolve) => (entered = resolve));
    const isReleased = new Promise<void>((resolve) => (release = resolve));
    await start({
      replace: ({ store }) => ({
        store: {
          ...store,
          async stat(key) {
            // Only publish looks at this one.
            if (key.startsWith('videos/compressed/')) {
              entered();
              await isReleased;
            }
            return store.stat(key);
          },
        },
      }),
    });
    const id = await pipeline.submit(short);
    await hasEntered;
    await pipeline.client.workflow.getHandle(`process-video-${id}`).cancel();
    release();
    await pipeline.waitForStatus(id, 'completed');
    const { status } = await pipeline.client.workflow.getHandle(`process-video-${id}`).describe();
    await pipeline.until(
      'the run has ended',
      async () =>
        (await pipeline.client.workflow.getHandle(`process-video-${id}`).describe()).status.name !==
        'RUNNING',
    );
    expect(['RUNNING', 'COMPLETED']).toContain(status.name);
    expect(
      await pipeline.db.sql('select 1 from video_streams where video_id = $1', [id]),
    ).toHaveLength(3);
  });

  it('rule 2: a cancel that comes before publish counts, also where the last step was done before it heard of it', async () => {
    const { promise: isReleased, resolve: release } = Promise.withResolvers<void>();
    await start({
      replace: ({ store }) => ({
        store: {
          ...store,
          async putFile(key, file, options) {
            const stored = await store.putFile(key, file, options);
            if (/^videos\/thumbnails\/.*\/3\.jpg$/.test(key)) await isReleased;
            return stored;
          },
        },
      }),
    });
    const id = await pipeline.submit(short);
    const run = pipeline.client.workflow.getHandle(`process-video-${id}`);
    const isIn = async (step: string) => {
      const { raw } = await run.describe();
      const pending = (raw.pendingActivities ?? []).map(({ activityType }) => activityType?.name);
      return pending.length === 1 && pending[0] === step;
    };
    await pipeline.until('only the thumbnails are left', () => isIn('makeThumbnails'));
    await run.cancel();
    await pipeline.until('the run has heard of it', async () => {
      const { events } = await run.fetchHistory();
      return (events ?? []).some((event) => event.activityTaskCancelRequestedEventAttributes);
    });
    release();
    await pipeline.waitForStatus(id, 'cancelled');
    await pipeline.until('its objects are gone', async () => (await pipeline.keys()).length === 1);
    await expectOriginalAlone(id);
  });

  it('rule 5: of two runs started at once one works, the other ends video-busy and touches nothing', async () => {
    await start({ ffmpegPath: slow });
    const id = await pipeline.submit(long);
    await pipeline.until(
      'the run is claimed',
      async () => (await pipeline.db.sql('select 1 from video_runs')).length === 1,
    );
    const second = await pipeline.client.workflow.start(WORKFLOW_TYPES.processVideo, {
      taskQueue: TASK_QUEUES.orchestration,
      workflowId: 'somebody-typed-this',
      args: [{ videoId: id }],
    });
    await expect(second.result()).rejects.toMatchObject({
      cause: { cause: { type: 'video-busy' } },
    });
    expect(await pipeline.db.sql('select workflow_id, state from video_runs')).toEqual([
      { workflow_id: `process-video-${id}`, state: 'active' },
    ]);
    expect((await pipeline.video(id))['failure']).toBeNull();
  });

  it('rule 12: an encoder that fails three times fails the video and keeps the original', async () => {
    await start({ ffmpegPath: await writeStubFfmpeg(clips, 'echo "x264 gave up" >&2; exit 1') });
    const id = await pipeline.submit(short);
    const video = await pipeline.hurryTo(id, 'failed');
    expect(video['failure']).toMatchObject({
      code: 'encoder-failed',
      step: 'compressChunk',
    });
    const [attempts] = await pipeline.db.sql(`select * from piece_attempts where name = 'chunk/0'`);
    expect(attempts).toMatchObject({ encoder_faults: 3, unended_starts: 0 });
  });

  it('rule 17: an encoder that is killed twice is tried again with one thread', async () => {
    const log = path.join(clips, 'kills');
    const stub = await writeStubFfmpeg(
      clips,
      `case " $* " in *" -threads:v 1 "*) exec ffmpeg "$@" ;; esac; echo x >> ${log}; kill -9 $$`,
    );
    await start({ ffmpegPath: stub });
    const id = await pipeline.submit(short);
    await pipeline.hurryTo(id, 'completed');
    const summaries = await summariesOf(pipeline, id);
    expect(summaries.filter((summary) => summary.startsWith('chunk'))).toEqual([
      'chunk 1/1 → 240p',
      'chunk 1/1 → 240p, one thread',
    ]);
  });

  it('rule 17: a piece that one thread makes no smaller is tried as often as others are', async () => {
    const log = path.join(clips, 'sound-kills');
    const stub = await writeStubFfmpeg(
      clips,
      `[ -e ${log} ] && [ $(wc -l < ${log}) -ge 3 ] && exec ffmpeg "$@"; echo x >> ${log}; kill -9 $$`,
      'aac',
    );
    await start({ ffmpegPath: stub });
    const id = await pipeline.submit(short);
    await pipeline.hurryTo(id, 'completed');
    expect(
      await pipeline.db.sql(`select kills from piece_attempts where name = 'audio' or kills > 0`),
    ).toEqual([{ kills: 3 }]);
  });

  it('turns faults of the pictures into warnings', async () => {
    await start({ ffmpegPath: await writeStubFfmpeg(clips, 'exit 1', 'image2') });
    const id = await pipeline.submit(short);
    const video = await pipeline.hurryTo(id, 'completed');
    const codes = (video['warnings'] as { code: string }[]).map(({ code }) => code);
    expect(codes.toSorted()).toEqual(['pictures-failed', 'storyboard-failed']);
  });

  it('rule 12: waits out a store that is away, in plain sight, and goes on by itself; a cancel ends the wait', async () => {
    let isAway = true;
    await start({
      replace: ({ store }) => ({
        store: {
          ...store,
          async fetchToFile(key, file, signal) {
            if (isAway) throw new AppError('storage-unavailable');
            return store.fetchToFile(key, file, signal);
          },
        },
      }),
    });
    const [id, unwanted] = [await pipeline.submit(short), await pipeline.submit(short)];
    await pipeline.until('the waits are told', async () => {
      const runs = await pipeline.db.sql('select waiting_for from video_runs');
      const told =
        /^storage-unavailable: The storage does not answer, next try \d\d:\d\d:\d\d UTC$/;
      return runs.length === 2 && runs.every((run) => told.test(String(run['waiting_for'])));
    });
    await pipeline.deps.workflows.cancelRun(`process-video-${unwanted}`);
    await pipeline.waitForStatus(unwanted, 'cancelled');
    isAway = false;
    await pipeline.hurryTo(id, 'completed');
  });

  it('rule 12: patience with the platform has an end, and the run then fails with its code', async () => {
    await start({
      settings: { platformFaultPatienceSeconds: 0 },
      replace: ({ store }) => ({
        store: {
          ...store,
          fetchToFile: () => Promise.reject(new AppError('storage-unavailable')),
        },
      }),
    });
    const id = await pipeline.submit(short);
    const { failure } = await pipeline.waitForStatus(id, 'failed');
    expect(failure).toMatchObject({ code: 'storage-unavailable', step: 'probe' });
  });

  it('rule 48: a clock that jumps takes no time from a piece', async () => {
    const tell = Date.now;
    let aheadMs = 0;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => tell() + aheadMs);
    await start({
      replace: ({ ffmpeg }) => ({
        ffmpeg: {
          ...ffmpeg,
          async run(...args) {
            aheadMs += 36_000_000;
            return ffmpeg.run(...args).finally(() => (aheadMs += 36_000_000));
          },
        },
      }),
    });
    const id = await pipeline.submit(short);
    const video = await pipeline.hurryTo(id, 'completed');
    clock.mockRestore();
    expect(video['warnings']).toEqual([]);
  });

  it('rule 14: heartbeats come while a file is fetched, too', async () => {
    let release: () => void = () => undefined;
    const isReleased = new Promise<void>((resolve) => (release = resolve));
    await start({
      replace: ({ store }) => ({
        store: {
          ...store,
          async fetchToFile(...args) {
            await isReleased;
            return store.fetchToFile(...args);
          },
        },
      }),
    });
    const id = await pipeline.submit(short);
    const beats = new Set<string>();
    await pipeline.until('heartbeats have arrived', async () => {
      const { raw } = await pipeline.client.workflow.getHandle(`process-video-${id}`).describe();
      for (const { lastHeartbeatTime: at } of raw.pendingActivities ?? [])
        if (at) beats.add(`${String(at.seconds)}.${String(at.nanos)}`);
      return beats.size >= 2;
    });
    release();
    await pipeline.waitForStatus(id, 'completed');
  });

  it('rule 4: a database that is away while a failed run is settled is waited for, and the row is right after', async () => {
    let proxy: TcpProxy | undefined;
    let orm: MikroORM | undefined;
    await start({
      replace: async ({ ffmpeg }, { url }) => {
        const target = new URL(url);
        proxy = await startTcpProxy({ host: target.hostname, port: Number(target.port) });
        target.host = `127.0.0.1:${proxy.port}`;
        orm = await openOrm({ databaseUrl: target.href, poolSize: 4 });
        const away = proxy;
        return {
          database: createDatabase(orm),
          ffmpeg: {
            ...ffmpeg,
            async run() {
              away.cut();
              throw new AppError('processing-timeout');
            },
          },
        };
      },
    });
    try {
      const id = await pipeline.submit(short);
      await pipeline.until('the run tries to settle the row', async () => {
        const { raw } = await pipeline.client.workflow.getHandle(`process-video-${id}`).describe();
        return (raw.pendingActivities ?? []).some(
          ({ activityType, attempt = 0 }) =>
            activityType?.name === 'markFailed' && Number(attempt) >= 3,
        );
      });
      expect(await pipeline.video(id)).toMatchObject({ status: 'processing' });
      proxy?.mend();
      const video = await pipeline.waitForStatus(id, 'failed');
      expect(video['failure']).toMatchObject({ code: 'processing-timeout', attempt: 1 });
      expect(await pipeline.db.sql('select state from video_runs')).toEqual([{ state: 'failed' }]);
    } finally {
      await orm?.close(true);
      await proxy?.close();
    }
  });

  it('rule 4: a row that is gone when a failed run is settled counts as done', async () => {
    let hasFailed = false;
    await start({
      replace: ({ ffmpeg, database }, db) => ({
        ffmpeg: {
          ...ffmpeg,
          run() {
            hasFailed = true;
            return Promise.reject(new AppError('processing-timeout'));
          },
        },
        database: {
          ...database,
          async transact(work) {
            if (hasFailed) await db.sql('delete from videos');
            return database.transact(work);
          },
        },
      }),
    });
    const id = await pipeline.submit(silent);
    await expect(
      pipeline.client.workflow.getHandle(`process-video-${id}`).result(),
    ).rejects.toMatchObject({ cause: { cause: { type: 'processing-timeout' } } });
    expect(await pipeline.db.sql('select 1 from videos')).toEqual([]);
  });

  it('rule 20: of two attempts at one piece the first to commit wins, and the object of the other goes', async () => {
    await start({
      replace: ({ store }) => ({
        store: {
          ...store,
          async putFile(key, file, options) {
            if (key.startsWith('videos/work/'))
              await store.putFile(key.replace('.mp4', '-rival.mp4'), file, options);
            return store.putFile(key, file, options);
          },
        },
      }),
    });
    await pipeline.db.sql(
      `create function commit_first() returns trigger language plpgsql as $$ begin
         if new.object_key like 'videos/work/%' and new.object_key not like '%-rival.mp4' then
           insert into pieces (video_id, source_sha256, name, kind, recipe, version, object_key, size_bytes, sha256, tool_version, facts)
           values (new.video_id, new.source_sha256, new.name, new.kind, new.recipe, new.version,
                   replace(new.object_key, '.mp4', '-rival.mp4'), new.size_bytes, new.sha256, new.tool_version, new.facts);
         end if;
         return new; end $$`,
    );
    await pipeline.db.sql(
      'create trigger commit_first before insert on pieces for each row execute function commit_first()',
    );
    const id = await pipeline.submit(short);
    await pipeline.client.workflow.getHandle(`process-video-${id}`).result();
    expect(await pipeline.video(id)).toMatchObject({ status: 'completed' });
    expect(await pipeline.keys('work/')).toEqual([]);
  });

  it('a database that is away when a piece is to be entered costs no encode and leaves no object', async () => {
    let failures = 0;
    let encodes = 0;
    await start({
      replace: ({ store, database, ffmpeg }) => {
        let isAway = false;
        return {
          store: {
            ...store,
            async putFile(key, file, options) {
              const stored = await store.putFile(key, file, options);
              if (failures === 0 && key.startsWith('videos/work/')) isAway = true;
              return stored;
            },
          },
          database: {
            ...database,
            async transact(work) {
              if (isAway) {
                failures += 1;
                isAway = failures < 3;
                throw new AppError('database-unavailable');
              }
              return database.transact(work);
            },
          },
          ffmpeg: {
            ...ffmpeg,
            async run(command, limits) {
              const isEncode = command.outputs.some(({ options }) => options.includes('libx264'));
              encodes += isEncode ? 1 : 0;
              return ffmpeg.run(command, limits);
            },
          },
        };
      },
    });
    const id = await pipeline.submit(short);
    await pipeline.waitForStatus(id, 'completed');
    expect({ failures, encodes }).toEqual({ failures: 3, encodes: 1 });
    await pipeline.until(
      'the pieces have gone',
      async () => (await pipeline.keys('work/')).length === 0,
    );
  });

  it('rule 8: an output that is gone when it is to be published is made again', async () => {
    let isGone = false;
    await start({
      replace: ({ store }) => ({
        store: {
          ...store,
          async stat(key) {
            if (key.startsWith('videos/compressed/') && !isGone) {
              isGone = true;
              await store.delete([key]);
            }
            return store.stat(key);
          },
        },
      }),
    });
    const id = await pipeline.submit(short);
    await pipeline.waitForStatus(id, 'completed');
    expect(isGone).toBe(true);
    expect(await pipeline.deps.store.stat(`videos/compressed/${id}/v1.mp4`)).toBeDefined();
  });

  it('rule 3: fails a malformed start at once and touches no row', async () => {
    await start();
    const id = await pipeline.addVideo(short);
    for (const input of [
      { videoId: 'x' },
      { videoId: id, extra: 1 },
      { videoId: id, from: 'nowhere' },
      { videoId: id, skip: ['4320p'] },
      'text',
      undefined,
    ]) {
      const run = await pipeline.client.workflow.start(WORKFLOW_TYPES.processVideo, {
        taskQueue: TASK_QUEUES.orchestration,
        workflowId: `typed-${JSON.stringify(input)}`,
        args: input === undefined ? [] : [input],
      });
      await expect(run.result()).rejects.toMatchObject({
        cause: { type: 'invalid-workflow-input' },
      });
    }
    for (const [encoding, data] of [
      ['json/protobuf', JSON.stringify({ videoId: id })],
      ['json/plain', '{"videoId": '],
    ] as const) {
      const workflowId = `typed-as-${encoding}`;
      await pipeline.client.workflowService.startWorkflowExecution({
        namespace: pipeline.client.options.namespace,
        requestId: workflowId,
        workflowId,
        workflowType: { name: WORKFLOW_TYPES.processVideo },
        taskQueue: { name: TASK_QUEUES.orchestration },
        input: {
          payloads: [{ metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from(data) }],
        },
      });
      await expect(pipeline.client.workflow.getHandle(workflowId).result()).rejects.toMatchObject({
        cause: { type: 'invalid-workflow-input' },
      });
    }
    const missing = await pipeline.client.workflow.start(WORKFLOW_TYPES.processVideo, {
      taskQueue: TASK_QUEUES.orchestration,
      workflowId: 'no-such-video',
      args: [{ videoId: 999_999 }],
    });
    await expect(missing.result()).rejects.toMatchObject({
      cause: { cause: { type: 'video-not-found' } },
    });
    expect(await pipeline.db.sql('select 1 from video_runs')).toEqual([]);
  });
});

async function summariesOf(pipeline: Pipeline, id: VideoId): Promise<readonly string[]> {
  const { events } = await pipeline.client.workflow.getHandle(`process-video-${id}`).fetchHistory();
  return (events ?? []).flatMap((event) => {
    const data = event.userMetadata?.summary?.data;
    return data ? [JSON.parse(Buffer.from(data).toString()) as string] : [];
  });
}
