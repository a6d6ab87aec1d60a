import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { addWish, endWish, findWishFor, startWish } from '../../src/db/picture-wishes.ts';
import { savePoster } from '../../src/db/pictures.ts';
import { lockVideo } from '../../src/db/runs.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { createPictureLibrary } from '../../src/usecases/find-pictures.ts';
import type { Viewer } from '../../src/usecases/viewer.ts';
import { createTestApi, problemCode, type TestApi, type TestUser } from '../support/api.ts';
import { waitUntil } from '../support/wait-until.ts';

let api: TestApi;
let owner: TestUser;

beforeAll(async () => {
  api = await createTestApi();
  owner = await api.addUser();
});
afterAll(() => api.close());

/** A video of 300 s whose version 1 is published, without any picture. */
async function addPublished(): Promise<VideoId> {
  const id = await api.addVideo(owner);
  await api.db.sql(
    `update videos set status = 'completed', version = 1, duration_seconds = 300, frame_rate = 25 where id = $1`,
    [id],
  );
  return id;
}

const wishes = (id: VideoId) =>
  api.db.sql(
    'select kind, at_seconds, upload_key from picture_wishes where video_id = $1 order by id',
    [id],
  );

const keys = async (id: VideoId): Promise<readonly string[]> => {
  const found: string[] = [];
  for await (const { key } of api.store.list(`videos/posters/${id}/`)) found.push(key);
  return found;
};

/** The first bytes of a JPEG; no worker looks at more of it here. */
const jpeg = (mark: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, mark]);

describe('POST /videos/:id/thumbnails', () => {
  it('keeps what is asked for while Temporal is away', async () => {
    const id = await addPublished();
    api.workflows.reachable = false;
    const json = { timestampsSeconds: [5, 5, 1000] };
    const answer = await api.ask('POST', `/videos/${id}/thumbnails`, { as: owner, json });
    api.workflows.reachable = true;
    expect(answer.status).toBe(202);
    expect(answer.headers.get('Location')).toBe(`/videos/${id}`);
    expect(await wishes(id)).toEqual([
      { kind: 'thumbnail', at_seconds: 5, upload_key: null },
      { kind: 'thumbnail', at_seconds: 299.96, upload_key: null },
    ]);
    const { body } = await api.ask('GET', `/videos/${id}`, { as: owner });
    expect(body.wantedThumbnails).toEqual([
      { timestampSeconds: 5, failure: null },
      { timestampSeconds: 299.96, failure: null },
    ]);
  });

  it('counts what is still being made towards the limit, but nothing twice', async () => {
    const id = await addPublished();
    const ask = (timestampsSeconds: number[]) =>
      api.ask('POST', `/videos/${id}/thumbnails`, { as: owner, json: { timestampsSeconds } });
    const twenty = Array.from({ length: 20 }, (_, index) => index);
    expect((await ask(twenty)).status).toBe(202);
    expect((await ask(twenty)).status).toBe(202);
    expect(problemCode(await ask([20]))).toBe('picture-limit-reached');
    expect(await wishes(id)).toHaveLength(20);
  });

  it('tries again what has failed', async () => {
    const id = await addPublished();
    const ask = () =>
      api.ask('POST', `/videos/${id}/thumbnails`, { as: owner, json: { timestampsSeconds: [5] } });
    await ask();
    const failure = { code: 'encoder-failed', detail: 'The encoder failed' };
    await api.db.sql('update picture_wishes set failure = $2 where video_id = $1', [id, failure]);
    const failed = await api.ask('GET', `/videos/${id}`, { as: owner });
    expect(failed.body.wantedThumbnails).toEqual([{ timestampSeconds: 5, failure }]);
    await ask();
    const again = await api.ask('GET', `/videos/${id}`, { as: owner });
    expect(again.body.wantedThumbnails).toEqual([{ timestampSeconds: 5, failure: null }]);
  });
});

describe('GET /videos/:id/poster?t=', () => {
  it('counts what is still being made towards the limit, but no second twice', async () => {
    const id = await addPublished();
    await api.db.sql(
      `insert into picture_wishes (video_id, kind, at_seconds) select $1, 'poster', n from generate_series(0, 199) n`,
      [id],
    );
    const ask = (t: number) => api.ask('GET', `/videos/${id}/poster?t=${t}`, { as: owner });
    expect(problemCode(await ask(199))).toBe('picture-pending');
    expect(problemCode(await ask(200))).toBe('picture-limit-reached');
    expect(problemCode(await ask(300))).toBe('validation-failed');
    expect(await wishes(id)).toHaveLength(200);
  });

  it('is not asked for again once another request has had it made', async () => {
    const id = await addPublished();
    const objectKey = `videos/posters/${id}/made.jpg`;
    const stored = await api.store.put(objectKey, Readable.from([jpeg(1)]));
    const facts = { ...stored, objectKey };
    const place = { version: 1, second: 3 };
    const viewer: Viewer = {
      ...{ userId: owner.id, email: owner.email, role: 'member' },
      ...{ scopes: ['read'], via: 'session', apiKeyId: null },
    };
    const { store, workflows, db } = api;
    const { database } = db;
    const library = createPictureLibrary({ database, store, workflows, waitMs: 0 });
    const { asking } = await database.transact(async (tx) => {
      await lockVideo(tx, id);
      const answer = library.findPosterAt(viewer, id, 3, new AbortController().signal);
      const locked = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
      await waitUntil(
        () => api.db.sql(locked),
        (rows) => rows.length > 0,
      );
      expect(await savePoster(tx, id, place, facts)).toBe(true);
      // Whoever is second does not fail for it.
      expect(await savePoster(tx, id, place, { ...facts, objectKey: 'second' })).toBe(false);
      return { asking: answer };
    });
    expect(await asking).toMatchObject(stored);
    expect(await wishes(id)).toEqual([]);
    expect(api.workflows.pictures.map((video) => video.id)).not.toContain(id);
  });
});

