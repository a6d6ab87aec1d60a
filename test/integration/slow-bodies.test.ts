import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { createTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { openRaw, requestHead } from '../support/raw-http.ts';
import { startUploadServer, type UploadServer } from '../support/upload-server.ts';

let api: TestApi;
let user: TestUser;
let folder: string;
let server: UploadServer;
/** Waits hardly at all: even a quick sender may be too slow for it. */
let hasty: UploadServer;

beforeAll(async () => {
  api = await createTestApi();
  user = await api.addUser();
  folder = await mkdtemp(join(tmpdir(), 'steadyreel-bodies-'));
  server = await startUploadServer({ databaseUrl: api.db.url, folder });
  hasty = await startUploadServer({ databaseUrl: api.db.url, folder, longestBodyMs: 300 });
});
afterAll(async () => {
  await server.close();
  await hasty.close();
  await api.close();
  await rm(folder, { recursive: true });
});

/** Sends the head of a request with a body; the caller goes on by hand. */
async function begin(headers: Record<string, string | number>, { port } = server) {
  const client = await openRaw(port);
  const closed = once(client.socket, 'close');
  const head = { Authorization: `Bearer ${user.key}`, 'Content-Type': 'application/json' };
  client.socket.write(requestHead('POST /playlists', { ...head, ...headers }));
  return { ...client, closed };
}

describe('a body of JSON', () => {
  it.each([
    ['of a known length', { 'Content-Length': 1000 }, '{'],
    ['in chunks', { 'Transfer-Encoding': 'chunked' }, '1\r\n{\r\n'],
  ])('%s that does not come to its end is not waited for', async (_how, headers, start) => {
    const { socket, until, closed } = await begin(headers, hasty);
    socket.write(start);
    await until(/^HTTP\/1\.1 408 [^]*"code":"request-too-slow"/);
    await closed;
  });

  it('in chunks is refused as soon as it is too large', async () => {
    const { socket, until, closed } = await begin({ 'Transfer-Encoding': 'chunked' });
    socket.write(`50000\r\n${'x'.repeat(0x50000)}\r\n`);
    await until(/^HTTP\/1\.1 413 [^]*"code":"request-too-large"/);
    await closed;
  });

  it('that arrives in pieces, but in time, is taken', async () => {
    const { socket, until } = await begin({ 'Transfer-Encoding': 'chunked' });
    for (const piece of ['{"title":', '"In pieces"', '}'])
      socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
    socket.write('0\r\n\r\n');
    await until(/^HTTP\/1\.1 201 [^]*"In pieces"/);
    socket.destroy();
  });
});
