import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createApp } from '../../src/api/app.ts';
import { createDatabase } from '../../src/db/database.ts';
import { openOrm } from '../../src/db/orm.ts';
import { ERRORS } from '../../src/domain/errors.ts';
import { createTestApi, problemCode, type TestApi, type TestUser } from '../support/api.ts';

let api: TestApi;
let user: TestUser;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'page-'));
  await writeFile(join(folder, 'index.html'), '<!doctype html><title>Page</title>');
  await writeFile(join(folder, 'app.js'), 'start();');
  api = await createTestApi({ publicFolder: folder });
  user = await api.addUser();
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await api.close();
});

describe('problem documents', () => {
  it('name what happened, where, and the request', async () => {
    const answer = await api.ask('GET', '/videos/7', {
      as: user,
      headers: { 'X-Request-Id': 'my-request.1' },
    });
    expect(answer.body).toEqual({
      type: '/problems/video-not-found',
      title: 'There is no such video',
      status: 404,
      instance: '/videos/7',
      code: 'video-not-found',
      requestId: 'my-request.1',
    });
    expect(answer.headers.get('X-Request-Id')).toBe('my-request.1');
  });

  it.each(['', 'a b', 'x'.repeat(129), 'a"b', '<script>'])(
    'do not repeat a request id like %j',
    async (id) => {
      const answer = await api.ask('GET', '/healthz', { headers: { 'X-Request-Id': id } });
      expect(answer.headers.get('X-Request-Id')).toMatch(/^[0-9a-f-]{36}$/);
    },
  );

  it('of a fault that nobody foresaw tell nothing, and the log everything', async () => {
    const id = await api.addVideo(user);
    const { startDelete } = api.workflows;
    api.workflows.startDelete = () => Promise.reject(new Error('secret-connection-string'));
    const answer = await api.ask('DELETE', `/videos/${id}`, { as: user });
    api.workflows.startDelete = startDelete;
    expect({ status: answer.status, code: problemCode(answer) }).toEqual({
      status: 500,
      code: 'internal-error',
    });
    expect(answer.text).not.toContain('secret-connection-string');
    const line = api.logLines.find((each) => each['errorCode'] === 'internal-error');
    expect(line).toMatchObject({
      requestId: answer.body.requestId,
      err: { message: 'secret-connection-string' },
    });
    // Foreseen by this test alone: any other error line still fails the suite.
    api.logLines.splice(api.logLines.indexOf(line ?? {}), 1);
  });

  it('are explained under their own address, every one', async () => {
    for (const [code, { status, title, fault }] of Object.entries(ERRORS)) {
      expect((await api.ask('GET', `/problems/${code}`)).body).toMatchObject({
        code,
        status,
        title,
        fault,
      });
    }
    expect(problemCode(await api.ask('GET', '/problems/nothing'))).toBe('not-found');
    expect(problemCode(await api.ask('GET', '/problems/constructor'))).toBe('not-found');
  });
});

describe('addresses', () => {
  it('that nobody knows are not found', async () => {
    for (const path of ['/nothing', '/videos/1/nothing', '/auth', '/problems']) {
      const answer = await api.ask('GET', path, { as: user });
      expect({ path, status: answer.status, code: problemCode(answer) }).toEqual({
        path,
        status: 404,
        code: 'not-found',
      });
    }
  });

  it.each([
    ['PUT', '/videos', 'GET, HEAD'],
    ['POST', '/videos/1', 'GET, HEAD, PATCH, DELETE'],
    ['GET', '/videos/1/cancel', 'POST'],
    ['DELETE', '/playlists/1/items', 'POST, PUT'],
    ['PROPFIND', '/categories', 'GET, HEAD, POST'],
    ['DELETE', '/healthz', 'GET, HEAD'],
    ['GET', '/auth/log-in/', 'POST'],
  ])('%s %s is refused, and told what is taken', async (method, path, allow) => {
    const answer = await api.ask(method, path, { as: user });
    expect({ status: answer.status, code: problemCode(answer) }).toEqual({
      status: 405,
      code: 'method-not-allowed',
    });
    expect(answer.headers.get('Allow')).toBe(allow);
  });

  it('work with and without a slash at their end', async () => {
    for (const path of ['/videos', '/queue', '/categories', '/auth/me', '/healthz']) {
      expect((await api.ask('GET', path, { as: user })).status).toBe(200);
      expect((await api.ask('GET', `${path}/`, { as: user })).status).toBe(200);
    }
  });
});

