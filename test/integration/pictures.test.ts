import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { addWish } from '../../src/db/picture-wishes.ts';
import { carryThumbnails } from '../../src/db/pictures.ts';
import { AppError } from '../../src/domain/errors.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { writeFlatPng } from '../support/hostile-pictures.ts';
import { makeClip, runTool } from '../support/make-clip.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';
import { type PipelineApi, servePipeline } from '../support/pipeline-api.ts';

let pipeline: Pipeline;
let api: PipelineApi;
let clip: string;
let id: VideoId;

beforeAll(async () => {
  pipeline = await startPipeline();
  api = await servePipeline(pipeline);
  clip = await makeClip(path.join(pipeline.folder, 'clip.mp4'), {
    widthPx: 426,
    heightPx: 240,
    seconds: 5,
  });
  id = await pipeline.submit(clip);
  await pipeline.untilRunEnds(id);
});
afterAll(async () => {
  await api?.close();
  await pipeline?.close();
});

const sizeOf = async (bytes: Buffer, name: string): Promise<string> => {
  const file = path.join(pipeline.folder, name);
  await writeFile(file, bytes);
  const show = ['-show_entries', 'stream=codec_name,width,height', '-of', 'csv=p=0', file];
  return (await runTool('ffprobe', show)).trim();
};

const untilThumbnails = (count: number, videoId = id): Promise<void> =>
  pipeline.until(`${count} thumbnails`, async () => {
    const { body } = await api.ask('GET', `/videos/${videoId}`);
    return body.thumbnails.length === count && body.wantedThumbnails.length === 0;
  });

async function reprocess(videoId: VideoId, version: number): Promise<void> {
  const video = { id: videoId, ownerId: pipeline.ownerId, title: 'again', priority: 'normal' };
  const { workflowId, runId } = await pipeline.deps.workflows.startRun(video as never, {});
  await pipeline.client.workflow.getHandle(workflowId, runId).result();
  expect(await pipeline.video(videoId)).toMatchObject({ version });
}

