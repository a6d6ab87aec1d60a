import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { encodeForm, FORM_TYPE, type FormPart, openRaw, requestHead } from '../support/raw-http.ts';
import { startUploadServer, type UploadServer } from '../support/upload-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const MAX_UPLOAD_BYTES = 8_000_000;

let api: TestApi;
let user: TestUser;
let folder: string;
let server: UploadServer;

beforeAll(async () => {
  api = await createTestApi();
  user = await api.addUser();
  folder = await mkdtemp(join(tmpdir(), 'steadyreel-upload-'));
  server = await startUploadServer({
    databaseUrl: api.db.url,
    folder,
    maxUploadBytes: MAX_UPLOAD_BYTES,
    maxUploads: 3,
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
function film(sizeBytes = 300_000): Buffer {
  const bytes = randomBytes(sizeBytes);
  bytes.write('\0\0\0\x18ftypisom\0\0\0\0isommp42', 0, 'latin1');
  return bytes;
}

const file = (content: Buffer | string = film(), fileName = 'holiday.mov'): FormPart => ({
  name: 'video',
  content,
  fileName,
});
const field = (name: string, content: string): FormPart => ({ name, content });

async function upload(
  body: Buffer,
  { path = '/videos/upload/', type = FORM_TYPE, key = user.key, headers = {} } = {},
) {
  const response = await fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${key}`,
      ...(type === '' ? {} : { 'Content-Type': type }),
      ...headers,
    },
    body,
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  };
}

/** Every file of the test's folder. */
async function filesLeft(): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name !== '.steadyreel-store')
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

const rows = () => api.db.sql('select * from videos order by id');
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('POST /videos/upload/', () => {
  it('keeps the file under a name of its own, makes a pending video and starts its run', async () => {
    const bytes = film();
    const answer = await upload(
      encodeForm([field('title', 'At the sea'), file(bytes), field('tags', 'sea,sun')]),
    );

    expect(answer).toMatchObject({
      status: 201,
      body: {
        title: 'At the sea',
        tags: ['sea', 'sun'],
        ownerId: user.id,
        status: 'pending',
        visibility: 'private',
        profile: 'ladder',
        original: {
          fileName: 'holiday.mov',
          sizeBytes: bytes.length,
          sha256: sha256(bytes),
          available: true,
        },
      },
    });
    expect(answer.headers.get('Location')).toBe(`/videos/${answer.body.id}`);
    const [row] = await rows();
    expect(row).toMatchObject({
      id: answer.body.id,
      status: 'pending',
      original_content_type: 'video/mp4',
    });
    expect(row?.['stored_name']).toMatch(/^\d{8}T\d{9}Z-[0-9a-f]{16}\.mp4$/);
    expect(await filesLeft()).toEqual([`media/videos/original/${String(row?.['stored_name'])}`]);
    expect(
      (await readFile(join(folder, 'media/videos/original', String(row?.['stored_name'])))).equals(
        bytes,
      ),
    ).toBe(true);
    expect(server.workflows.uploads.at(-1)).toEqual({
      id: answer.body.id,
      ownerId: user.id,
      title: 'At the sea',
      priority: 'normal',
    });
  });

  it('works without the slash, with any name of the file part, and with all fields after it', async () => {
    const category = await api.db.sql(
      `insert into categories (name) values ('Films') returning id`,
    );
    const body = encodeForm([
      { ...file(), name: 'anything' },
      field('description', 'Two\nlines'),
      field('category', String(category[0]?.['id'])),
      field('profile', '720p'),
      field('priority', 'bulk'),
      field('visibility', 'private'),
      field('thumbnailTimestamps', '[0, 2.5]'),
    ]);
    expect(await upload(body, { path: '/videos/upload' })).toMatchObject({
      status: 201,
      body: {
        title: 'holiday',
        description: 'Two\nlines',
        categoryId: category[0]?.['id'],
        profile: '720p',
      },
    });
    expect((await rows())[0]).toMatchObject({ priority: 'bulk', thumbnail_timestamps: [0, 2.5] });
  });

  it.each([
    ['../../etc/passwd.mp4', 'passwd.mp4', 'passwd'],
    ['C:\\Users\\me\\film.mp4', 'film.mp4', 'film'],
    ['Grüße 😀.mp4', 'Grüße 😀.mp4', 'Grüße 😀'],
    ['.mp4', 'mp4', 'mp4'],
    [`${'n'.repeat(300)}.mp4`, `${'n'.repeat(176)}.mp4`, 'n'.repeat(176)],
    ['a\u202Efdp.mp4', 'afdp.mp4', 'afdp'],
    ['', 'video', 'video'],
  ])('takes the name %j for show only', async (fileName, shown, title) => {
    const answer = await upload(encodeForm([file(film(), fileName)]));
    expect(answer).toMatchObject({ status: 201, body: { title, original: { fileName: shown } } });
  });

  it('answers 201 when Temporal is away: the video waits', async () => {
    server.workflows.reachable = false;
    try {
      expect(await upload(encodeForm([file()]))).toMatchObject({
        status: 201,
        body: { status: 'pending' },
      });
    } finally {
      server.workflows.reachable = true;
    }
  });

  it('accepts a file of exactly the largest size', async () => {
    expect((await upload(encodeForm([file(film(MAX_UPLOAD_BYTES))]))).status).toBe(201);
  });
});

describe('bad uploads', () => {
  const form = (...parts: FormPart[]) => encodeForm(parts);
  const truncated = form(file()).subarray(0, 200_000);

  it.each<[string, () => Buffer, number, string, object?]>([
    ['an empty file', () => form(file('')), 422, 'upload-file-empty'],
    [
      'text named .mp4',
      () => form(file('this is not a video', 'text.mp4')),
      415,
      'upload-not-a-video',
    ],
    [
      'a long text named .mp4',
      () => form(file('this is not a video '.repeat(50_000), 'text.mp4')),
      415,
      'upload-not-a-video',
    ],
    [
      'an HLS playlist named .mp4',
      () => form(file('#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n', 'a.mp4')),
      415,
      'upload-not-a-video',
    ],
    [
      'noise',
      () => form(file(randomBytes(200_000).fill(0xfe, 0, 16), 'noise.mp4')),
      415,
      'upload-not-a-video',
    ],
    ['no file part', () => form(field('title', 'x')), 400, 'upload-file-missing'],
    ['no parts at all', () => form(), 400, 'upload-file-missing'],
    ['two files', () => form(file(), file()), 400, 'upload-too-many-files'],
    [
      'a file over the limit',
      () => form(file(film(MAX_UPLOAD_BYTES + 1))),
      413,
      'upload-too-large',
    ],
    [
      'a form over the limit by its length',
      () => form(file(film(MAX_UPLOAD_BYTES + 3_000_000))),
      413,
      'upload-too-large',
    ],
    ['a form that ends in the file', () => truncated, 400, 'unreadable-request'],
    ['a form that ends in a head', () => form(file()).subarray(0, 40), 400, 'unreadable-request'],
    ['garbage', () => randomBytes(50_000), 400, 'unreadable-request'],
    ['nothing', () => Buffer.alloc(0), 400, 'unreadable-request'],
    [
      'too many fields',
      () => form(...Array.from({ length: 21 }, (_, i) => field(`f${i}`, 'x')), file()),
      400,
      'unreadable-request',
    ],
    [
      'a field given twice',
      () => form(field('title', 'a'), field('title', 'b'), file()),
      422,
      'validation-failed',
    ],
    [
      'a field that is too long',
      () => form(field('description', 'x'.repeat(70_000)), file()),
      422,
      'validation-failed',
    ],
    [
      'a title that is too long',
      () => form(field('title', 'x'.repeat(301)), file()),
      422,
      'validation-failed',
    ],
    ['NUL in a title', () => form(field('title', 'a\0b'), file()), 422, 'validation-failed'],
    [
      'an unknown profile, after the file',
      () => form(file(), field('profile', '4k')),
      422,
      'validation-failed',
    ],
    [
      'a category that is not there',
      () => form(file(), field('category', '2147483647')),
      422,
      'validation-failed',
    ],
    [
      'a category that is no id',
      () => form(file(), field('category', 'films')),
      422,
      'validation-failed',
    ],
    [
      'timestamps that are no numbers',
      () => form(file(), field('thumbnailTimestamps', 'a,b')),
      422,
      'validation-failed',
    ],
    [
      'public visibility',
      () => form(file(), field('visibility', 'public')),
      422,
      'visibility-not-available',
    ],
    [
      'another type of body',
      () => Buffer.from('{}'),
      415,
      'upload-content-type',
      { type: 'application/json' },
    ],
    ['no type of body', () => Buffer.from('{}'), 415, 'upload-content-type', { type: '' }],
    ['no boundary', () => form(file()), 400, 'unreadable-request', { type: 'multipart/form-data' }],
    ['a wrong key', () => form(file()), 401, 'invalid-credentials', { key: 'vk_x_y' }],
  ])('%s: a problem, and nothing is left', async (_title, body, status, code, options = {}) => {
    const answer = await upload(body(), options);

    expect(answer).toMatchObject({ status, body: { status, code, requestId: expect.any(String) } });
    expect(answer.headers.get('Content-Type')).toBe('application/problem+json');
    expect(await filesLeft()).toEqual([]);
    expect(await rows()).toEqual([]);
  });

  it('needs a key that may write', async () => {
    const key = await api.addKey(user, 'member', ['read']);
    expect(await upload(encodeForm([file()]), { key })).toMatchObject({
      status: 403,
      body: { code: 'permission-denied' },
    });
  });

  it('survives forms that are broken anywhere', async () => {
    const whole = encodeForm([field('title', 'x'), file(film(20_000)), field('tags', 'a')]);
    const cuts = Array.from({ length: 60 }, (_, i) => Math.floor((whole.length * i) / 60));
    for (const cut of [...cuts, whole.length - 3, whole.length - 5]) {
      const damaged = Buffer.concat([
        whole.subarray(0, cut),
        randomBytes(7),
        whole.subarray(cut + 7),
      ]);
      for (const body of [whole.subarray(0, cut), damaged]) {
        const { status } = await upload(body);
        expect([201, 400, 415, 422]).toContain(status);
      }
    }
    expect((await filesLeft()).every((name) => name.startsWith('media/videos/original/'))).toBe(
      true,
    );
    expect(await filesLeft()).toHaveLength((await rows()).length);
  });
});

describe('senders that misbehave', () => {
  const head = (headers: Record<string, string | number> = {}) =>
    requestHead('POST /videos/upload/', {
      Authorization: `Bearer ${user.key}`,
      'Content-Type': FORM_TYPE,
      ...headers,
    });

  it('leaves no file of a sender that goes away', async () => {
    const body = encodeForm([file(film(4_000_000))]);
    for (const cut of [10, 150, 5_000, 1_000_000]) {
      // One that goes away has its place among this user's uploads until the server has noticed.
      const { key } = await api.addUser();
      const { socket } = await openRaw(server.port);
      socket.write(head({ 'Content-Length': body.length, Authorization: `Bearer ${key}` }));
      socket.write(body.subarray(0, cut));
      if (cut === 1_000_000) await waitUntil(filesLeft, (files) => files.length === 1);
      socket.destroy();
      await waitUntil(filesLeft, (files) => files.length === 0);
    }
    expect(await rows()).toEqual([]);
  });

  it('refuses a sender that stops for too long, with 408', async () => {
    const hasty = await startUploadServer({ databaseUrl: api.db.url, folder, uploadStallMs: 400 });
    const body = encodeForm([file()]);
    const client = await openRaw(hasty.port);
    client.socket.write(head({ 'Content-Length': body.length }));
    client.socket.write(body.subarray(0, 100_000));

    await client.until(/^HTTP\/1.1 408 [^]*"code":"upload-stalled"/);
    expect(await filesLeft()).toEqual([]);
    client.socket.destroy();
    await hasty.close();
  });

  it('refuses what is no video while it is still being sent', async () => {
    const client = await openRaw(server.port);
    client.socket.write(head({ 'Content-Length': 7_000_000 }));
    client.socket.write(encodeForm([file('no video '.repeat(10_000))]).subarray(0, 60_000));
    await client.until(/^HTTP\/1.1 415 [^]*"code":"upload-not-a-video"/);
    client.socket.destroy();
  });

  it('counts a body that does not tell its length', async () => {
    const client = await openRaw(server.port);
    client.socket.write(head({ 'Transfer-Encoding': 'chunked' }));
    const body = encodeForm([file(film(MAX_UPLOAD_BYTES + 1_000_000))]);
    const sending = (async () => {
      for (let start = 0; start < body.length && !client.socket.destroyed; start += 65_536) {
        const chunk = body.subarray(start, start + 65_536);
        client.socket.write(`${chunk.length.toString(16)}\r\n`);
        client.socket.write(chunk);
        if (!client.socket.write('\r\n'))
          await new Promise((resolve) =>
            client.socket.once('drain', resolve).once('close', resolve),
          );
      }
    })();
    await client.until(/^HTTP\/1.1 413 [^]*"code":"upload-too-large"/);
    expect(await filesLeft()).toEqual([]);
    client.socket.destroy();
    await sending;
  });

  it('lets a user have so many uploads at once', async () => {
    const body = encodeForm([file()]);
    const clients = await Promise.all([1, 2, 3].map(() => openRaw(server.port)));
    for (const { socket } of clients)
      socket.write(
        Buffer.concat([
          Buffer.from(head({ 'Content-Length': body.length })),
          body.subarray(0, 100_000),
        ]),
      );
    await waitUntil(filesLeft, (files) => files.length === 3);

    expect(await upload(body)).toMatchObject({ status: 429, body: { code: 'rate-limited' } });
    const other = await api.addUser();
    expect(await upload(body, { key: other.key })).toMatchObject({ status: 201 });
    for (const { socket } of clients) socket.destroy();
    await waitUntil(filesLeft, (files) => files.length === 1);
    expect(await upload(body)).toMatchObject({ status: 201 });
  });
});

describe('Expect: 100-continue', () => {
  const ask = async (headers: Record<string, string | number>) => {
    const client = await openRaw(server.port);
    client.socket.write(
      requestHead('POST /videos/upload/', {
        'Content-Type': FORM_TYPE,
        Expect: '100-continue',
        ...headers,
      }),
    );
    return client;
  };

  it('asks for the body of an upload that is wanted', async () => {
    const body = encodeForm([file()]);
    const client = await ask({
      Authorization: `Bearer ${user.key}`,
      'Content-Length': body.length,
    });
    await client.until(/^HTTP\/1.1 100 Continue\r\n\r\n/);
    client.socket.write(body);
    await client.until(/HTTP\/1.1 201 /);
    client.socket.destroy();
  });

  it.each([
    [401, 'without a login', () => ({ 'Content-Length': 5_000_000 })],
    [
      401,
      'with a wrong key',
      () => ({ 'Content-Length': 5_000_000, Authorization: 'Bearer vk_a_b' }),
    ],
    [
      413,
      'over the limit',
      () => ({ 'Content-Length': 5_000_000_000, Authorization: `Bearer ${user.key}` }),
    ],
  ])('answers %d %s before a byte of the body is sent', async (status, _title, headers) => {
    const client = await ask(headers() as Record<string, string | number>);
    await client.until(new RegExp(`^HTTP/1.1 ${status} `));
    client.socket.destroy();
  });

  it('does not hold up other routes', async () => {
    const client = await openRaw(server.port);
    const body = JSON.stringify({ email: 'a@example.test', password: 'x' });
    client.socket.write(
      requestHead('POST /auth/log-in', {
        Expect: '100-continue',
        'Content-Type': 'application/json',
        'Content-Length': body.length,
      }),
    );
    await client.until(/^HTTP\/1.1 100 Continue\r\n\r\n/);
    client.socket.write(body);
    await client.until(/HTTP\/1.1 401 /);
    client.socket.destroy();
  });
});
