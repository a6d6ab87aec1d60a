import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { VideoId } from '../../src/domain/ids.ts';
import { withFileCache } from '../../src/storage/file-cache.ts';
import { createS3Store, type S3Store } from '../../src/storage/s3-store.ts';
import { createTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { makeClip } from '../support/make-clip.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';
import { BOUNDARY, encodeForm, FORM_TYPE } from '../support/raw-http.ts';
import { hasS3Server, type S3Server, startS3Server } from '../support/s3-server.ts';
import { spawnUploadChild, type UploadChild } from '../support/upload-child.ts';
import { waitUntil } from '../support/wait-until.ts';

const MIB = 1024 ** 2;
const SIZE_BYTES = Number(process.env['UPLOAD_TEST_MIB'] ?? 200) * MIB;
const MOST_RSS_BYTES = 250 * MIB;

const canRun = hasS3Server();

(canRun ? describe : describe.skip)('the API with object storage', () => {
  let s3: S3Server;
  let proxy: FaultProxy;
  let api: TestApi;
  let user: TestUser;
  let folder: string;
  let child: UploadChild;
  beforeAll(async () => {
    s3 = await startS3Server();
    proxy = await startFaultProxy(s3.port);
    api = await createTestApi();
    user = await api.addUser();
    folder = await mkdtemp(join(tmpdir(), 'steadyreel-s3-api-'));
    child = await spawnUploadChild({
      databaseUrl: api.db.url,
      folder,
      s3: { ...s3.settings, endpoint: `http://127.0.0.1:${proxy.port}` },
    });
  }, 60_000);
  afterAll(async () => {
    await child.kill();
    await api.close();
    await proxy.close();
    await s3.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Sends a file block by block. @param onSent called with the bytes sent so far */
  const upload = async (sizeBytes: number, onSent: (sent: number) => unknown = () => undefined) => {
    const empty = encodeForm([{ name: 'video', content: '', fileName: 'long.mp4' }]);
    const tail = Buffer.from(`\r\n--${BOUNDARY}--\r\n`);
    const post = request({
      port: child.port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/videos/upload/',
      headers: {
        Authorization: `Bearer ${user.key}`,
        'Content-Type': FORM_TYPE,
        'Content-Length': empty.length + sizeBytes,
      },
    });
    post.on('error', () => undefined);
    const answered = once(post, 'response');
    post.write(empty.subarray(0, empty.length - tail.length));
    const hash = createHash('sha256');
    const block = randomBytes(MIB);
    block.write('\0\0\0\x18ftypisom\0\0\0\0isommp42', 0, 'latin1');
    for (let sent = 0; sent < sizeBytes && !post.destroyed; sent += block.length) {
      hash.update(block);
      if (!post.write(block)) await Promise.race([once(post, 'drain'), answered]);
      await onSent(sent);
    }
    post.end(tail);
    const [response] = (await answered) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const body = JSON.parse(String(Buffer.concat(chunks))) as Record<string, unknown>;
    return { status: response.statusCode, body, sha256: hash.digest('hex') };
  };

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${child.port}${path}`, {
      headers: { Authorization: `Bearer ${user.key}`, ...headers },
    });

  const localFiles = async () =>
    (await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])).filter(
      (entry) => entry.isFile(),
    );

  it('streams a large upload through, with flat memory and no copy on the disk', async () => {
    let most = 0;
    const { status, body, sha256 } = await upload(SIZE_BYTES, async (sent) => {
      if (sent % (32 * MIB) === 0) most = Math.max(most, (await localFiles()).length);
    });
    expect(status).toBe(201);
    expect(body['original']).toMatchObject({ sizeBytes: SIZE_BYTES, sha256 });
    expect(most).toBe(0);
    expect(await localFiles()).toEqual([]);
    expect(await s3.countUploads()).toBe(0);
    expect(child.peakRssBytes()).toBeLessThan(MOST_RSS_BYTES);

    // It is served through us, with ranges and over a hiccup.
    const path = `/videos/stream/${String(body['id'])}/original/`;
    let gets = 0;
    proxy.choose = ({ method }) => {
      if (method !== 'GET') return undefined;
      gets += 1;
      return gets === 1 ? { kind: 'cut', afterBytes: 3_000_000 } : undefined;
    };
    const whole = await get(path);
    expect(whole.headers.get('content-length')).toBe(String(SIZE_BYTES));
    const hash = createHash('sha256');
    for await (const chunk of whole.body ?? []) hash.update(chunk);
    expect(hash.digest('hex')).toBe(sha256);
    expect(gets).toBe(2);
    const part = await get(path, { Range: 'bytes=4-11' });
    expect(part.status).toBe(206);
    expect(Buffer.from(await part.arrayBuffer()).toString('latin1')).toBe('ftypisom');
    expect(child.peakRssBytes()).toBeLessThan(MOST_RSS_BYTES);
  }, 180_000);

  it('lets go of the connection to the store when a viewer leaves', async () => {
    const [row] = await api.db.sql('select id from videos order by id limit 1');
    const path = `/videos/stream/${String(row?.['id'])}/original/`;
    const before = await proxy.countConnections();
    const viewers = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const stop = new AbortController();
        const response = await fetch(`http://127.0.0.1:${child.port}${path}`, {
          headers: { Authorization: `Bearer ${user.key}` },
          signal: stop.signal,
        });
        return { stop, response };
      }),
    );
    expect(viewers.every(({ response }) => response.status === 200)).toBe(true);
    await waitUntil(
      () => proxy.countConnections(),
      (count) => count >= before + 15,
    );
    for (const { stop } of viewers) stop.abort();
    await waitUntil(
      () => proxy.countConnections(),
      (count) => count <= before + 1,
      20_000,
    );
  }, 60_000);

  it('answers 503 when the store goes away in the middle, and leaves nothing half-visible', async () => {
    const rows = await api.db.sql('select id from videos');
    const { status, body } = await upload(60 * MIB, (sent) => {
      if (sent === 20 * MIB)
        proxy.choose = ({ url }) =>
          url?.includes('partNumber') === true
            ? { kind: 'answer', status: 403, body: '<Error><Code>AccessDenied</Code></Error>' }
            : undefined;
    });
    proxy.choose = () => undefined;
    expect(status).toBe(503);
    expect(body['code']).toBe('storage-unavailable');
    await waitUntil(
      () => s3.countUploads(),
      (count) => count === 0,
    );
    expect(await api.db.sql('select id from videos')).toEqual(rows);
  }, 60_000);
});