describe('the storyboard', () => {
  it('is made with the video, as sheets whose addresses never change', async () => {
    const { body } = await api.ask('GET', `/videos/${id}`);
    expect(body).toMatchObject({ storyboardUrl: `/videos/${id}/storyboard.vtt`, warnings: [] });
    const vtt = await api.ask('GET', body.storyboardUrl);
    expect(vtt.headers.get('Content-Type')).toBe('text/vtt; charset=utf-8');
    const lines = vtt.bytes.toString().split('\n');
    expect(lines.filter((line) => line.includes('-->'))).toEqual([
      '00:00:00.000 --> 00:00:02.000',
      '00:00:02.000 --> 00:00:04.000',
      '00:00:04.000 --> 00:00:05.000',
    ]);
    const [, address = ''] = /^(.*)#xywh=320,0,160,90$/m.exec(vtt.bytes.toString()) ?? [];
    expect(address).toBe(`/videos/${id}/storyboard/0.jpg?v=1`);
    const sheet = await api.ask('GET', address);
    expect(sheet.headers.get('Cache-Control')).toBe('private, max-age=31536000, immutable');
    expect(sheet.headers.get('Content-Type')).toBe('image/jpeg');
    expect(await sizeOf(sheet.bytes, 'sheet.jpg')).toBe('mjpeg,480,90');

    const newest = await api.ask('GET', `/videos/${id}/storyboard/0.jpg`);
    expect(newest.headers.get('Cache-Control')).toBe('private, no-cache');
    for (const gone of ['storyboard/1.jpg', 'storyboard/0.jpg?v=7', 'storyboard/0.png'])
      expect((await api.ask('GET', `/videos/${id}/${gone}`)).body.code).toBe('picture-not-found');
  });

  it.each([
    ['that fails again and again', 'encoder-failed'],
    ['whose encoder is killed again and again', 'encoder-out-of-memory'],
  ] as const)('%s is a warning', async (_case, code) => {
    const other = await pipeline.addVideo(clip);
    const { deps } = pipeline;
    const real = deps.ffmpeg.run;
    const failing = jest
      .spyOn(deps.ffmpeg, 'run')
      .mockImplementation((command, options) =>
        JSON.stringify(command).includes('tile=')
          ? Promise.reject(new AppError(code))
          : real(command, options),
      );
    try {
      const start = { id: other, ownerId: pipeline.ownerId, title: 'x', priority: 'normal' };
      await deps.workflows.startUpload(start as never);
      await pipeline.hurryTo(other, 'completed');
    } finally {
      failing.mockRestore();
    }
    const { body } = await api.ask('GET', `/videos/${other}`);
    expect(body).toMatchObject({ storyboardUrl: null, warnings: [{ code: 'storyboard-failed' }] });
    expect(body.thumbnails).toHaveLength(4);
  });

  it('whose encoder fails once is made all the same', async () => {
    const other = await pipeline.addVideo(clip);
    const { deps } = pipeline;
    const real = deps.ffmpeg.run;
    let faults = 0;
    const failing = jest.spyOn(deps.ffmpeg, 'run').mockImplementation((command, options) => {
      if (faults > 0 || !JSON.stringify(command).includes('tile=')) return real(command, options);
      faults += 1;
      return Promise.reject(new AppError('encoder-out-of-memory'));
    });
    try {
      const start = { id: other, ownerId: pipeline.ownerId, title: 'x', priority: 'normal' };
      await deps.workflows.startUpload(start as never);
      await pipeline.hurryTo(other, 'completed');
    } finally {
      failing.mockRestore();
    }
    const { body } = await api.ask('GET', `/videos/${other}`);
    expect(faults).toBe(1);
    expect(body).toMatchObject({ storyboardUrl: expect.any(String), warnings: [] });
  });
});

