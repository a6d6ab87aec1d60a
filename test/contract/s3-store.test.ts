import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import {
  CreateMultipartUploadCommand,
  GetBucketCorsCommand,
  PutBucketCorsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { AppError } from '../../src/domain/errors.ts';
import { createS3Store, type S3Store, type S3StoreOptions } from '../../src/storage/s3-store.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { hasS3Server, type S3Server, startS3Server } from '../support/s3-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const MIB = 1024 ** 2;
/** Also what was begun within this very second, of which the server tells no more. */
const AT_ONCE_MS = -2_000;
const newKey = () => `videos/work/1/${randomUUID()}.bin`;
const failing = (code: string) => expect.objectContaining({ code });

async function* chunksOf(bytes: Buffer, size = 256 * 1024): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += size)
    yield bytes.subarray(start, start + size);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

(hasS3Server() ? describe : describe.skip)('S3 store', () => {
  let server: S3Server;
  let proxy: FaultProxy;
  let stores: S3Store[];
  beforeAll(async () => {
    server = await startS3Server();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    stores = [];
    proxy = await startFaultProxy(server.port);
  });
  afterEach(async () => {
    for (const store of stores) store.close();
    await proxy.close();
  });

  /** A store behind the proxy that tries again soon. */
  const open = (changes: Partial<S3StoreOptions> = {}): S3Store => {
    const store = createS3Store({
      ...server.settings,
      endpoint: `http://127.0.0.1:${proxy.port}`,
      partBytes: 5 * MIB,
      patience: { backoffMs: 5, timeoutMs: 120_000 },
      readPatience: { stallMs: 120_000, resumes: 5, backoffMs: 5 },
      ...changes,
    });
    stores.push(store);
    return store;
  };

  describe('says in one sentence what is wrong with the way to it', () => {
    const sentenceOf = async (action: Promise<unknown>): Promise<string> => {
      const error = await action.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(AppError);
      expect(error).toMatchObject({ code: 'storage-unavailable' });
      return (error as AppError).message;
    };

    /** Every way in which the fault is met says the same; above all, none says that an object is gone. */
    const expectEverywhere = async (store: S3Store, sentence: RegExp) => {
      const key = newKey();
      expect(await sentenceOf(store.checkWritable())).toMatch(sentence);
      expect(await sentenceOf(store.stat(key))).toMatch(sentence);
      expect(await sentenceOf(collect(store.read(key)))).toMatch(sentence);
      expect(await sentenceOf(store.put(key, chunksOf(Buffer.from('x'))))).toMatch(sentence);
      expect(await sentenceOf(store.delete([key]))).toMatch(sentence);
      expect(await sentenceOf(store.sweepIncoming())).toMatch(sentence);
      expect(await sentenceOf(collect(listed(store)))).toMatch(sentence);
    };
    async function* listed(store: S3Store) {
      for await (const { key } of store.list('')) yield Buffer.from(key);
    }

    it.each([
      ['a wrong secret', { secretKey: 'x'.repeat(32) }, /^SPACES_SECRET_KEY is refused by 127/],
      ['an unknown key', { accessKey: 'nobody' }, /^SPACES_ACCESS_KEY is not known at 127/],
      ['a missing bucket', { bucket: 'not-there' }, /^There is no bucket not-there at 127/],
      [
        'a host without an address',
        { endpoint: 'http://nowhere.invalid' },
        /^No address is known for nowhere.invalid/,
      ],
      ['a port where nobody listens', { endpoint: 'http://127.0.0.1:1' }, /does not answer/],
    ])('%s', async (_name, changes, sentence) => {
      await expectEverywhere(open(changes), sentence);
    });

    it.each([
      ['in the name of the host', (bucket: string) => `http://${bucket}.nyc3.spaces.invalid`],
      ['in the path', (bucket: string) => `http://nyc3.spaces.invalid/${bucket}`],
    ])('an endpoint with the bucket %s', async (_name, endpointOf) => {
      const { bucket } = server.settings;
      await expectEverywhere(
        open({ endpoint: endpointOf(bucket), forcePathStyle: false }),
        new RegExp(
          `^SPACES_ENDPOINT_URL has the bucket in it: http://nyc3.spaces.invalid is the endpoint, ${bucket} belongs`,
        ),
      );
    });

    it.each([200, 404])('an address that answers %d with a web page', async (status) => {
      const site = createServer((_request, response) => {
        response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' });
        response.end('<html><body>Welcome</body></html>');
      });
      await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
      const { port } = site.address() as AddressInfo;
      await expectEverywhere(
        open({ endpoint: `http://127.0.0.1:${port}` }),
        /^127.0.0.1:\d+ answers with a web page: SPACES_ENDPOINT_URL/,
      );
      site.closeAllConnections();
      await new Promise((resolve) => site.close(resolve));
    });

    it('a server that never answers, within bounds', async () => {
      proxy.choose = () => ({ kind: 'hang' });
      const store = open({
        patience: { timeoutMs: 200, backoffMs: 5 },
        readPatience: { stallMs: 200, resumes: 5, backoffMs: 5 },
      });
      await expectEverywhere(store, /does not answer \(ETIMEDOUT\)/);
    });

    it('a key that may not use the bucket', async () => {
      proxy.choose = ({ method }) => ({
        kind: 'answer',
        status: 403,
        headers: { 'content-type': 'application/xml' },
        body: method === 'HEAD' ? '' : '<Error><Code>AccessDenied</Code></Error>',
      });
      await expectEverywhere(open(), /^The key in SPACES_ACCESS_KEY may not use the bucket media-/);
    });

    it('and tells neither key nor what was signed', async () => {
      const secretKey = `top-${randomBytes(8).toString('hex')}`;
      const error = await open({ secretKey })
        .put(newKey(), chunksOf(Buffer.from('x')))
        .catch((reason: unknown) => reason);
      const { inspect } = await import('node:util');
      const told = inspect(error, { depth: 9, showHidden: true });
      expect(told).toContain('SignatureDoesNotMatch');
      expect(told).not.toContain(secretKey);
      expect(told).not.toContain(server.settings.accessKey);
      expect(told).not.toMatch(/AWS4-HMAC|StringToSign/);
    });
  });

  it('works with a clock that is an hour off', async () => {
    const now = Date.now;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000);
    try {
      const store = open();
      await store.checkWritable();
      const key = newKey();
      await store.put(key, chunksOf(Buffer.from('late')));
      expect(String(await collect(store.read(key)))).toBe('late');
    } finally {
      clock.mockRestore();
    }
  });

  describe('makes up for what passes', () => {
    const slowDown = {
      kind: 'answer',
      status: 503,
      headers: { 'content-type': 'application/xml' },
      body: '<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>',
    } as const;
    /** Every other request, beginning with the first. */
    const everyOther = () => {
      let count = 0;
      return () => (count += 1) % 2 === 1;
    };

    it.each([
      ['SlowDown', slowDown],
      ['a bare 500', { kind: 'answer', status: 500 }],
      [
        "a proxy's page that says 502",
        { kind: 'answer', status: 502, headers: { 'content-type': 'text/html' }, body: '<html>' },
      ],
      ['answers that get lost', { kind: 'lose-answer' }],
    ] as const)('%s, everywhere', async (_name, fault) => {
      const store = open();
      const isNext = everyOther();
      proxy.choose = () => (isNext() ? fault : undefined);
      const bytes = randomBytes(12 * MIB);
      const [small, large, copy] = [newKey(), newKey(), newKey()];

      await store.put(small, chunksOf(bytes.subarray(0, 1000)));
      await store.put(large, chunksOf(bytes));
      await store.link(small, copy);
      expect((await collect(store.read(large))).equals(bytes)).toBe(true);
      expect(await store.stat(copy)).toMatchObject({ sizeBytes: 1000 });
      await store.delete([small, large, copy]);
      expect(await store.stat(large)).toBeUndefined();
      await store.checkWritable();
      proxy.choose = () => undefined;
      // An upload whose beginning was never answered is nobody's: it waits for the sweep.
      if (fault.kind !== 'lose-answer') expect(await server.countUploads(large)).toBe(0);
      await open({ abandonedMs: AT_ONCE_MS }).sweepIncoming();
      expect(await server.countUploads()).toBe(0);
    });

    it('with pauses that grow, longer where less is asked for', async () => {
      const store = open({ patience: { backoffMs: 20, attempts: 4 } });
      await store.checkWritable();
      const at: number[] = [];
      proxy.choose = () => {
        at.push(performance.now());
        return at.length <= 3 ? slowDown : undefined;
      };
      await store.stat(newKey());
      const pauses = at.slice(1, 4).map((time, index) => time - (at[index] ?? 0));
      // 20 ms × 5, doubled each time, half of it by chance.
      expect(pauses[0]).toBeGreaterThan(45);
      expect(pauses[1]).toBeGreaterThan(95);
      expect(pauses[2]).toBeGreaterThan(195);
    });

    it('but not for ever', async () => {
      const store = open({ patience: { backoffMs: 1, attempts: 3 } });
      proxy.choose = () => slowDown;
      await expect(store.stat(newKey())).rejects.toEqual(failing('storage-unavailable'));
      expect(proxy.seen).toHaveLength(3);
    });

    it('and an abort ends the wait at once', async () => {
      const store = open({ patience: { backoffMs: 3_600_000 } });
      await store.checkWritable();
      proxy.choose = ({ method }) => (method === 'PUT' ? slowDown : undefined);
      const stop = new AbortController();
      const putting = store.put(newKey(), chunksOf(Buffer.from('x')), { signal: stop.signal });
      setTimeout(() => stop.abort(), 100);
      await expect(putting).rejects.toMatchObject({ name: 'AbortError' });
    });
  });

  describe('while it is read', () => {
    let key: string;
    let bytes: Buffer;
    beforeEach(async () => {
      key = newKey();
      bytes = randomBytes(4 * MIB);
      await open().put(key, chunksOf(bytes));
      proxy.choose = () => undefined;
    });
    const isGet = (method: string | undefined) => method === 'GET';

    it.each(['cut', 'stall'] as const)('goes on at the next byte after a %s', async (kind) => {
      let gets = 0;
      const ranges: (string | undefined)[] = [];
      proxy.choose = ({ method, headers }) => {
        if (!isGet(method)) return undefined;
        ranges.push(headers.range);
        gets += 1;
        return gets <= 3 ? { kind, afterBytes: 1_000_000 } : undefined;
      };
      const range = { start: 10, end: bytes.length - 11 };
      const store = open({
        readPatience: { stallMs: kind === 'stall' ? 500 : 120_000, resumes: 5, backoffMs: 5 },
      });
      expect(
        (await collect(store.read(key, range))).equals(bytes.subarray(10, bytes.length - 10)),
      ).toBe(true);
      expect(ranges).toEqual(
        [10, 1_000_010, 2_000_010, 3_000_010].map((start) => `bytes=${start}-${range.end}`),
      );
    });

    it('gives up on one that breaks off again and again', async () => {
      proxy.choose = ({ method }) => (isGet(method) ? { kind: 'cut', afterBytes: 10 } : undefined);
      await expect(collect(open().read(key))).rejects.toEqual(failing('storage-unavailable'));
      expect(proxy.seen.filter((line) => line.startsWith('GET'))).toHaveLength(6);
    });

    it('never continues one object with the bytes of another', async () => {
      let gets = 0;
      proxy.choose = ({ method }) => {
        if (!isGet(method)) return undefined;
        gets += 1;
        return gets === 1 ? { kind: 'cut', afterBytes: 1_000_000 } : undefined;
      };
      const reading = (async () => {
        let isFirst = true;
        for await (const chunk of open().read(key)) {
          if (isFirst && chunk.length > 0) await replace(key, randomBytes(bytes.length));
          isFirst = false;
        }
      })();
      await expect(reading).rejects.toEqual(failing('storage-object-missing'));
    });

    /** As somebody else with the key of the bucket can. */
    const replace = async (name: string, body: Buffer) => {
      const client = rawClient();
      await client.send(
        new PutObjectCommand({ Bucket: server.settings.bucket, Key: name, Body: body }),
      );
      client.destroy();
    };

    it('refuses to bring a file whose bytes are not the expected ones', async () => {
      const store = open();
      const { sha256 } = await store.checksum(key);
      const path = join(server.folder, '..', randomUUID());
      await store.fetchToFile(key, path, undefined, { sizeBytes: bytes.length, sha256 });
      await replace(key, randomBytes(bytes.length));
      await expect(
        store.fetchToFile(key, `${path}-2`, undefined, { sizeBytes: bytes.length, sha256 }),
      ).rejects.toEqual(failing('storage-object-missing'));
      expect(await readdir(join(server.folder, '..'))).not.toContain(`${path.split('/').at(-1)}-2`);
    });

    it('lets go of the connection when the reader leaves', async () => {
      const store = open({ readPatience: { stallMs: 120_000, resumes: 0, backoffMs: 5 } });
      await store.checkWritable();
      proxy.choose = ({ method }) =>
        isGet(method) ? { kind: 'stall', afterBytes: 200_000 } : undefined;
      const before = await proxy.countConnections();
      const stops = Array.from({ length: 60 }, () => new AbortController());
      const readers = stops.map(async ({ signal }) => {
        for await (const chunk of store.read(key, undefined, signal))
          if (chunk.length === 0) throw new Error('an empty chunk');
      });
      // Sixty that stall do not keep a small question waiting.
      await waitUntil(
        () => proxy.countConnections(),
        (count) => count >= stops.length,
      );
      expect(await store.stat(key)).toMatchObject({ sizeBytes: bytes.length });
      for (const stop of stops) stop.abort();
      const ends = await Promise.allSettled(readers);
      expect(ends.every(({ status }) => status === 'rejected')).toBe(true);
      await waitUntil(
        () => proxy.countConnections(),
        (count) => count <= before + 1,
      );
    });
  });

  describe('uploads', () => {
    it('leave no part behind when the server fails in the middle', async () => {
      const store = open({ patience: { attempts: 2, backoffMs: 1 } });
      const key = newKey();
      const sink = await store.openSink(key);
      await sink.write(randomBytes(6 * MIB));
      await waitUntil(
        () => server.countUploads(key),
        (count) => count === 1,
      );
      proxy.choose = ({ method, url }) =>
        method === 'PUT' && url?.includes('partNumber') === true
          ? { kind: 'answer', status: 500 }
          : undefined;
      const writing = (async () => {
        for (let i = 0; i < 20; i += 1) await sink.write(randomBytes(5 * MIB));
        await sink.commit();
      })();
      await expect(writing).rejects.toEqual(failing('storage-unavailable'));
      await sink.abort();
      expect(await server.countUploads(key)).toBe(0);
      expect(await store.stat(key)).toBeUndefined();
    });

    it('survive a server that is killed and comes back', async () => {
      const store = open({ patience: { attempts: 12, backoffMs: 50 } });
      const key = newKey();
      const bytes = randomBytes(30 * MIB);
      const sink = await store.openSink(key);
      let sent = 0;
      let restarted: Promise<void> | undefined;
      for await (const chunk of chunksOf(bytes, 3 * MIB)) {
        if (sent === 4) {
          await server.kill();
          restarted = sleep(1_000).then(() => server.start());
        }
        await sink.write(chunk);
        sent += 1;
      }
      const stored = await sink.commit();
      await restarted;
      expect(stored.sizeBytes).toBe(bytes.length);
      expect((await collect(store.read(key))).equals(bytes)).toBe(true);
      expect(await server.countUploads(key)).toBe(0);
    });

    it('of dead writers are removed after a grace, below our prefix only, and live ones never', async () => {
      const { bucket } = server.settings;
      const client = rawClient();
      const begin = async (Key: string) => {
        const { UploadId } = await client.send(
          new CreateMultipartUploadCommand({ Bucket: bucket, Key }),
        );
        await client.send(
          new UploadPartCommand({
            ...{ Bucket: bucket, Key, UploadId },
            ...{ PartNumber: 1, Body: randomBytes(1000) },
          }),
        );
      };
      await begin('ours/videos/work/1/dead.bin');
      await begin('ours/videos/work/1/dead-2.bin');
      await begin('theirs/videos/work/1/x.bin');
      const patient = open({ prefix: 'ours/' });
      const strict = open({ prefix: 'ours/', abandonedMs: AT_ONCE_MS });
      const sink = await strict.openSink('videos/work/1/live.bin');
      await sink.write(randomBytes(6 * MIB));
      expect(await server.countUploads('ours/')).toBe(3);
      expect(await patient.sweepIncoming()).toBe(0);
      expect(await strict.sweepIncoming()).toBe(2);
      expect(await strict.sweepIncoming()).toBe(0);
      await sink.commit();
      expect(await strict.stat('videos/work/1/live.bin')).toMatchObject({ sizeBytes: 6 * MIB });
      expect(await open({ prefix: 'theirs/', abandonedMs: AT_ONCE_MS }).sweepIncoming()).toBe(1);
      client.destroy();
    });

    it('never take the place of an object, also where the server takes no conditions', async () => {
      proxy.choose = ({ headers }) =>
        headers['if-none-match'] === undefined ? undefined : { kind: 'answer', status: 501 };
      const store = open();
      const key = newKey();
      await store.put(key, chunksOf(Buffer.from('first')));
      await store.put(key, chunksOf(Buffer.from('first')));
      await expect(store.put(key, chunksOf(Buffer.from('second')))).rejects.toEqual(
        failing('storage-object-exists'),
      );
      expect(String(await collect(store.read(key)))).toBe('first');
    });

    it('hold as much memory as the parts under way, however many files there are', async () => {
      const store = open({ partsAtOnce: 2 });
      let now = 0;
      let most = 0;
      proxy.choose = (incoming) => {
        if (incoming.method === 'PUT' && incoming.url?.includes('partNumber') === true) {
          now += 1;
          most = Math.max(most, now);
          incoming.on('end', () => (now -= 1));
        }
        return undefined;
      };
      const bytes = randomBytes(11 * MIB);
      await Promise.all(Array.from({ length: 5 }, () => store.put(newKey(), chunksOf(bytes))));
      expect(most).toBeGreaterThan(0);
      expect(most).toBeLessThanOrEqual(2);
    });
  });

  it('tells sizes from memory only where that is allowed', async () => {
    const store = open();
    const key = newKey();
    await store.put(key, chunksOf(Buffer.from('12345')));
    await store.stat(key);
    const before = proxy.seen.length;
    expect(await store.stat(key, { maxAgeMs: 60_000 })).toMatchObject({ sizeBytes: 5 });
    expect(proxy.seen.length).toBe(before);
    await writeFile(join(server.folder, key), '123');
    expect(await store.stat(key)).toMatchObject({ sizeBytes: 3 });
    await store.delete([key]);
    expect(await store.stat(key, { maxAgeMs: 60_000 })).toBeUndefined();
  });

  describe('gives out addresses', () => {
    const HOUR = 3_600;
    const AS = {
      expiresSeconds: HOUR,
      contentType: 'video/x-test',
      cacheControl: 'private, max-age=60',
      contentDisposition: `attachment; filename="a_b.mp4"; filename*=UTF-8''%C3%A4%20%28b%29.mp4`,
    };
    const BYTES = Buffer.from('0123456789');

    const addressOf = async (store: S3Store, as = AS) => {
      const key = newKey();
      await store.put(key, chunksOf(BYTES));
      const url = (await store.addressOf(key, as)) ?? '';
      return { key, url, bare: url.split('?')[0] ?? '' };
    };

    it('at which whoever has one gets the object, as what it is, and nobody else does', async () => {
      const { key, url, bare } = await addressOf(open());
      const part = await fetch(url, { headers: { Range: 'bytes=2-5' } });
      expect([part.status, await part.text()]).toEqual([206, '2345']);
      expect(Object.fromEntries(part.headers)).toMatchObject({
        'content-type': AS.contentType,
        'cache-control': AS.cacheControl,
        'content-disposition': AS.contentDisposition,
        'content-range': 'bytes 2-5/10',
      });
      const refused = [
        bare,
        url.replace('X-Amz-Expires=3600', 'X-Amz-Expires=7200'),
        url.replace('video%2Fx-test', 'text%2Fhtml'),
        url.replace(key, `${key}x`),
      ];
      for (const wrong of refused) {
        expect(wrong).not.toBe(url);
        expect((await fetch(wrong)).status).toBe(403);
      }
    });

    it('that last for their time, and no longer', async () => {
      const age = (seconds: number) => () => new Date(Date.now() - seconds * 1000);
      const late = await addressOf(open({ now: age(0.9 * HOUR) }));
      expect((await fetch(late.url, { headers: { Range: 'bytes=8-' } })).status).toBe(206);
      const over = await addressOf(open({ now: age(1.01 * HOUR) }));
      expect((await fetch(over.url)).status).toBe(403);
    });

    it('that stay the same for a twentieth of their time', async () => {
      // In the middle of one, since the server's clock and ours differ a little.
      let nowMs = Date.UTC(2026, 0, 1, 0, 1);
      const store = open({ now: () => new Date(nowMs) });
      const { key, url } = await addressOf(store);
      nowMs += 60_000;
      expect(await store.addressOf(key, AS)).toBe(url);
      nowMs += 120_000;
      expect(await store.addressOf(key, AS)).not.toBe(url);
    });

    it('by names with odd characters, and below a prefix', async () => {
      const store = open({ prefix: 'some/where/' });
      const key = `videos/work/1/a b+c=d@e-${randomUUID()}.bin`;
      await store.put(key, chunksOf(BYTES));
      const answer = await fetch((await store.addressOf(key, AS)) ?? '');
      expect([answer.status, await answer.text()]).toEqual([200, String(BYTES)]);
    });

    it('of a CDN, which calls the bucket by its own name', async () => {
      const cdn = await startFaultProxy(server.port, `${server.settings.bucket}.${server.host}`);
      const cdnUrl = `http://127.0.0.1:${cdn.port}`;
      const key = newKey();
      await open().put(key, chunksOf(BYTES));
      // Nobody can look that name up, and nobody has to.
      const store = open({ endpoint: `http://${server.host}`, cdnUrl });
      const url = (await store.addressOf(key, AS)) ?? '';
      expect(new URL(url).origin).toBe(cdnUrl);
      const part = await fetch(url, { headers: { Range: 'bytes=-3' } });
      expect([part.status, await part.text()]).toEqual([206, '789']);
      expect((await fetch(url.split('?')[0] ?? '')).status).toBe(403);
      await cdn.close();
    });

    it('and lets pages read there, by a rule beside those that are there', async () => {
      const rules = async () => {
        const { CORSRules = [] } = await rawClient().send(
          new GetBucketCorsCommand({ Bucket: server.settings.bucket }),
        );
        return CORSRules.map(({ ID }) => ID);
      };
      const theirs = { ID: 'theirs', AllowedOrigins: ['https://a.test'], AllowedMethods: ['PUT'] };
      await rawClient().send(
        new PutBucketCorsCommand({
          Bucket: server.settings.bucket,
          CORSConfiguration: { CORSRules: [theirs] },
        }),
      );
      const store = open();
      const { url } = await addressOf(store);
      const ask = async () => {
        const answer = await fetch(url, {
          headers: { Origin: 'http://b.test', Range: 'bytes=0-1' },
        });
        const { headers } = answer;
        return [
          headers.get('Access-Control-Allow-Origin'),
          headers.get('Access-Control-Expose-Headers')?.includes('Content-Range'),
        ];
      };
      expect(await ask()).toEqual([null, undefined]);
      expect(await store.allowPages('http://b.test')).toEqual({ access: 'set' });
      expect(await ask()).toEqual(['*', true]);
      expect(await rules()).toEqual(['theirs', 'steadyreel-viewers']);
      expect(await store.allowPages('http://b.test')).toEqual({ access: 'allowed' });
    });

    it('and says in one sentence what to set where it may not', async () => {
      proxy.choose = ({ method, url }) =>
        method === 'OPTIONS' || url?.includes('cors') === true
          ? { kind: 'answer', status: 403, body: '<Error><Code>AccessDenied</Code></Error>' }
          : undefined;
      expect(await open().allowPages('https://videos.test')).toEqual({
        access: 'refused',
        sentence: expect.stringMatching(/^Pages at https:\/\/videos\.test may not .*CORS.*Range/),
      });
      proxy.choose = () => ({ kind: 'answer', status: 503 });
      await expect(open().allowPages('https://videos.test')).rejects.toEqual(
        failing('storage-unavailable'),
      );
    });
  });

  function rawClient(): S3Client {
    const { endpoint, region, accessKey, secretKey } = server.settings;
    return new S3Client({
      endpoint,
      region,
      forcePathStyle: true,
      credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    });
  }
});
