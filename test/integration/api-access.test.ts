import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Hono } from 'hono';
import { createApp } from '../../src/api/app.ts';
import type { AppEnv } from '../../src/api/app-env.ts';
import { insertComment } from '../../src/db/comments.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { createRecall } from '../../src/usecases/recall.ts';
import { createTestApi, problemCode, type TestApi, type TestUser } from '../support/api.ts';

let api: TestApi;
let owner: TestUser;
let other: TestUser;
let admin: TestUser;
let videoId: VideoId;
let commentId: number;

beforeAll(async () => {
  api = await createTestApi();
  [owner, other, admin] = [await api.addUser(), await api.addUser(), await api.addUser('admin')];
  videoId = await api.addVideo(owner, { title: 'Private' });
  commentId = await api.db.database.run((em) =>
    insertComment(em, { videoId, authorId: owner.id, text: 'mine' }),
  );
});
afterAll(() => api.close());

/** Every operation of the description, with an address that is really there. */
async function describedOperations(): Promise<
  { method: string; path: string; needsLogin: boolean }[]
> {
  const { body } = await api.ask('GET', '/openapi.json');
  const paths: Record<string, Record<string, { security?: unknown[] }>> = body.paths;
  return Object.entries(paths).flatMap(([template, operations]) =>
    Object.entries(operations).map(([method, { security }]) => ({
      method: method.toUpperCase(),
      path: template
        .replace('{commentId}', String(commentId))
        .replace('{videoId}', String(videoId))
        .replace('{id}', String(videoId))
        .replace('{quality}', 'original')
        .replace('{version}', '1')
        .replace('{track}', 'audio')
        .replace('{number}', '0')
        .replace('{token}', 'x')
        .replace('{code}', 'video-busy'),
      needsLogin: security === undefined,
    })),
  );
}

describe('without a login', () => {
  it('every described address but the public ones answers 401, with and without a slash at its end', async () => {
    const closed = (await describedOperations()).filter(({ needsLogin }) => needsLogin);
    expect(closed.length).toBeGreaterThan(30);
    for (const { method, path } of closed) {
      const bare = path.replace(/\/$/, '');
      for (const address of [bare, `${bare}/`]) {
        const answer = await api.ask(method, address);
        expect({ method, address, code: problemCode(answer) }).toEqual({
          method,
          address,
          code: 'authentication-required',
        });
        expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer realm="steadyreel"');
      }
    }
  });

  it('nothing under /videos answers, described or not', async () => {
    const paths = [
      '/videos',
      '/videos/nothing',
      `/videos/${videoId}/v1/720p.mp4`,
      '/videos/stream/1/720p',
      '/videos//1',
    ];
    for (const path of [...paths, '/videos/../videos', '/%76ideos']) {
      for (const method of [
        'GET',
        'HEAD',
        'POST',
        'PUT',
        'PATCH',
        'DELETE',
        'OPTIONS',
        'PROPFIND',
      ]) {
        expect({ method, path, status: (await api.ask(method, path)).status }).toEqual({
          method,
          path,
          status: 401,
        });
      }
    }
  });

  it('the public addresses answer', async () => {
    const open = (await describedOperations()).filter(({ needsLogin }) => !needsLogin);
    expect(open.map(({ path }) => path).toSorted()).toEqual([
      '/auth/link/x',
      '/auth/log-in',
      '/auth/log-out',
      '/auth/sign-up',
      '/healthz',
      '/problems/video-busy',
      '/readyz',
    ]);
    for (const { method, path } of open) {
      const answer = await api.ask(method, path);
      expect(answer.body?.code).not.toBe('authentication-required');
    }
  });
});

describe("another member's video", () => {
  it('answers exactly like one that is not there, and nothing is done', async () => {
    const missing = 2_000_000_000;
    const bodies: Record<string, unknown> = {
      title: 'taken over',
      text: 'hello',
      profile: 'ladder',
    };
    const operations = (await describedOperations()).filter(
      ({ path }) => path.startsWith('/videos/') && path.split('/').includes(String(videoId)),
    );
    expect(operations.length).toBeGreaterThan(16);
    for (const { method, path } of operations) {
      const json = jsonFor(method, path, bodies);
      const foreign = await api.ask(method, path, { as: other, json });
      const absent = await api.ask(method, path.replace(`/${videoId}`, `/${missing}`), {
        as: other,
        json,
      });
      expect(withoutAddress(foreign.text)).toBe(withoutAddress(absent.text));
      expect({ method, path, status: foreign.status, code: problemCode(foreign) }).toEqual({
        method,
        path,
        status: 404,
        code: 'video-not-found',
      });
      expect(headerNames(foreign.headers)).toEqual(headerNames(absent.headers));
    }
    const still = await api.ask('GET', `/videos/${videoId}`, { as: owner });
    expect(still.body.title).toBe('Private');
    expect(
      (await api.ask('GET', `/videos/${videoId}/comments`, { as: owner })).body.data,
    ).toHaveLength(1);
    const { runs, cancelled, deleted, pictures } = api.workflows;
    expect([...runs, ...cancelled, ...deleted, ...pictures]).toEqual([]);
  });

  it('is not in lists, queues or playlists of others', async () => {
    expect((await api.ask('GET', '/videos', { as: other })).body.data).toEqual([]);
    expect(problemCode(await api.ask('GET', `/videos?ownerId=${owner.id}`, { as: other }))).toBe(
      'permission-denied',
    );
    const playlist = await api.ask('POST', '/playlists', { as: other, json: { title: 'theirs' } });
    const added = await api.ask('POST', `/playlists/${playlist.body.id}/items`, {
      as: other,
      json: { videoId },
    });
    expect(problemCode(added)).toBe('video-not-found');
  });

  it('is open to an administrator, but not to an administrator’s key without that scope', async () => {
    expect((await api.ask('GET', `/videos/${videoId}`, { as: admin })).status).toBe(200);
    const narrow = await api.addKey(admin, 'admin', ['read', 'write']);
    expect(problemCode(await api.ask('GET', `/videos/${videoId}`, { as: narrow }))).toBe(
      'video-not-found',
    );
  });
});

