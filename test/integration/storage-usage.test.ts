import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { VideoId } from '../../src/domain/ids.ts';
import { createTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { encodeForm, FORM_TYPE, openRaw, requestHead } from '../support/raw-http.ts';
import { startUploadServer, type UploadServer } from '../support/upload-server.ts';

const MB = 1_000_000;
const QUOTA = 5 * MB;

let api: TestApi;
let admin: TestUser;
let folder: string;
let server: UploadServer;

beforeAll(async () => {
  api = await createTestApi();
  admin = await api.addUser('admin');
  folder = await mkdtemp(join(tmpdir(), 'steadyreel-usage-'));
  server = await startUploadServer({
    databaseUrl: api.db.url,
    folder,
    memberQuotaBytes: QUOTA,
    graceSeconds: 1800,
  });
});
afterAll(async () => {
  await server.close();
  await api.close();
  await rm(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await api.db.sql('delete from videos');
  await rm(join(folder, 'media', 'videos'), { recursive: true, force: true });
});

/** Looks like a film, is none: only a probe would tell. */
function form(sizeBytes: number): Buffer {
  const bytes = randomBytes(sizeBytes);
  bytes.write('\0\0\0\x18ftypisom\0\0\0\0isommp42', 0, 'latin1');
  return encodeForm([{ name: 'video', content: bytes, fileName: 'a.mp4' }]);
}

async function begin(user: TestUser, headers: Record<string, string | number>) {
  const client = await openRaw(server.port);
  client.socket.write(
    requestHead('POST /videos/upload/', {
      'Content-Type': FORM_TYPE,
      Authorization: `Bearer ${user.key}`,
      ...headers,
    }),
  );
  return client;
}

/** @returns the status, once everything is sent */
async function upload(user: TestUser, sizeBytes: number): Promise<number> {
  const body = form(sizeBytes);
  const client = await begin(user, { 'Content-Length': body.length });
  client.socket.write(body);
  const [, status] = await client.until(/^HTTP\/1.1 (\d+) /);
  client.socket.destroy();
  return Number(status);
}

async function originals(): Promise<readonly string[]> {
  return readdir(join(folder, 'media/videos/original')).catch(() => []);
}
const manifests = () => readdir(join(folder, 'process')).catch(() => []);

async function addStream(
  videoId: VideoId,
  stream: {
    output: string;
    version?: number;
    sizeBytes: number;
    sha256: string;
    retired?: boolean;
  },
): Promise<void> {
  const { output, version = 1, sizeBytes, sha256, retired = false } = stream;
  await api.db.sql(
    `insert into video_streams (video_id, version, output, object_key, size_bytes, sha256, width_px, height_px, bitrate_bps, duration_seconds, codecs, retired_at)
     values ($1, $2, $3, $4, $5, $6, 1, 1, 1, 1, 'avc1', $7)`,
    [
      videoId,
      version,
      output,
      `k/${sha256}/${output}`,
      sizeBytes,
      sha256,
      retired ? new Date() : null,
    ],
  );
}

describe('a member’s quota', () => {
  it('refuses what cannot fit before its first byte, and what does not fit as soon as that is known', async () => {
    const member = await api.addUser();
    const announced = await begin(member, { Expect: '100-continue', 'Content-Length': 8 * MB });
    await announced.until(/^HTTP\/1.1 403 [^]*"code":"quota-exceeded"/);
    expect(announced.text()).toContain(`"quotaBytes":${QUOTA}`);

    const unannounced = await begin(member, { 'Transfer-Encoding': 'chunked' });
    const body = form(6 * MB);
    unannounced.socket.write(`${body.length.toString(16)}\r\n`);
    unannounced.socket.write(body);
    await unannounced.until(/^HTTP\/1.1 403 [^]*"code":"quota-exceeded"/);
    for (const { socket } of [announced, unannounced]) socket.destroy();
    expect(await originals()).toEqual([]);

    expect(await upload(member, 3 * MB)).toBe(201);
    expect(await upload(member, 3 * MB)).toBe(403);
    expect(await upload(member, 2 * MB)).toBe(201);
    expect(await upload(member, 1)).toBe(403);
    expect(await originals()).toHaveLength(2);
  });

  it('is not passed by uploads of one member that end together, and leaves nothing of those it refuses', async () => {
    const member = await api.addUser();
    const bodies = Array.from({ length: 4 }, () => form(2 * MB));
    const clients = await Promise.all(
      bodies.map((body) => begin(member, { 'Content-Length': body.length })),
    );
    // All are let in while nothing is taken yet.
    for (const [index, { socket }] of clients.entries()) {
      const body = bodies[index] ?? Buffer.alloc(0);
      if (!socket.write(body.subarray(0, body.length - 1))) await once(socket, 'drain');
    }
    for (const { socket } of clients) socket.write('\n');
    const answers = await Promise.all(
      clients.map(async ({ until }) => (await until(/^HTTP\/1.1 (\d+) /))[1] ?? ''),
    );
    expect(answers.toSorted()).toEqual(['201', '201', '403', '403']);
    for (const { socket } of clients) socket.destroy();
    expect(await api.db.sql('select 1 from videos')).toHaveLength(2);
    expect(await originals()).toHaveLength(2);
    expect(await manifests()).toEqual([]);
  });

  it('counts originals and what is published, the same bytes once, and neither other members nor administrators', async () => {
    const member = await api.addUser();
    await api.addVideo(await api.addUser(), { originalSizeBytes: QUOTA });
    const id = await api.addVideo(member, { originalSizeBytes: MB, originalSha256: 'original' });
    await api.db.sql('update videos set version = 2 where id = $1', [id]);
    await addStream(id, { output: '720p', version: 2, sizeBytes: 2 * MB, sha256: 'tallest' });
    await addStream(id, { output: 'compressed', version: 2, sizeBytes: 2 * MB, sha256: 'tallest' });
    await addStream(id, { output: 'processed', version: 2, sizeBytes: MB, sha256: 'original' });
    await addStream(id, { output: '720p', sizeBytes: QUOTA, sha256: 'old', retired: true });
    await addStream(id, { output: '720p', version: 3, sizeBytes: QUOTA, sha256: 'next' });
    expect(await upload(member, 2 * MB + 1)).toBe(403);
    expect(await upload(member, 2 * MB)).toBe(201);

    await api.db.sql('update videos set deleted_at = now() where id = $1', [id]);
    expect(await upload(member, 3 * MB)).toBe(201);
    expect(await upload(admin, QUOTA + 1)).toBe(201);
  });
});

describe('GET /admin/storage', () => {
  async function ask(key: string) {
    const response = await fetch(`${server.url}/admin/storage`, {
      headers: { Authorization: `Bearer ${key}` },
    });
    return { status: response.status, body: await response.json() };
  }

  it('tells bytes by kind and by owner, disks, and files that no row names', async () => {
    const member = await api.addUser();
    const other = await api.addUser();
    const id = await api.addVideo(member, { originalSizeBytes: 1000, originalSha256: 'a' });
    await api.addVideo(other, { originalSizeBytes: 50, originalSha256: 'b' });
    const gone = await api.addVideo(other, { originalSizeBytes: 7, originalSha256: 'c' });
    await api.db.sql('update videos set deleted_at = now() where id = $1', [gone]);
    await api.db.sql('update videos set version = 2 where id = $1', [id]);
    await addStream(id, { output: '240p', version: 2, sizeBytes: 200, sha256: 'new' });
    await addStream(id, { output: 'compressed', version: 2, sizeBytes: 200, sha256: 'new' });
    await addStream(id, {
      output: '240p',
      version: 1,
      sizeBytes: 300,
      sha256: 'old',
      retired: true,
    });
    await addStream(id, { output: '240p', version: 3, sizeBytes: 20, sha256: 'next' });
    await api.db.sql(
      `insert into thumbnails (video_id, version, position, timestamp_seconds, object_key, size_bytes, sha256, is_default)
       values ($1, 2, 0, 0, 'k/thumb', 4, 'thumb', true)`,
      [id],
    );
    for (const sha256 of ['new', 'chunk']) {
      await api.db.sql(
        `insert into pieces (video_id, source_sha256, name, kind, recipe, object_key, size_bytes, sha256, tool_version, facts)
         values ($1, 'a', $2, 'chunk', 'r', $2, 60, $2, 'v', '{}')`,
        [id, sha256],
      );
    }
    await server.store.put('videos/original/nobodys.mp4', one(Buffer.alloc(11)));
    await server.store.put('videos/work/1/left.mp4', one(Buffer.alloc(5)));
    await server.store.put('videos/work/1/young.mp4', one(Buffer.alloc(5)));
    const old = new Date(Date.now() - 3_600_000);
    for (const key of ['original/nobodys.mp4', 'work/1/left.mp4'])
      await utimes(join(folder, 'media/videos', key), old, old);

    const { status, body } = await ask(admin.key);
    expect(status).toBe(200);
    expect(body).toEqual({
      bytesByKind: {
        originals: 1050,
        renditions: 200,
        pictures: 4,
        replaced: 300,
        pieces: 80,
        deleted: 7,
      },
      owners: [
        { ownerId: member.id, email: member.email, videos: 1, usedBytes: 1204, totalBytes: 1584 },
        { ownerId: other.id, email: other.email, videos: 1, usedBytes: 50, totalBytes: 57 },
      ],
      memberQuotaBytes: QUOTA,
      disks: [
        {
          name: 'media',
          folder,
          totalBytes: expect.any(Number),
          freeBytes: expect.any(Number),
          keptBytes: 0,
          marginBytes: 0,
          usableBytes: expect.any(Number),
        },
      ],
      reservedBytes: { runs: 0, uploads: 0 },
      orphans: {
        made: { objects: 1, bytes: 5 },
        originals: { objects: 1, bytes: 11 },
        isComplete: true,
      },
    });
  });

  it('is for administrators alone', async () => {
    const member = await api.addUser();
    const narrowed = await api.addKey(admin, 'admin', ['read', 'write']);
    for (const key of [member.key, narrowed]) {
      expect(await ask(key)).toMatchObject({ status: 403, body: { code: 'permission-denied' } });
    }
  });
});

async function* one(bytes: Buffer) {
  yield bytes;
}
