import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, truncate, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { saveStream, saveThumbnails } from '../../src/db/outputs.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { originalKey, outputKey, thumbnailKey } from '../../src/domain/object-keys.ts';
import type { Output } from '../../src/domain/video.ts';
import { createTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { openRaw, type RawClient, requestHead } from '../support/raw-http.ts';
import { readDescriptors, spawnUploadChild } from '../support/upload-child.ts';
import { startUploadServer, type UploadServer } from '../support/upload-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const SIZE = 3_000_000;

let api: TestApi;
let owner: TestUser;
let folder: string;
let server: UploadServer;

beforeAll(async () => {
  api = await createTestApi();
  owner = await api.addUser();
  folder = await mkdtemp(join(tmpdir(), 'steadyreel-streaming-'));
  server = await startUploadServer({ databaseUrl: api.db.url, folder });
});

afterAll(async () => {
  await server.close();
  await api.close();
  await rm(folder, { recursive: true, force: true });
});

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

async function store(key: string, bytes: Buffer): Promise<void> {
  async function* once() {
    yield bytes;
  }
  await server.store.put(key, once());
}

/** A completed video with these outputs, whose bytes are in the store. */
async function addVideo(
  outputs: Partial<Record<Output, Buffer>>,
  { thumbnails = [] as Buffer[] } = {},
) {
  const original = randomBytes(50_000);
  const storedName = `${randomUUID()}.mov`;
  const id = await api.addVideo(owner, {
    storedName,
    originalFileName: 'Grüße "1".mov',
    originalSizeBytes: original.length,
    originalSha256: sha256(original),
  });
  await store(originalKey(storedName), original);
  for (const [output, bytes] of Object.entries(outputs) as [Output, Buffer][]) {
    const objectKey = outputKey(id, 1, output);
    await store(objectKey, bytes);
    const facts = {
      objectKey,
      sizeBytes: bytes.length,
      sha256: sha256(bytes),
      widthPx: 1280,
      heightPx: 720,
      bitrateBps: 1,
    };
    await api.db.database.run((em) =>
      saveStream(em, id, 1, output, { ...facts, durationSeconds: 1, codecs: 'avc1.64001f' }),
    );
  }
  const pictures = await Promise.all(
    thumbnails.map(async (bytes, index) => {
      const objectKey = thumbnailKey(id, 1, index);
      await store(objectKey, bytes);
      return { timestampSeconds: index, objectKey, sizeBytes: bytes.length, sha256: sha256(bytes) };
    }),
  );
  await api.db.database.run((em) => saveThumbnails(em, id, 1, pictures));
  if (Object.keys(outputs).length > 0) {
    await api.db.sql(
      `update videos set status = 'completed', version = 1, completed_at = now() where id = $1`,
      [id],
    );
  }
  return { id, original, storedName };
}

async function get(
  path: string,
  headers: Record<string, string> = {},
  { method = 'GET', as = owner } = {},
) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { Authorization: `Bearer ${as.key}`, ...headers },
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const isProblem =
    response.headers.get('Content-Type') === 'application/problem+json' && bytes.length > 0;
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    problem: isProblem ? JSON.parse(String(bytes)) : undefined,
  };
}

const streamPath = (id: VideoId, quality: string) => `/videos/stream/${id}/${quality}/`;
const watch = (id: VideoId, quality: string) =>
  requestHead(`GET ${streamPath(id, quality)}`, { Authorization: `Bearer ${owner.key}` });

