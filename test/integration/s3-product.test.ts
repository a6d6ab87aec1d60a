import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { VideoId } from '../../src/domain/ids.ts';
import { withFileCache } from '../../src/storage/file-cache.ts';
import { createS3Store, type S3Store } from '../../src/storage/s3-store.ts';
import { hasBrowser, openBrowser } from '../support/browser.ts';
import { createTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { sendLongUpload } from '../support/long-upload.ts';
import { makeClip, runTool } from '../support/make-clip.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';
import { type PipelineApi, servePipeline } from '../support/pipeline-api.ts';
import { openPlayerPage, playsFrom } from '../support/player.ts';
import { hasS3Server, type S3Server, startS3Server } from '../support/s3-server.ts';
import { spawnUploadChild, type UploadChild } from '../support/upload-child.ts';
import { waitUntil } from '../support/wait-until.ts';

const MIB = 1024 ** 2;
const SIZE_BYTES = Number(process.env['UPLOAD_TEST_MIB'] ?? 200) * MIB;

const canRun = hasS3Server();
const hasCurl = spawnSync('curl', ['--version']).status === 0;

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
  });
  afterAll(async () => {
    await child.kill();
    await api.close();
    await proxy.close();
    await s3.close();
    await rm(folder, { recursive: true, force: true });
  });

  const upload = (sizeBytes: number, onSent?: (sent: number) => unknown) =>
    sendLongUpload({ port: child.port, key: user.key, sizeBytes, ...(onSent && { onSent }) });

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
    const before = child.rssBytes();
    // How soon memory is collected is the machine's affair: that it is not the file's size is ours.
    const expectFlatMemory = () => expect(child.peakRssBytes() - before).toBeLessThan(SIZE_BYTES);
    const { status, body, sha256 } = await upload(SIZE_BYTES, async (sent) => {
      if (sent % (32 * MIB) === 0) most = Math.max(most, (await localFiles()).length);
    });
    expect(status).toBe(201);
    expect(body['original']).toMatchObject({ sizeBytes: SIZE_BYTES, sha256 });
    expect(most).toBe(0);
    expect(await localFiles()).toEqual([]);
    expect(await s3.countUploads()).toBe(0);
    expectFlatMemory();

    // It is served through us, with ranges and over a hiccup.
    const path = `/videos/stream/${String(body['id'])}/original/`;
    const ranges: unknown[] = [];
    proxy.choose = ({ method, headers }) => {
      if (method !== 'GET') return undefined;
      ranges.push(headers.range);
      return ranges.length === 1 ? { kind: 'cut', afterBytes: 3_000_000 } : undefined;
    };
    const whole = await get(path);
    expect(whole.headers.get('content-length')).toBe(String(SIZE_BYTES));
    const hash = createHash('sha256');
    for await (const chunk of whole.body ?? []) hash.update(chunk);
    expect(hash.digest('hex')).toBe(sha256);
    const last = SIZE_BYTES - 1;
    expect(ranges).toEqual([`bytes=0-${last}`, `bytes=3000000-${last}`]);
    const part = await get(path, { Range: 'bytes=4-11' });
    expect(part.status).toBe(206);
    expect(Buffer.from(await part.arrayBuffer()).toString('latin1')).toBe('ftypisom');
    expectFlatMemory();
  });

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
    // Some of them on connections that were there before.
    await waitUntil(
      () => proxy.countConnections(),
      (count) => count >= viewers.length,
    );
    for (const { stop } of viewers) stop.abort();
    await waitUntil(
      () => proxy.countConnections(),
      (count) => count <= before + 1,
    );
  });

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
  });
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
  });
  afterAll(async () => {
    await pipeline.close();
    store.close();
    await proxy.close();
    await s3.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('makes every version from one download, names equal bytes once, and leaves no piece', async () => {
    const videoId = await pipeline.submit(clip);
    await pipeline.waitForStatus(videoId, 'completed');

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
  });

  describe.each(['proxy', 'redirect'] as const)('to viewers by %s', (viewerMode) => {
    let served: PipelineApi;
    let videoId: number;
    beforeAll(async () => {
      const mediaOrigins = [`http://127.0.0.1:${proxy.port}`];
      served = await servePipeline(pipeline, { viewerMode, mediaOrigins });
      const [row] = await pipeline.db.sql('select id from videos limit 1');
      videoId = Number(row?.['id']);
      await store.allowPages(served.url);
    });
    afterAll(() => served.close());

    /** Packets as ffmpeg gets them when it is the player. */
    const countPackets = async (path: string, stream: string) => {
      const text = await runTool('ffprobe', [
        ...['-headers', `Authorization: Bearer ${served.key}\r\n`, '-select_streams', stream],
        ...['-show_entries', 'packet=pts', '-of', 'csv=p=0', served.url + path],
      ]);
      return text.match(/^-?\d/gm)?.length ?? 0;
    };

    it('gives ffmpeg, which takes its key along, every frame', async () => {
      for (const path of ['hls/master.m3u8', 'dash/manifest.mpd', 'v1/360p.mp4'])
        expect(await countPackets(`/videos/${videoId}/${path}`, 'v:0')).toBe(3 * 25);
    });

    (hasCurl ? it : it.skip)(
      'gives curl the file under its name, and the store never sees the key',
      async () => {
        const keys: unknown[] = [];
        proxy.choose = ({ url, headers }) => {
          if (url?.includes('/streams/') === true && 'authorization' in headers)
            keys.push(headers.authorization);
          return undefined;
        };
        const file = join(folder, `${viewerMode}.mp4`);
        const { stdout: head } = await promisify(execFile)('curl', [
          ...['-sSfL', '-H', `Authorization: Bearer ${served.key}`, '-o', file, '-D', '-'],
          `${served.url}/videos/${videoId}/download/360p`,
        ]);
        proxy.choose = () => undefined;
        expect(head).toMatch(/^content-disposition: attachment; filename="clip.mp4 360p.mp4"/im);
        const [row] = await pipeline.db.sql(
          `select sha256 from video_streams where video_id = $1 and output = '360p'`,
          [videoId],
        );
        expect(
          createHash('sha256')
            .update(await readFile(file))
            .digest('hex'),
        ).toBe(row?.['sha256']);
        expect(keys.filter((key) => String(key).startsWith('Bearer'))).toEqual([]);
      },
    );

    (hasBrowser() ? it : it.skip)('plays in a browser, the file itself and HLS', async () => {
      const browser = await openBrowser();
      try {
        const context = await browser.newContext({ bypassCSP: true });
        await context.addCookies([served.cookie]);
        const { page, faults, media } = await openPlayerPage(context, served.url);
        await page.evaluate(`player.src = '/videos/${videoId}/v1/360p.mp4'; player.play()`);
        await playsFrom(page, 0);
        await page.evaluate(`player.currentTime = 2.7`);
        await waitUntil(() => page.evaluate<boolean>('player.ended'), Boolean);
        await page.evaluate(`load('/videos/${videoId}/hls/master.m3u8', {})`);
        await playsFrom(page, 0);
        await waitUntil(() => page.evaluate<boolean>('player.ended'), Boolean);
        expect(await page.evaluate<string[]>('problems')).toEqual([]);
        const picture = `new Promise((done) => {
          const image = new Image();
          image.onload = () => done(image.naturalWidth > 0);
          image.onerror = () => done(false);
          image.src = '/videos/${videoId}/poster';
        })`;
        expect(await page.evaluate<boolean>(picture)).toBe(true);
        expect(faults.list()).toEqual([]);
        const fromStore = media.filter((path) => path.includes('/streams/'));
        expect(fromStore.length > 0).toBe(viewerMode === 'redirect');
      } finally {
        await browser.close();
      }
    });
  });

  describe('to viewers who are sent to the store', () => {
    let served: PipelineApi;
    let path: string;
    beforeAll(async () => {
      served = await servePipeline(pipeline, { viewerMode: 'redirect' });
      const [row] = await pipeline.db.sql('select id from videos limit 1');
      path = `/videos/${String(row?.['id'])}/v1/240p.mp4`;
    });
    afterAll(() => served.close());

    const ask = async (headers: Record<string, string> = {}, method = 'GET') =>
      fetch(served.url + path, {
        method,
        redirect: 'manual',
        headers: { Authorization: `Bearer ${served.key}`, ...headers },
      });
    const follow = async (answer: Response, headers: Record<string, string> = {}) =>
      fetch(answer.headers.get('Location') ?? '', { headers });

    it('names an address that lasts, and nobody keeps it but for now', async () => {
      const answer = await ask();
      expect(answer.status).toBe(302);
      expect(answer.headers.get('Cache-Control')).toBe('private, no-store');
      const { searchParams, origin } = new URL(answer.headers.get('Location') ?? '');
      expect(origin).toBe(`http://127.0.0.1:${proxy.port}`);
      expect(searchParams.get('X-Amz-Expires')).toBe('3600');
      const file = await follow(answer);
      expect(Object.fromEntries(file.headers)).toMatchObject({
        'content-type': 'video/mp4',
        'cache-control': 'private, immutable, max-age=31536000',
      });
      await file.body?.cancel();
    });

    it('only after it has seen that they may', async () => {
      const path404 = path.replace('/v1/', '/v2/');
      for (const [headers, address, status] of [
        [{}, path, 401],
        [{ Authorization: 'Bearer nonsense' }, path, 401],
        [{ Authorization: `Bearer ${served.key}` }, path404, 404],
      ] as const) {
        const answer = await fetch(served.url + address, { headers, redirect: 'manual' });
        expect([answer.status, answer.headers.get('Location')]).toEqual([status, null]);
      }
    });

    it('and speaks of the file as the store does, so that it is all one who answers', async () => {
      const head = await ask({}, 'HEAD');
      expect(head.status).toBe(200);
      const stored = await follow(await ask());
      await stored.body?.cancel();
      for (const name of ['etag', 'last-modified', 'content-length', 'content-type'])
        expect([name, head.headers.get(name)]).toEqual([name, stored.headers.get(name)]);

      const etag = stored.headers.get('ETag') ?? '';
      expect((await ask({ 'If-None-Match': etag })).status).toBe(304);
      expect((await ask({ 'If-Match': '"another"' })).status).toBe(412);
      expect((await ask({ Range: 'bytes=99999999-' })).status).toBe(416);
      const ranged = { Range: 'bytes=4-7', 'If-Range': etag };
      const part = await follow(await ask(ranged), ranged);
      expect([part.status, await part.text()]).toEqual([206, 'ftyp']);
    });

    it('but itself answers what the store would take otherwise', async () => {
      const changed = await ask({ Range: 'bytes=4-7', 'If-Range': '"of an older version"' });
      expect([changed.status, changed.headers.get('Content-Range')]).toEqual([200, null]);
      await changed.body?.cancel();
      const many = await ask({ Range: 'bytes=0-1,4-7' });
      expect(many.status).toBe(200);
      await many.body?.cancel();
    });
  });

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
  });

  it('deletes videos whose rows share one object', async () => {
    const ids = (await pipeline.db.sql('select id from videos')).map(({ id }) => Number(id));
    await pipeline.db.sql('update videos set deleted_at = now()');
    for (const id of ids) await pipeline.deps.workflows.startDelete(id as VideoId);
    await pipeline.until('nothing is left', async () => (await pipeline.keys()).length === 0);
  });
});