describe('API keys', () => {
  it.each([
    { case: 'unknown', header: 'Bearer vk_0000000000_0000000000000000000000000000' },
    { case: 'no key at all', header: 'Bearer x' },
    { case: 'another scheme', header: 'Basic dXNlcjpwYXNz' },
    { case: 'empty', header: 'Bearer ' },
  ])('let nobody in when they are $case', async ({ header }) => {
    const answer = await api.ask('GET', '/videos', { headers: { Authorization: header } });
    expect({ code: problemCode(answer), status: answer.status }).toEqual({
      code: 'invalid-credentials',
      status: 401,
    });
    expect(answer.headers.get('WWW-Authenticate')).toContain('Bearer');
  });

  it('are shown once, listed without their secret, and dead as soon as they are revoked', async () => {
    const made = await api.ask('POST', '/api-keys', { as: owner, json: { name: 'camera' } });
    expect(made.body).toMatchObject({ name: 'camera', scopes: ['read', 'write'], revokedAt: null });
    const { id, key } = made.body;
    expect((await api.ask('GET', '/auth/me', { as: key })).body).toMatchObject({
      id: owner.id,
      via: 'api-key',
    });

    const listed = await api.ask('GET', '/api-keys', { as: owner });
    expect(listed.body.data.map((each: { id: number }) => each.id)).toContain(id);
    expect(listed.text).not.toContain(key);
    expect(listed.text).not.toMatch(/hash/i);
    const stored = await api.db.sql('select secret_hash from api_keys where id = $1', [id]);
    expect(stored[0]?.['secret_hash']).toMatch(/^[0-9a-f]{64}$/);

    expect(problemCode(await api.ask('DELETE', `/api-keys/${id}`, { as: other }))).toBe(
      'api-key-not-found',
    );
    expect((await api.ask('DELETE', `/api-keys/${id}`, { as: owner })).status).toBe(204);
    expect((await api.ask('DELETE', `/api-keys/${id}`, { as: owner })).status).toBe(204);
    expect(problemCode(await api.ask('GET', '/auth/me', { as: key }))).toBe('invalid-credentials');
  });

  it('end at their time', async () => {
    const expiresAt = new Date(api.deps.now().getTime() + 60_000).toISOString();
    const { key } = (
      await api.ask('POST', '/api-keys', { as: owner, json: { name: 'guest', expiresAt } })
    ).body;
    expect((await api.ask('GET', '/auth/me', { as: key })).status).toBe(200);
    api.clock.advanceSeconds(61);
    expect(problemCode(await api.ask('GET', '/auth/me', { as: key }))).toBe('invalid-credentials');
  });

  it('do what their scopes say', async () => {
    const readOnly = await api.addKey(owner, 'member', ['read']);
    expect((await api.ask('GET', '/videos', { as: readOnly })).status).toBe(200);
    expect(problemCode(await api.ask('DELETE', `/videos/${videoId}`, { as: readOnly }))).toBe(
      'permission-denied',
    );
    expect(problemCode(await api.ask('POST', '/videos/upload/', { as: readOnly }))).toBe(
      'permission-denied',
    );
    const writeOnly = await api.addKey(owner, 'member', ['write']);
    expect(problemCode(await api.ask('GET', '/videos', { as: writeOnly }))).toBe(
      'permission-denied',
    );
  });

  it('never make more of themselves', async () => {
    const asMember = await api.ask('POST', '/api-keys', {
      as: owner,
      json: { name: 'x', scopes: ['admin'] },
    });
    expect(problemCode(asMember)).toBe('permission-denied');
    const writeOnly = await api.addKey(owner, 'member', ['write']);
    const widened = await api.ask('POST', '/api-keys', {
      as: writeOnly,
      json: { name: 'x', scopes: ['read'] },
    });
    expect(problemCode(widened)).toBe('permission-denied');
    expect(problemCode(await api.ask('POST', '/auth/login-links', { as: writeOnly }))).toBe(
      'permission-denied',
    );
  });

  it('note their last use at most once a minute', async () => {
    const { id, key } = (await api.ask('POST', '/api-keys', { as: owner, json: { name: 'busy' } }))
      .body;
    const lastUsed = async (): Promise<unknown> =>
      (await api.db.sql('select last_used_at from api_keys where id = $1', [id]))[0]?.[
        'last_used_at'
      ];
    expect(await lastUsed()).toBeNull();
    await api.ask('GET', '/auth/me', { as: key });
    const first = await lastUsed();
    expect(first).toBeInstanceOf(Date);
    await api.ask('GET', '/auth/me', { as: key });
    expect(await lastUsed()).toEqual(first);
    api.clock.advanceSeconds(61);
    await api.ask('GET', '/auth/me', { as: key });
    expect(await lastUsed()).not.toEqual(first);
  });

  it('lose the rights that their owner loses', async () => {
    const demoted = await api.addUser('admin');
    await api.db.sql(`update users set role = 'member' where id = $1`, [demoted.id]);
    const answer = await api.ask('POST', '/categories', { as: demoted, json: { name: 'no' } });
    expect(problemCode(answer)).toBe('permission-denied');
  });
});