describe('GET /videos/stream/:id/:quality/', () => {
  it('sends whole files, ranges and the newest version, byte for byte', async () => {
    const bytes = randomBytes(SIZE);
    const { id } = await addVideo({ '720p': bytes });

    const whole = await get(streamPath(id, '720p'));
    expect(whole.status).toBe(200);
    expect(whole.bytes.equals(bytes)).toBe(true);
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-type': 'video/mp4',
      'content-length': String(SIZE),
      'accept-ranges': 'bytes',
      etag: `"${sha256(bytes).slice(0, 32)}"`,
      'cache-control': 'private, no-cache',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.any(String),
      'x-request-id': expect.any(String),
    });
    expect(Date.parse(whole.headers.get('Last-Modified') ?? '')).toBeGreaterThan(
      Date.now() - 60_000,
    );

    for (const [start, end] of [
      [0, 9],
      [1_000_000, 2_500_000],
      [SIZE - 1, SIZE - 1],
    ] as const) {
      const part = await get(streamPath(id, '720p'), { Range: `bytes=${start}-${end}` });
      expect(part.status).toBe(206);
      expect(part.headers.get('Content-Range')).toBe(`bytes ${start}-${end}/${SIZE}`);
      expect(part.bytes.equals(bytes.subarray(start, end + 1))).toBe(true);
    }
    expect((await get(`/videos/stream/${id}/720p`)).status).toBe(200);
  });

  it('answers HEAD and conditions without a body', async () => {
    const bytes = randomBytes(SIZE);
    const { id } = await addVideo({ '240p': bytes });
    const path = streamPath(id, '240p');
    const etag = `"${sha256(bytes).slice(0, 32)}"`;

    const head = await get(path, { Range: 'bytes=0-9' }, { method: 'HEAD' });
    expect([head.status, head.bytes.length, head.headers.get('Content-Length')]).toEqual([
      200,
      0,
      String(SIZE),
    ]);
    expect(head.headers.get('ETag')).toBe(etag);
    const same = await get(path, { 'If-None-Match': etag });
    expect([same.status, same.bytes.length, same.headers.get('ETag')]).toEqual([304, 0, etag]);
    const changed = await get(path, { 'If-Match': '"other"' });
    expect([changed.status, changed.problem.code]).toEqual([412, 'precondition-failed']);
    const outside = await get(path, { Range: `bytes=${SIZE}-` });
    expect([outside.status, outside.problem.code]).toEqual([416, 'range-not-satisfiable']);
    expect(outside.headers.get('Content-Range')).toBe(`bytes */${SIZE}`);
    const stale = await get(path, { Range: 'bytes=0-9', 'If-Range': '"other"' });
    expect([stale.status, stale.bytes.length]).toEqual([200, SIZE]);
  });

  it('keeps a connection usable for the next request', async () => {
    const { id } = await addVideo({ '240p': randomBytes(1000) });
    const client = await openRaw(server.port);
    for (let i = 1; i <= 3; i += 1) {
      client.socket.write(watch(id, '240p'));
      await client.until(new RegExp(`(HTTP/1.1 200 OK[^]*?\r\n\r\n[^]{1000}){${i}}$`));
    }
    client.socket.destroy();
  });

  it('gives the original to its owner under its own name', async () => {
    const { id, original } = await addVideo({});
    const answer = await get(streamPath(id, 'original'));
    expect(answer.bytes.equals(original)).toBe(true);
    expect(answer.headers.get('Content-Type')).toBe('video/quicktime');
    expect(answer.headers.get('Content-Disposition')).toBe(
      `inline; filename="Gr__e _1_.mov"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22.mov`,
    );
  });

  it('names what there is when a quality is not', async () => {
    const { id } = await addVideo({ '240p': randomBytes(10), compressed: randomBytes(10) });
    for (const quality of ['1080p', '4k', 'processed', '..%2f..%2fetc']) {
      const answer = await get(streamPath(id, quality));
      expect(answer).toMatchObject({
        status: 404,
        problem: {
          code: 'quality-not-available',
          available: ['240p', 'compressed', 'original'],
          videoStatus: 'completed',
          status: 404,
        },
      });
    }
  });

  it('says that a video is not ready', async () => {
    const { id } = await addVideo({});
    expect(await get(streamPath(id, '720p'))).toMatchObject({
      status: 404,
      problem: {
        code: 'quality-not-available',
        available: ['original'],
        videoStatus: 'pending',
        detail: expect.stringContaining('not ready'),
      },
    });
  });

  it('hides what belongs to others, is deleted or never was', async () => {
    const { id } = await addVideo({ '240p': randomBytes(10) }, { thumbnails: [randomBytes(10)] });
    const stranger = await api.addUser();
    const admin = await api.addUser('admin');
    for (const path of [
      streamPath(id, '240p'),
      streamPath(id, 'original'),
      `/videos/${id}/thumbnails/0.jpg`,
    ]) {
      expect(await get(path, {}, { as: stranger })).toMatchObject({
        status: 404,
        problem: { code: 'video-not-found' },
      });
      expect((await get(path, {}, { as: admin })).status).toBe(200);
      expect((await fetch(`${server.url}${path}`)).status).toBe(401);
    }
    await api.db.sql('update videos set deleted_at = now() where id = $1', [id]);
    expect(await get(streamPath(id, '240p'))).toMatchObject({
      status: 404,
      problem: { code: 'video-not-found' },
    });
    expect(await get(streamPath(2_147_483_647 as VideoId, '240p'))).toMatchObject({ status: 404 });
  });

  it.each(['abc', '0', '-1', '1.5', '2147483648', '99999999999', '1e3'])(
    'refuses the id %s',
    async (id) => {
      for (const path of [`/videos/stream/${id}/240p/`, `/videos/${id}/thumbnails/0.jpg`]) {
        expect(await get(path)).toMatchObject({
          status: 422,
          problem: { code: 'validation-failed' },
        });
      }
    },
  );

  it('never serves an object that is gone or of another size', async () => {
    const { id, storedName } = await addVideo({
      '240p': randomBytes(1000),
      '360p': randomBytes(1000),
    });
    await unlink(join(folder, 'media', outputKey(id, 1, '240p')));
    await truncate(join(folder, 'media', outputKey(id, 1, '360p')), 999);
    await truncate(join(folder, 'media', originalKey(storedName)), 60_000);
    for (const quality of ['240p', '360p', 'original']) {
      for (const method of ['GET', 'HEAD']) {
        expect(
          (await get(streamPath(id, quality), { Range: 'bytes=0-9' }, { method })).status,
        ).toBe(503);
      }
      expect((await get(streamPath(id, quality))).problem).toMatchObject({
        code: 'storage-object-missing',
      });
    }
  });
});