describe('headers', () => {
  it('keep answers about somebody out of caches', async () => {
    expect((await api.ask('GET', '/videos', { as: user })).headers.get('Cache-Control')).toBe(
      'no-store',
    );
    expect((await api.ask('GET', '/videos/7', { as: user })).headers.get('Cache-Control')).toBe(
      'no-store',
    );
  });

  it('keep browsers strict, on answers of every kind', async () => {
    for (const path of ['/', '/healthz', '/videos', '/nothing']) {
      const { headers } = await api.ask('GET', path);
      expect(headers.get('Content-Security-Policy')).toContain(`default-src 'self'`);
      expect(headers.get('Content-Security-Policy')).toContain(`frame-ancestors 'none'`);
      expect(headers.get('Content-Security-Policy')).not.toContain('unsafe');
      expect(headers.get('X-Content-Type-Options')).toBe('nosniff');
      expect(headers.get('Referrer-Policy')).toBe('no-referrer');
      expect(headers.get('X-Powered-By')).toBeNull();
    }
  });
});

describe('the page', () => {
  it('is served fresh, and not again when the browser has it', async () => {
    const page = await api.ask('GET', '/');
    expect({ status: page.status, type: page.headers.get('Content-Type') }).toEqual({
      status: 200,
      type: 'text/html; charset=utf-8',
    });
    expect(page.text).toContain('<title>Page</title>');
    expect(page.headers.get('Cache-Control')).toBe('no-cache');
    const etag = page.headers.get('ETag') ?? '';
    const again = await api.ask('GET', '/', { headers: { 'If-None-Match': etag } });
    expect({ status: again.status, text: again.text }).toEqual({ status: 304, text: '' });
    await writeFile(join(folder, 'index.html'), '<!doctype html><title>New</title>');
    expect((await api.ask('GET', '/', { headers: { 'If-None-Match': etag } })).status).toBe(200);
    expect((await api.ask('GET', '/app.js')).headers.get('Content-Type')).toContain('javascript');
  });

  it('gives away no other file', async () => {
    for (const path of ['/../package.json', '/%2e%2e/package.json', '/app.ts', '/index.html%00']) {
      expect((await api.ask('GET', path)).status).toBe(401);
    }
    expect(problemCode(await api.ask('GET', '/style.css'))).toBe('not-found');
  });
});