(canRun ? describe : describe.skip)('the pipeline with object storage', () => {
  let s3: S3Server;
  let store: S3Store;
  let proxy: FaultProxy;
  let pipeline: Pipeline;
  let folder: string;
  let clip: string;
  let keepsOriginal = true;
  beforeAll(async () => {
    s3 = await startS3Server();
    proxy = await startFaultProxy(s3.port);
    folder = await mkdtemp(join(tmpdir(), 'steadyreel-s3-clip-'));
    clip = join(folder, 'clip.mp4');
    await makeClip(clip, { seconds: 3, options: ['-c:v', 'mpeg4'] });
    store = createS3Store({
      ...s3.settings,
      endpoint: `http://127.0.0.1:${proxy.port}`,
      prefix: 'product/',
    });
    const cached = await withFileCache(store, { folder: join(folder, 'cache'), maxBytes: 1e9 });
    pipeline = await startPipeline({
      replace: ({ settings }) => ({
        store: cached,
        settings: {
          ...settings,
          get keepOriginal() {
            return keepsOriginal;
          },
        },
      }),
    });
  }, 60_000);
  afterAll(async () => {
    await pipeline.close();
    store.close();
    await proxy.close();
    await s3.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('makes every version from one download, names equal bytes once, and leaves no piece', async () => {
    const videoId = await pipeline.submit(clip);
    await pipeline.waitForStatus(videoId, 'completed', 120);

    const rows = await pipeline.db.sql(
      'select output, object_key, size_bytes, sha256 from video_streams where video_id = $1',
      [videoId],
    );
    const keyOf = (output: string) =>
      rows.find((row) => row['output'] === output)?.['object_key'] as string | undefined;
    expect(rows.map((row) => row['output'])).toEqual(
      expect.arrayContaining(['240p', '360p', 'compressed', 'processed']),
    );
    expect(keyOf('compressed')).toBe(keyOf('360p'));
    for (const row of rows) {
      expect(await store.checksum(String(row['object_key']))).toEqual({
        sizeBytes: Number(row['size_bytes']),
        sha256: row['sha256'],
      });
    }
    await pipeline.until(
      'pieces are gone',
      async () => (await pipeline.keys('work/')).length === 0,
    );
    expect(await s3.countUploads()).toBe(0);

    const fetched = proxy.seen.filter((line) => /^GET [^?]*\/original\//.test(line));
    expect(fetched).toHaveLength(1);
    expect(proxy.seen.filter((line) => /^GET [^?]*\/work\//.test(line))).toEqual([]);
  }, 150_000);

  it('keeps one object of a 720p upload whose original is not kept, read back before it is the only one', async () => {
    keepsOriginal = false;
    const before = await pipeline.keys();
    const videoId = await pipeline.submit(clip, { profile: '720p' });
    await pipeline.client.workflow.getHandle(`process-video-${videoId}`).result();
    const streams = await pipeline.db.sql(
      'select distinct object_key from video_streams where video_id = $1',
      [videoId],
    );
    const key = `videos/streams/${videoId}/v1/360p.mp4`;
    expect(streams).toEqual([{ object_key: key }]);
    expect(await pipeline.video(videoId)).toMatchObject({
      original_available: false,
      original_removed_at: expect.any(Date),
    });
    const added = (await pipeline.keys()).filter((each) => !before.includes(each));
    expect(added.filter((each) => each.endsWith('.mp4'))).toEqual([key]);
    const isRead = (line: string) => line.startsWith('GET ') && line.includes(`/${key}`);
    expect(proxy.seen.filter(isRead)).toHaveLength(1);
  }, 90_000);

  it('deletes videos whose rows share one object', async () => {
    const ids = (await pipeline.db.sql('select id from videos')).map(({ id }) => Number(id));
    await pipeline.db.sql('update videos set deleted_at = now()');
    for (const id of ids) await pipeline.deps.workflows.startDelete(id as VideoId);
    await pipeline.until('nothing is left', async () => (await pipeline.keys()).length === 0, 60);
  }, 90_000);
});