describe('GET /videos/:id/thumbnails/:n.jpg', () => {
  it('sends the picture', async () => {
    const pictures = [randomBytes(5000), randomBytes(6000)];
    const { id } = await addVideo({ '240p': randomBytes(10) }, { thumbnails: pictures });
    for (const [index, picture] of pictures.entries()) {
      const answer = await get(`/videos/${id}/thumbnails/${index}.jpg`);
      expect(answer.bytes.equals(picture)).toBe(true);
      expect(answer.headers.get('Content-Type')).toBe('image/jpeg');
    }
    for (const name of ['2.jpg', '0.png', 'x.jpg', '99999.jpg', '-1.jpg']) {
      expect(await get(`/videos/${id}/thumbnails/${name}`)).toMatchObject({
        status: 404,
        problem: { code: 'thumbnail-not-found' },
      });
    }
  });
});

describe('viewers that misbehave', () => {
  /** Large enough that no socket buffer holds it. */
  const LARGE = 60_000_000;
  let id: VideoId;
  beforeAll(async () => {
    ({ id } = await addVideo({ '1080p': randomBytes(LARGE) }));
  });
  const stopReading = (client: RawClient) => client.socket.pause();
  const startWatching = async (client: RawClient) => {
    await client.until(/^HTTP\/1.1 200 /);
    stopReading(client);
  };

  it('leave no descriptor, two hundred of them', async () => {
    const child = await spawnUploadChild({ databaseUrl: api.db.url, folder });
    try {
      for (let round = 0; round < 10; round += 1) {
        const clients = await Promise.all(Array.from({ length: 20 }, () => openRaw(child.port)));
        for (const { socket } of clients) socket.write(watch(id, '1080p'));
        await Promise.all(clients.slice(0, 15).map(startWatching));
        expect(child.countDescriptors().files).toBeGreaterThanOrEqual(15);
        for (const { socket } of clients) socket.destroy();
        await waitUntil(
          () => child.countDescriptors(),
          ({ files, sockets }) => files === 0 && sockets < 20,
        );
      }
    } finally {
      await child.kill();
    }
  });

  it('hold little memory while they take nothing', async () => {
    const child = await spawnUploadChild({
      databaseUrl: api.db.url,
      folder,
      maxStreamsPerViewer: 200,
    });
    try {
      const warm = await fetch(`http://127.0.0.1:${child.port}${streamPath(id, '1080p')}`, {
        headers: { Authorization: `Bearer ${owner.key}` },
      });
      await warm.arrayBuffer();
      const before = child.rssBytes();
      const clients = await Promise.all(Array.from({ length: 100 }, () => openRaw(child.port)));
      for (const client of clients) {
        stopReading(client);
        client.socket.write(watch(id, '1080p'));
      }
      await waitUntil(
        () => child.countDescriptors(),
        ({ files, sockets }) => files >= 100 && sockets >= 100,
      );
      const seen: number[] = [];
      for (let i = 0; i < 10; i += 1) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        seen.push(child.rssBytes() - before);
      }
      expect(Math.max(...seen)).toBeLessThan(200 * 1024 ** 2);
      for (const { socket } of clients) socket.destroy();
    } finally {
      await child.kill();
    }
  });

  it('are sent away when they take nothing for too long', async () => {
    const options = { databaseUrl: api.db.url, folder, viewerStallMs: 500 };
    const hasty = await startUploadServer(options);
    const isServed = () =>
      readDescriptors(process.pid).includes(join(folder, 'media', outputKey(id, 1, '1080p')));
    try {
      const client = await openRaw(hasty.port);
      client.socket.write(watch(id, '1080p'));
      await startWatching(client);
      await waitUntil(isServed, (served) => !served);
      client.socket.resume();
      await waitUntil(
        () => client.socket.closed,
        (closed) => closed,
      );
      expect(client.socket.bytesRead).toBeLessThan(LARGE);
    } finally {
      await hasty.close();
    }
  });

  it('of one viewer are not all that there may be', async () => {
    const few = await startUploadServer({
      databaseUrl: api.db.url,
      folder,
      maxStreamsPerViewer: 2,
    });
    const admin = await api.addUser('admin');
    const ask = (key: string) =>
      fetch(`${few.url}${streamPath(id, '1080p')}`, {
        headers: { Authorization: `Bearer ${key}`, Range: 'bytes=0-9' },
      });
    try {
      const clients = await Promise.all([1, 2].map(() => openRaw(few.port)));
      for (const { socket } of clients) socket.write(watch(id, '1080p'));
      await Promise.all(clients.map(startWatching));
      const refused = await ask(owner.key);
      expect({ status: refused.status, body: await refused.json() }).toMatchObject({
        status: 429,
        body: { code: 'rate-limited', detail: expect.stringContaining('You watch 2 streams') },
      });
      expect((await ask(admin.key)).status).toBe(206);
      clients[0]?.socket.destroy();
      await waitUntil(
        async () => (await ask(owner.key)).status,
        (status) => status === 206,
      );
      clients[1]?.socket.destroy();
    } finally {
      await few.close();
    }
  });

  it('are refused when there are too many, and let in when one has left', async () => {
    const few = await startUploadServer({ databaseUrl: api.db.url, folder, maxStreams: 4 });
    const ask = (method: string) =>
      fetch(`${few.url}${streamPath(id, '1080p')}`, {
        method,
        headers: { Authorization: `Bearer ${owner.key}`, Range: 'bytes=0-9' },
      });
    try {
      const clients = await Promise.all([1, 2, 3, 4].map(() => openRaw(few.port)));
      for (const { socket } of clients) socket.write(watch(id, '1080p'));
      await Promise.all(clients.map(startWatching));

      const refused = await ask('GET');
      expect(refused.status).toBe(429);
      expect(refused.headers.get('Retry-After')).toBe('5');
      expect(await refused.json()).toMatchObject({ code: 'rate-limited' });
      expect((await ask('HEAD')).status).toBe(200);
      clients[0]?.socket.destroy();
      await waitUntil(
        async () => (await ask('GET')).status,
        (status) => status === 206,
      );
      for (const { socket } of clients) socket.destroy();
    } finally {
      await few.close();
    }
  });
});