describe('GET /videos/:id/poster?t= that waits for long', () => {
  let hasty: TestApi;
  beforeAll(async () => {
    hasty = api;
    api = await createTestApi({}, { waitMs: 200_000 });
    owner = await api.addUser();
  });
  afterAll(async () => {
    await api.close();
    api = hasty;
    owner = await api.addUser();
  });

  it('lets one user wait for eight pictures at a time, and answers with what went wrong', async () => {
    const id = await addPublished();
    const refused: string[] = [];
    const asking = Array.from({ length: 12 }, async (_, t) => {
      const code = problemCode(await api.ask('GET', `/videos/${id}/poster?t=${t}`, { as: owner }));
      if (code === 'rate-limited') refused.push(code);
      return code;
    });
    await waitUntil(
      async () => [refused.length, (await wishes(id)).length],
      ([over, waiting]) => over === 4 && waiting === 8,
    );
    await api.db.sql('update picture_wishes set failure = $2 where video_id = $1', [
      id,
      { code: 'encoder-failed', detail: 'The encoder failed' },
    ]);
    expect((await Promise.all(asking)).toSorted()).toEqual([
      ...Array.from({ length: 8 }, () => 'encoder-failed'),
      ...Array.from({ length: 4 }, () => 'rate-limited'),
    ]);
  });
});

describe('PUT /videos/:id/poster', () => {
  it('names the file by a row before it answers; the newest wins', async () => {
    const id = await api.addVideo(owner);
    const put = (mark: number) =>
      api.ask('PUT', `/videos/${id}/poster`, { as: owner, body: jpeg(mark) });
    const first = await put(1);
    expect(first.status).toBe(202);
    expect(first.body).toMatchObject({
      thumbnailUrl: null,
      poster: { url: null, pending: true, failure: null },
    });
    const [wish] = await wishes(id);
    expect(await keys(id)).toEqual([wish?.['upload_key']]);
    expect(wish?.['upload_key']).toMatch(/\.jpg$/);
    expect(api.workflows.pictures.map((video) => video.id)).toContain(id);

    await put(2);
    const [next] = await wishes(id);
    expect(next?.['upload_key']).not.toBe(wish?.['upload_key']);
    expect(await keys(id)).toEqual([next?.['upload_key']]);

    const removed = await api.ask('DELETE', `/videos/${id}/poster`, { as: owner });
    expect(removed.body.poster).toBeNull();
    expect([await wishes(id), await keys(id)]).toEqual([[], []]);
  });

  it.each([
    { case: 'text', body: new Uint8Array(Buffer.from('hello')), code: 'poster-not-a-picture' },
    {
      case: 'a GIF',
      body: new Uint8Array(Buffer.from('GIF89a....')),
      code: 'poster-not-a-picture',
    },
    {
      case: 'a form',
      body: new Uint8Array(Buffer.from('--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n')),
      code: 'poster-not-a-picture',
    },
    {
      case: 'more than 5 MB',
      body: Buffer.concat([jpeg(1), Buffer.alloc(5 * 1024 * 1024)]),
      code: 'request-too-large',
    },
  ])('refuses $case and keeps nothing', async ({ body, code }) => {
    const id = await api.addVideo(owner);
    const answer = await api.ask('PUT', `/videos/${id}/poster`, { as: owner, body });
    expect(problemCode(answer)).toBe(code);
    expect([await wishes(id), await keys(id)]).toEqual([[], []]);
  });
});

describe('the tries of a wish', () => {
  it('are used up by the encoder alone, and by waits of no kind', async () => {
    const id = await addPublished();
    const { database } = api.db;
    const wish = await database.transact(async (tx) => {
      await addWish(tx, id, 'poster', 1);
      return findWishFor(tx, id, 'poster', 1);
    });
    const wishId = wish?.id ?? 0;
    const start = () => database.run((em) => startWish(em, wishId));
    const end = (how: Parameters<typeof endWish>[2]) =>
      database.run((em) => endWish(em, wishId, how));

    await start();
    expect((await start())?.unendedStarts).toBe(2);
    expect(await end('waited')).toEqual({ encoderFaults: 0, platformFaultSince: null });
    expect((await start())?.unendedStarts).toBe(2);
    const first = await end('platform-fault');
    expect(first).toEqual({ encoderFaults: 0, platformFaultSince: expect.any(Date) });
    expect(await end('platform-fault')).toEqual(first);
    expect((await start())?.unendedStarts).toBe(1);
    expect(await end('encoder-fault')).toEqual({ encoderFaults: 1, platformFaultSince: null });
    expect(await end('planned')).toMatchObject({ encoderFaults: 1 });
  });
});