describe('thumbnails that are asked for', () => {
  it('appear, once each, and times beyond the end are moved with a warning', async () => {
    const json = { timestampsSeconds: [1.5, 99, 2.5] };
    const asked = await api.ask('POST', `/videos/${id}/thumbnails`, json);
    expect(asked.status).toBe(202);
    expect(asked.body).toEqual({
      thumbnails: [
        { timestampSeconds: 1.5, state: 'pending', url: null },
        { timestampSeconds: 4.96, state: 'pending', url: null },
        // 50 % is there already.
        { timestampSeconds: 2.5, state: 'ready', url: `/videos/${id}/thumbnails/2.jpg` },
      ],
      warnings: [{ code: 'thumbnail-time-clamped', detail: expect.stringContaining('99 s') }],
    });
    await untilThumbnails(6);
    const again = await api.ask('POST', `/videos/${id}/thumbnails`, json);
    expect(again.status).toBe(200);
    for (const { url, state } of again.body.thumbnails) {
      expect(state).toBe('ready');
      expect((await api.ask('GET', url)).status).toBe(200);
    }
    const { body } = await api.ask('GET', `/videos/${id}`);
    expect(body.thumbnails).toHaveLength(6);
  });

  it('are refused beyond the limit, and for a video that is not published', async () => {
    const timestampsSeconds = Array.from({ length: 20 }, (_, index) => 0.1 + index / 10);
    const asked = await api.ask('POST', `/videos/${id}/thumbnails`, { timestampsSeconds });
    expect(asked.body).toMatchObject({ code: 'picture-limit-reached', status: 409 });
    const waiting = await pipeline.addVideo(clip);
    const early = await api.ask('POST', `/videos/${waiting}/thumbnails`, {
      timestampsSeconds: [1],
    });
    expect(early.body).toMatchObject({ code: 'video-not-published', status: 409 });
    const wrong = await api.ask('POST', `/videos/${id}/thumbnails`, { timestampsSeconds: [-1] });
    expect(wrong.body.code).toBe('validation-failed');
  });

  it('and the chosen one stay through a reprocess', async () => {
    const chosen = await api.ask('PUT', `/videos/${id}/thumbnails/default`, {
      timestampSeconds: 1.5,
    });
    expect(chosen.body.thumbnails.filter((each: { isDefault: boolean }) => each.isDefault)).toEqual(
      [{ timestampSeconds: 1.5, url: expect.any(String), isDefault: true }],
    );
    await reprocess(id, 2);
    const { body } = await api.ask('GET', `/videos/${id}`);
    const times: number[] = body.thumbnails.map(
      (each: { timestampSeconds: number }) => each.timestampSeconds,
    );
    // Planned ones first; those that were added are made two at a time.
    expect([...times.slice(0, 4), ...times.slice(4).toSorted((a, b) => a - b)]).toEqual([
      0, 1.25, 2.5, 3.75, 1.5, 4.96,
    ]);
    const added = await pipeline.db.sql(
      'select object_key from thumbnails where video_id = $1 and version = 2 and is_added',
      [id],
    );
    // The place in the list is no name: the list may change while the version is made.
    for (const { object_key: key } of added)
      expect(key).toMatch(/\/v2\/[\da-f]{8}-[-\da-f]+\.jpg$/);
    expect(added).toHaveLength(2);
    const isDefault = body.thumbnails.find((each: { isDefault: boolean }) => each.isDefault);
    expect(isDefault).toMatchObject({ timestampSeconds: 1.5, url: body.thumbnailUrl });
    expect((await api.ask('GET', body.thumbnailUrl)).status).toBe(200);
    const { body: none } = await api.ask('PUT', `/videos/${id}/thumbnails/default`, { number: 99 });
    expect(none.code).toBe('thumbnail-not-found');
  });

  it('while a new version is made are in that version too', async () => {
    const other = await pipeline.submit(clip, { thumbnailTimestamps: [1] });
    await pipeline.waitForStatus(other, 'completed');
    await pipeline.db.sql(
      `insert into video_runs (video_id, workflow_id, run_id, kind, version, settings, source) values ($1, 'x', 'x', 'reprocess', 2, '{}', '{}')`,
      [other],
    );
    // As if the pictures of version 2 had been made before these are asked for.
    await pipeline.db.sql(
      `insert into thumbnails (video_id, version, position, timestamp_seconds, object_key, size_bytes, sha256, is_default)
       select video_id, 2, position, timestamp_seconds, object_key, size_bytes, sha256, is_default from thumbnails where video_id = $1`,
      [other],
    );
    await api.ask('POST', `/videos/${other}/thumbnails`, { timestampsSeconds: [2] });
    await untilThumbnails(2, other);
    await pipeline.db.database.transact((tx) => carryThumbnails(tx, other, 2));
    const rows = await pipeline.db.sql(
      'select timestamp_seconds, is_added from thumbnails where video_id = $1 and version = 2 order by position',
      [other],
    );
    expect(rows).toEqual([
      { timestamp_seconds: 1, is_added: false },
      { timestamp_seconds: 2, is_added: true },
    ]);
  });
});