describe('moving what is stored', () => {
  const PATH = '/admin/storage/migrate';
  const json = { from: 'local', to: 'spaces' };

  it('is for administrators whose login was not narrowed', async () => {
    const narrowed = await api.addKey(admin, 'admin', ['read', 'write']);
    for (const [method, path] of [
      ['GET', PATH],
      ['POST', PATH],
      ['DELETE', PATH],
      ['POST', `${PATH}/pause`],
      ['POST', `${PATH}/resume`],
    ] as const)
      for (const as of [owner, narrowed]) {
        const body = method === 'POST' && path === PATH ? { json } : {};
        expect(problemCode(await api.ask(method, path, { as, ...body }))).toBe('permission-denied');
      }
  });

  it('tells which stores there are, and says what is wrong with others', async () => {
    const stores = [{ name: 'local', place: 'local', isMain: true }];
    const { status, body } = await api.ask('GET', PATH, { as: admin });
    expect([status, body]).toEqual([200, { stores, migration: null }]);

    const unknown = await api.ask('POST', PATH, { as: admin, json });
    expect(problemCode(unknown)).toBe('validation-failed');
    expect(unknown.body.errors).toEqual([
      { path: 'to', message: 'The settings name no store "spaces"; they name local.' },
    ]);
    for (const wrong of [
      {},
      { from: 'local', to: 'local' },
      { ...json, from: 'disk' },
      { ...json, bytesPerSecond: 1 },
      { ...json, filter: { videos: [1] } },
      { ...json, filter: { kinds: [] } },
    ]) {
      const answer = await api.ask('POST', PATH, { as: admin, json: wrong });
      expect([wrong, problemCode(answer)]).toEqual([wrong, 'validation-failed']);
    }
  });
});

it('routes that move bytes get the viewer of the login', async () => {
  const seen: unknown[] = [];
  const uploadRoutes = new Hono<AppEnv>().post('/videos/upload', (c) => {
    seen.push(c.var.viewer.userId);
    return c.body(null, 204);
  });
  const app = createApp({ ...api.deps, uploadRoutes });
  const headers = { Authorization: `Bearer ${owner.key}` };
  await app.request('http://api.test/videos/upload/', { method: 'POST', headers });
  expect(seen).toEqual([owner.id]);
});

it('believes a login for a moment, but not across a write, and never for a write', async () => {
  const user = await api.addUser();
  const app = createApp({ ...api.deps, recall: createRecall({ keepMs: 60_000 }) });
  const ask = async (method: string, path: string, key = user.key) =>
    app.request(`http://api.test${path}`, { method, headers: { Authorization: `Bearer ${key}` } });
  const revoke = (value: Date | null) =>
    api.db.sql('update api_keys set revoked_at = $1 where owner_id = $2', [value, user.id]);

  expect((await ask('GET', '/videos')).status).toBe(200);
  await revoke(new Date());
  expect((await ask('GET', '/videos')).status).toBe(200);
  expect((await ask('DELETE', `/videos/${videoId}`)).status).toBe(401);
  // Whoever wrote: from now on it is looked up again.
  expect((await ask('GET', '/videos')).status).toBe(401);
  await revoke(null);
  expect((await ask('GET', '/videos')).status).toBe(200);
});

function jsonFor(method: string, path: string, bodies: Record<string, unknown>): unknown {
  if (method === 'GET' || method === 'DELETE') return undefined;
  if (path.includes('/comments')) return { text: bodies['text'] };
  if (path.endsWith('/cancel') || path.endsWith('/poster')) return undefined;
  if (path.endsWith('/thumbnails')) return { timestampsSeconds: [1] };
  if (path.endsWith('/thumbnails/default')) return { number: 0 };
  return method === 'PATCH' ? { title: bodies['title'] } : { profile: bodies['profile'] };
}

/** Everything of a problem document but what names the request itself. */
function withoutAddress(text: string): string {
  return text.replace(/"instance":"[^"]*"/, '').replace(/"requestId":"[^"]*"/, '');
}

function headerNames(headers: Headers): string[] {
  return [...headers.keys()].toSorted();
}
