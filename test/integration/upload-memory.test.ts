import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { BOUNDARY, encodeForm, FORM_TYPE } from '../support/raw-http.ts';
import { spawnUploadChild, type UploadChild } from '../support/upload-child.ts';

const GIB = 1024 ** 3;
/** A whole number of GiB, for trying larger ones by hand. */
const SIZE_BYTES = Number(process.env['UPLOAD_TEST_GIB'] ?? 1) * GIB;

let api: TestApi;
let user: TestUser;
let folder: string;
let child: UploadChild;

beforeAll(async () => {
  api = await createTestApi();
  user = await api.addUser();
  folder = await mkdtemp(join(tmpdir(), 'steadyreel-memory-'));
  child = await spawnUploadChild({ databaseUrl: api.db.url, folder, maxUploadBytes: 64 * GIB });
});

afterAll(async () => {
  await child.kill();
  await api.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a large upload', () => {
  it('holds memory flat', async () => {
    const before = child.rssBytes();
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
        'Content-Length': empty.length + SIZE_BYTES,
      },
    });
    const answered = once(post, 'response');
    post.write(empty.subarray(0, empty.length - tail.length));
    const block = randomBytes(1024 ** 2);
    block.write('\0\0\0\x18ftypisom\0\0\0\0isommp42', 0, 'latin1');
    for (let sent = 0; sent < SIZE_BYTES; sent += block.length) {
      if (!post.write(block)) await once(post, 'drain');
    }
    post.end(tail);

    const [response] = await answered;
    response.resume();
    expect(response.statusCode).toBe(201);
    const [row] = await api.db.sql('select stored_name, original_size_bytes from videos');
    expect(Number(row?.['original_size_bytes'])).toBe(SIZE_BYTES);
    expect(
      (await stat(join(folder, 'media/videos/original', String(row?.['stored_name'])))).size,
    ).toBe(SIZE_BYTES);
    // How soon memory is collected is the machine's affair: that it is not the file's size is ours.
    expect(child.peakRssBytes() - before).toBeLessThan(SIZE_BYTES / 4);
  });
});