describe('a poster at a second', () => {
  it('is made once for all who ask, and kept', async () => {
    const address = `/videos/${id}/poster?t=3`;
    const answers = await Promise.all([1, 2, 3].map(() => api.ask('GET', address)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const [first] = answers;
    expect(await sizeOf(first?.bytes ?? Buffer.alloc(0), 'poster.jpg')).toBe('mjpeg,426,240');
    expect(new Set(answers.map(({ bytes }) => bytes.toString('hex'))).size).toBe(1);
    const rows = await pipeline.db.sql(
      `select version, position from pictures where video_id = $1 and kind = 'poster'`,
      [id],
    );
    expect(rows).toEqual([{ version: 2, position: 3 }]);
    expect(await pipeline.keys(`posters/${id}/`)).toHaveLength(1);
  });

  it.each([
    ['5', 'validation-failed'],
    ['1.5', 'validation-failed'],
    ['-1', 'validation-failed'],
    ['x', 'validation-failed'],
  ])('t=%s is refused', async (t, code) => {
    expect((await api.ask('GET', `/videos/${id}/poster?t=${t}`)).body.code).toBe(code);
  });

  it('is one of at most 200', async () => {
    await pipeline.db.sql(
      `insert into pictures (video_id, version, kind, position, object_key, size_bytes, sha256)
       select $1, 2, 'poster', n, 'videos/posters/' || n, 1, 'a' from generate_series(1000, 1198) n`,
      [id],
    );
    const refused = await api.ask('GET', `/videos/${id}/poster?t=4`);
    expect(refused.body).toMatchObject({ code: 'picture-limit-reached', status: 409 });
    expect((await api.ask('GET', `/videos/${id}/poster?t=3`)).status).toBe(200);
    await pipeline.db.sql(`delete from pictures where position >= 1000 and kind = 'poster'`);
  });

  it('that takes too long is told when to ask again, and is there then', async () => {
    const hasty = await servePipeline(pipeline, { waitMs: 0 });
    const pending = await hasty.ask('GET', `/videos/${id}/poster?t=1`);
    expect(pending.body).toMatchObject({ code: 'picture-pending', status: 503 });
    expect(pending.headers.get('Retry-After')).toBe('5');
    await pipeline.until('the poster', async () => {
      return (await hasty.ask('GET', `/videos/${id}/poster?t=1`)).status === 200;
    });
    await hasty.close();
  });

  it('goes with its version', async () => {
    await reprocess(id, 3);
    const handle = await pipeline.client.workflow.start('ReconcileVideos', {
      taskQueue: 'video-orchestration',
      workflowId: 'sweep',
    });
    await handle.result();
    expect(
      await pipeline.db.sql(`select 1 from pictures where video_id = $1 and version < 3`, [id]),
    ).toEqual([]);
    expect(await pipeline.keys(`posters/${id}/`)).toEqual([]);
    const again = await api.ask('GET', `/videos/${id}/poster?t=3`);
    expect(again.status).toBe(200);
  });
});

describe('an own poster', () => {
  let picture: Buffer<ArrayBuffer>;
  beforeAll(async () => {
    const file = path.join(pipeline.folder, 'own.png');
    const frame = ['-f', 'lavfi', '-i', 'color=red:s=800x600', '-frames:v', '1'];
    await runTool('ffmpeg', [...frame, file]);
    picture = Buffer.from(await readFile(file));
  });

  it('stands for the video, made anew as a JPEG, until it is removed', async () => {
    const put = await api.ask('PUT', `/videos/${id}/poster`, picture);
    expect(put.status).toBe(200);
    expect(put.body).toMatchObject({
      thumbnailUrl: `/videos/${id}/poster`,
      poster: { url: `/videos/${id}/poster`, pending: false, failure: null },
    });
    const shown = await api.ask('GET', put.body.thumbnailUrl);
    expect(shown.headers.get('Content-Type')).toBe('image/jpeg');
    expect(await sizeOf(shown.bytes, 'own.jpg')).toBe('mjpeg,800,600');
    // What was uploaded is gone.
    const keys = await pipeline.keys(`posters/${id}/`);
    expect(keys.filter((key) => key.endsWith('.png'))).toEqual([]);

    await reprocess(id, 4);
    const after = await api.ask('GET', `/videos/${id}`);
    expect(after.body.thumbnailUrl).toBe(`/videos/${id}/poster`);
    expect((await api.ask('GET', after.body.thumbnailUrl)).bytes).toEqual(shown.bytes);

    const smaller = await readFile(
      await writeFlatPng(path.join(pipeline.folder, 's.png'), { widthPx: 90, heightPx: 60 }),
    );
    await api.ask('PUT', `/videos/${id}/poster`, Buffer.from(smaller));
    const replaced = await api.ask('GET', `/videos/${id}/poster`);
    expect(await sizeOf(replaced.bytes, 's.jpg')).toBe('mjpeg,90,60');

    const removed = await api.ask('DELETE', `/videos/${id}/poster`);
    expect(removed.body.poster).toBeNull();
    expect(removed.body.thumbnailUrl).toMatch(/thumbnails\/\d\.jpg$/);
    expect(await pipeline.db.sql('select 1 from own_posters where video_id = $1', [id])).toEqual(
      [],
    );
    expect((await api.ask('DELETE', `/videos/${id}/poster`)).status).toBe(200);
    const thumbnail = await api.ask('GET', `/videos/${id}/poster`);
    expect(thumbnail.bytes).toEqual((await api.ask('GET', removed.body.thumbnailUrl)).bytes);
  });

  it('waits for room in memory, while other pictures of the video are made', async () => {
    const hasty = await servePipeline(pipeline, { waitMs: 0 });
    const room = pipeline.deps.encoders.admit({
      runId: 1_000_000,
      sharedThreads: 1,
      hasSiblings: false,
      estimateMb: () => 7_700,
    });
    try {
      const put = await hasty.ask('PUT', `/videos/${id}/poster`, picture);
      expect(put.body.poster).toMatchObject({ pending: true });
      const handle = pipeline.client.workflow.getHandle(`make-pictures-${id}`);
      await pipeline.until('the wait', async () => {
        const { pendingActivities } = (await handle.describe()).raw;
        const types = pendingActivities?.map((each) => each.lastFailure?.applicationFailureInfo);
        return types?.some((info) => info?.type === 'waiting-for-memory') === true;
      });
      // Asked for while the poster is between two tries.
      expect((await api.ask('GET', `/videos/${id}/poster?t=4`)).status).toBe(200);
      // One more try may have begun, and ends without being counted.
      await pipeline.until('no try is counted', async () => {
        const [wish] = await pipeline.db.sql(
          'select unended_starts, encoder_faults, platform_fault_since from picture_wishes where video_id = $1',
          [id],
        );
        expect(wish).toMatchObject({ encoder_faults: 0, platform_fault_since: null });
        return wish?.['unended_starts'] === 0;
      });
    } finally {
      room.release();
      await hasty.close();
    }
    await pipeline.until('the poster', async () => {
      await pipeline.tryNow(`make-pictures-${id}`);
      return (await api.ask('GET', `/videos/${id}`)).body.poster.pending === false;
    });
    expect((await api.ask('GET', `/videos/${id}`)).body.poster.failure).toBeNull();
    await api.ask('DELETE', `/videos/${id}/poster`);
  });

  it('may be given before anything is published', async () => {
    const waiting = await pipeline.addVideo(clip);
    expect((await api.ask('GET', `/videos/${waiting}/poster`)).body.code).toBe('picture-not-found');
    const put = await api.ask('PUT', `/videos/${waiting}/poster`, picture);
    expect(put.body.thumbnailUrl).toBe(`/videos/${waiting}/poster`);
  });

  it('that is none is refused at once, or as soon as a worker has looked', async () => {
    const before = await pipeline.keys(`posters/${id}/`);
    const text = await api.ask('PUT', `/videos/${id}/poster`, Buffer.from('<svg></svg>'));
    expect(text.body).toMatchObject({ code: 'poster-not-a-picture', status: 415 });
    const empty = await api.ask('PUT', `/videos/${id}/poster`);
    expect(empty.body).toMatchObject({ code: 'upload-file-empty', status: 422 });
    const large = Buffer.concat([picture, Buffer.alloc(5 * 1024 * 1024)]);
    const tooLarge = await api.ask('PUT', `/videos/${id}/poster`, large);
    expect(tooLarge.body).toMatchObject({ code: 'request-too-large', status: 413 });
    const broken = await api.ask('PUT', `/videos/${id}/poster`, picture.subarray(0, 100));
    expect(broken.body).toMatchObject({ code: 'poster-unreadable', status: 422 });
    const bomb = await readFile(
      await writeFlatPng(path.join(pipeline.folder, 'bomb.png'), {
        widthPx: 15_000,
        heightPx: 15_000,
        lines: 9,
      }),
    );
    const refused = await api.ask('PUT', `/videos/${id}/poster`, Buffer.from(bomb));
    expect(refused.body).toMatchObject({ code: 'source-too-large-picture', status: 422 });
    const { body } = await api.ask('GET', `/videos/${id}`);
    expect(body.poster).toMatchObject({
      url: null,
      pending: false,
      failure: { code: 'source-too-large-picture' },
    });
    expect(await pipeline.keys(`posters/${id}/`)).toEqual(before);
  });
});

describe('what was asked for', () => {
  it('while Temporal was away is made by reconcile', async () => {
    // What is at work would take the wish up by itself.
    await pipeline.client.workflow.getHandle(`make-pictures-${id}`).result();
    await pipeline.db.database.run((em) => addWish(em, id, 'poster', 0));
    await pipeline.db.sql(`update picture_wishes set created_at = now() - interval '1 minute'`);
    const handle = await pipeline.client.workflow.start('ReconcileVideos', {
      taskQueue: 'video-orchestration',
      workflowId: 'late',
    });
    expect(await handle.result()).toMatchObject({ counts: { picturesStarted: 1 } });
    await pipeline.until('the poster', async () => {
      return (
        (
          await pipeline.db.sql(
            'select 1 from picture_wishes where video_id = $1 and failure is null',
            [id],
          )
        ).length === 0
      );
    });
  });

  it('is given up when an operator cancels, and can be asked for again', async () => {
    const { deps } = pipeline;
    const real = deps.ffmpeg.run;
    let isSeeking = false;
    // Other videos may be at work.
    const slow = jest.spyOn(deps.ffmpeg, 'run').mockImplementation((command, options) => {
      if (!JSON.stringify(command).includes('/picture-')) return real(command, options);
      isSeeking = true;
      return new Promise((_resolve, reject) => {
        options.signal?.addEventListener('abort', () => reject(new Error('stopped')));
      });
    });
    const asking = api.ask('GET', `/videos/${id}/poster?t=2`);
    await pipeline.until('the seek', async () => isSeeking);
    const run = pipeline.client.workflow.getHandle(`make-pictures-${id}`);
    await deps.workflows.cancelRun(run.workflowId);
    await run.result().catch(() => undefined);
    expect((await asking).body).toMatchObject({ code: 'cancelled' });
    slow.mockRestore();
    expect(deps.ffmpeg.run).toBe(real);
    expect((await api.ask('GET', `/videos/${id}/poster?t=2`)).status).toBe(200);
  });

  it('goes with the video', async () => {
    await api.ask(
      'PUT',
      `/videos/${id}/poster`,
      Buffer.from(await readFile(path.join(pipeline.folder, 'own.png'))),
    );
    await api.ask('GET', `/videos/${id}/poster?t=1`);
    expect((await api.ask('DELETE', `/videos/${id}`)).status).toBe(202);
    await pipeline.until('the rows are gone', async () => {
      return (await pipeline.db.sql('select 1 from videos where id = $1', [id])).length === 0;
    });
    for (const kind of ['posters', 'storyboards', 'thumbnails', 'streams'])
      expect(await pipeline.keys(`${kind}/${id}/`)).toEqual([]);
    for (const table of ['pictures', 'own_posters', 'picture_wishes'])
      expect(await pipeline.db.sql(`select 1 from ${table} where video_id = $1`, [id])).toEqual([]);
  });
});