describe('the description', () => {
  it('is OpenAPI 3.1, names every error shape and every route once', async () => {
    const { body } = await api.ask('GET', '/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    expect(body.servers).toEqual([{ url: 'http://api.test' }]);
    const operations = Object.values<Record<string, { responses: object; summary?: string }>>(
      body.paths,
    ).flatMap((path) => Object.values(path));
    expect(operations.length).toBeGreaterThanOrEqual(40);
    for (const operation of operations) {
      expect(operation.summary).toEqual(expect.any(String));
      expect(operation.responses).toHaveProperty('default');
    }
    expect(body.paths['/videos/upload/'].post.requestBody.content).toHaveProperty(
      'multipart/form-data',
    );
    expect(body.paths['/videos/{id}'].get.parameters).toEqual([
      {
        schema: { type: 'integer', minimum: 1, maximum: 2_147_483_647 },
        required: true,
        name: 'id',
        in: 'path',
      },
    ]);
    expect(body.components.schemas.Video.required).toContain('progressPercent');
    expect((await api.ask('GET', '/openapi.json')).text).toBe(JSON.stringify(body));
  });

  it('holds patterns that mean what the application checks', async () => {
    const { text } = await api.ask('GET', '/openapi.json');
    const patterns = new Set<string>();
    JSON.parse(text, (name, value) => {
      if (name === 'pattern') patterns.add(value);
      return value;
    });
    // As JSON Schema has them read: an expression alone, in Unicode.
    const accepted = (sample: string) =>
      [...patterns].filter((pattern) => new RegExp(pattern, 'u').test(sample));
    expect(accepted('two\nlines')).toEqual([String.raw`^[\P{Cc}\t\n\r]*$`]);
    expect(accepted('A plain word')).toEqual([...patterns]);
    expect(accepted('a\u0000b')).toEqual([]);
  });

  it('leaves out no route that the application has', async () => {
    const { body } = await api.ask('GET', '/openapi.json');
    const described = Object.entries<object>(body.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map(
        (method) =>
          `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '1').replace(/(.)\/$/, '$1')}`,
      ),
    );
    const undescribed = api.app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replace(/(.)\/$/, '$1')}`)
      .filter((route) => !/^GET \/(?:[a-z]+\.(?:js|css|svg|html))?$/.test(route))
      .filter((route) => !described.some((operation) => toPattern(route).test(operation)));
    expect(undescribed).toEqual(['GET /openapi.json']);
  });
});

describe('health', () => {
  it('tells life from readiness, and names what fails', async () => {
    expect((await api.ask('GET', '/readyz')).body).toEqual({
      status: 'ready',
      checks: { database: 'ok', temporal: 'ok', storage: 'ok' },
    });
    const failing = createApp({
      ...api.deps,
      readiness: {
        database: () => Promise.resolve(true),
        temporal: () => Promise.resolve(false),
        storage: () => Promise.reject(new Error('disk-full at /srv/secret')),
      },
    });
    const answer = await failing.request('/readyz');
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({
      status: 'not-ready',
      checks: { database: 'ok', temporal: 'failing', storage: 'failing' },
    });
    expect((await failing.request('/healthz')).status).toBe(200);
  });

  it('asks what it stands on once for all who ask within two seconds', async () => {
    let isWell = true;
    let asked = 0;
    const database = () => {
      asked += 1;
      return Promise.resolve(isWell);
    };
    let nowMs = Date.now();
    const now = () => new Date(nowMs);
    const app = createApp({ ...api.deps, now, readiness: { ...api.deps.readiness, database } });
    const statuses = async () =>
      (await Promise.all([1, 2, 3].map(async () => app.request('/readyz')))).map(
        ({ status }) => status,
      );
    expect(await statuses()).toEqual([200, 200, 200]);
    isWell = false;
    expect(await statuses()).toEqual([200, 200, 200]);
    expect(asked).toBe(1);
    nowMs += 2_000;
    expect(await statuses()).toEqual([503, 503, 503]);
    expect(asked).toBe(2);
  });
});

describe('a database that is away', () => {
  it('is answered with 503 until it is back', async () => {
    const orm = await openOrm({ databaseUrl: 'postgresql://nobody@127.0.0.1:1/nothing' });
    const database = createDatabase(orm);
    const app = createApp({
      ...api.deps,
      database,
      readiness: { ...api.deps.readiness, database: () => database.isReachable() },
    });
    const answer = await app.request('/videos', {
      headers: { Authorization: `Bearer ${user.key}` },
    });
    expect({ status: answer.status, body: await answer.json() }).toMatchObject({
      status: 503,
      body: { code: 'database-unavailable' },
    });
    expect(answer.headers.get('Retry-After')).toBe('5');
    expect(await (await app.request('/readyz')).json()).toMatchObject({
      checks: { database: 'failing' },
    });
    await orm.close(true);
  });

  it('that cuts its connections does no lasting harm', async () => {
    await Promise.all(Array.from({ length: 4 }, () => api.ask('GET', '/auth/me', { as: user })));
    await api.db.sql(
      'select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    );
    const next = await api.ask('GET', '/auth/me', { as: user });
    expect([200, 503]).toContain(next.status);
    let status = next.status;
    for (let attempt = 0; attempt < 5 && status !== 200; attempt += 1) {
      status = (await api.ask('GET', '/auth/me', { as: user })).status;
    }
    expect(status).toBe(200);
  });
});

describe('the access log', () => {
  it('shows no control characters, which could look like lines of its own', async () => {
    const answer = await api.ask('GET', '/videos%0AGET%20/forged%1B[2K%C2%85', { as: user });
    const [line] = api.logLines.filter(
      (each) => each['requestId'] === answer.headers.get('X-Request-Id'),
    );
    expect(line).toMatchObject({
      path: '/videos\uFFFDGET /forged\uFFFD[2K\uFFFD',
      msg: 'GET /videos\uFFFDGET /forged\uFFFD[2K\uFFFD 404',
    });
  });

  it('has one line for each request, with its time and user', async () => {
    const answer = await api.ask('GET', '/videos?q=holiday', { as: user });
    const lines = api.logLines.filter(
      (line) => line['requestId'] === answer.headers.get('X-Request-Id'),
    );
    expect(lines).toEqual([
      expect.objectContaining({
        method: 'GET',
        path: '/videos',
        status: 200,
        userId: user.id,
        durationMs: expect.any(Number),
      }),
    ]);
  });
});

/** What a route takes: its parameters as Hono writes them, with or without an expression of their own. */
function toPattern(route: string): RegExp {
  const parts = route.split('/').map((part) => {
    const parameter = /^:\w+(?:\{(.+)\})?$/.exec(part);
    return parameter === null ? part.replaceAll('.', String.raw`\.`) : (parameter[1] ?? '[^/]+');
  });
  return new RegExp(`^${parts.join('/')}$`);
}
