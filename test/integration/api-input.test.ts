import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { VideoId } from '../../src/domain/ids.ts';
import { createTestApi, problemCode, type TestApi, type TestUser } from '../support/api.ts';

let api: TestApi;
let owner: TestUser;
let admin: TestUser;
let videoId: VideoId;

beforeAll(async () => {
  api = await createTestApi();
  [owner, admin] = [await api.addUser(), await api.addUser('admin')];
  videoId = await api.addVideo(owner);
});
afterAll(() => api.close());

describe('an id', () => {
  it.each([
    '0',
    '-1',
    '1.5',
    'abc',
    '2147483648',
    '99999999999999999999',
    '1e3',
    '0x10',
    '%00',
    '１',
    '1%20',
    'null',
  ])('that is %j is refused wherever it stands', async (id) => {
    for (const path of [`/videos/${id}`, `/videos/${id}/comments`, `/playlists/${id}`]) {
      const answer = await api.ask('GET', path, { as: owner });
      expect({ path, status: answer.status, code: problemCode(answer) }).toEqual({
        path,
        status: 422,
        code: 'validation-failed',
      });
      expect(answer.body.errors).toEqual([
        { path: 'id', message: 'must be an integer from 1 to 2147483647' },
      ]);
    }
  });

  it('that is the largest is only missing', async () => {
    expect(problemCode(await api.ask('GET', '/videos/2147483647', { as: owner }))).toBe(
      'video-not-found',
    );
  });
});

describe('a query', () => {
  it.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=ten', 'limit'],
    ['cursor=garbage', 'cursor'],
    ['cursor=', 'cursor'],
    ['status=done', 'status'],
    ['categoryId=x', 'categoryId'],
    ['ownerId=0', 'ownerId'],
    ['q=%00', 'q'],
    ['q=', 'q'],
    ['tag=a%0Ab', 'tag'],
    [`q=${'x'.repeat(201)}`, 'q'],
  ])('%j is refused, and the field named', async (query, field) => {
    const answer = await api.ask('GET', `/videos?${query}`, { as: owner });
    expect(problemCode(answer)).toBe('validation-failed');
    expect(answer.body.errors[0].path).toBe(field);
  });

  it('with special characters is only text', async () => {
    for (const q of ['%25', '_', "'", '\\', '"; drop table videos; --', '%F0%9F%8E%AC', '%ff']) {
      expect((await api.ask('GET', `/videos?q=${q}`, { as: owner })).status).toBe(200);
    }
  });
});

describe('a body', () => {
  it.each([
    ['{', 'application/json', 'unreadable-request'],
    ['', 'application/json', 'unreadable-request'],
    ['title=x', 'application/x-www-form-urlencoded', 'unreadable-request'],
    ['{"title":"x"}', 'text/plain', 'unreadable-request'],
    ['null', 'application/json', 'validation-failed'],
    ['[]', 'application/json', 'validation-failed'],
    ['"x"', 'application/json', 'validation-failed'],
  ])('%j as %s is refused with %s or so', async (body, contentType, code) => {
    const answer = await api.ask('PATCH', `/videos/${videoId}`, {
      as: owner,
      body,
      headers: { 'Content-Type': contentType },
    });
    expect(problemCode(answer)).toBe(code);
  });

  it.each([
    [{ title: '' }, 'title'],
    [{ title: '   ' }, 'title'],
    [{ title: 5 }, 'title'],
    [{ title: null }, 'title'],
    [{ title: 'x'.repeat(301) }, 'title'],
    [{ title: 'nul\u0000' }, 'title'],
    [{ title: 'two\nlines' }, 'title'],
    [{ description: 'nul\u0000' }, 'description'],
    [{ description: 'bell\u0007' }, 'description'],
    [{ description: 'x'.repeat(5001) }, 'description'],
    [{ categoryId: '1' }, 'categoryId'],
    [{ categoryId: 2 ** 31 }, 'categoryId'],
    [{ categoryId: 999 }, 'categoryId'],
    [{ tags: 'a,b' }, 'tags'],
    [{ tags: ['\u0000'] }, 'tags.0'],
    [{ tags: [''] }, 'tags.0'],
    [{ tags: Array.from({ length: 51 }, (_, n) => `t${n}`) }, 'tags'],
    [{ visibility: 'everyone' }, 'visibility'],
    [{ status: 'completed' }, 'status'],
    [{ __proto__x: 1 }, '__proto__x'],
  ])('of a change %j is refused, and the field named', async (json, field) => {
    const answer = await api.ask('PATCH', `/videos/${videoId}`, { as: owner, json });
    expect({ status: answer.status, code: problemCode(answer) }).toEqual({
      status: 422,
      code: 'validation-failed',
    });
    expect(answer.body.errors[0].path).toBe(field);
  });

  it.each([
    { profile: 'fastest' },
    { profile: null },
    { thumbnailTimestamps: [] },
    { thumbnailTimestamps: [-1] },
    { thumbnailTimestamps: ['1'] },
    { thumbnailTimestamps: 1 },
    { thumbnailTimestamps: Array.from({ length: 21 }, (_, n) => n) },
    { timeoutSeconds: 0 },
    { timeoutSeconds: 1.5 },
    { timeoutSeconds: 1e9 },
    { videoId: 1 },
    { skip: [] },
    { skip: ['1440p'] },
    { skip: ['240p', '360p', '480p', '720p', '1080p'] },
    { skip: ['720p'], renditions: ['720p', '240p'] },
    { from: 'claim' },
    { from: 'thumbnails', renditions: ['720p'] },
    { renditions: '720p' },
  ])('of a reprocess %j is refused', async (json) => {
    expect(
      problemCode(await api.ask('POST', `/videos/${videoId}/reprocess`, { as: owner, json })),
    ).toBe('validation-failed');
    expect(api.workflows.runs).toEqual([]);
  });

  it.each([
    ['POST', '/playlists', {}],
    ['POST', '/playlists', { title: 'a\u0000b' }],
    ['POST', '/api-keys', { name: '' }],
    ['POST', '/api-keys', { name: 'x', scopes: [] }],
    ['POST', '/api-keys', { name: 'x', scopes: ['root'] }],
    ['POST', '/api-keys', { name: 'x', expiresAt: 'tomorrow' }],
    ['POST', '/api-keys', { name: 'x', expiresAt: '2001-01-01T00:00:00Z' }],
    ['POST', '/categories', { name: 'a\u0000b' }],
    ['POST', '/auth/log-in', { email: 'a@example.test' }],
    ['POST', '/auth/login-links', { next: 5 }],
    ['POST', '/auth/login-links', { next: '/\u0000' }],
  ])('of %s %s %j is refused', async (method, path, json) => {
    expect(problemCode(await api.ask(method, path, { as: admin, json }))).toBe('validation-failed');
  });

  it('of a comment may have several lines but no other control characters', async () => {
    const path = `/videos/${videoId}/comments`;
    for (const text of ['', '  \n', 'nul\u0000', 'x'.repeat(5001), 5, null]) {
      expect(problemCode(await api.ask('POST', path, { as: owner, json: { text } }))).toBe(
        'validation-failed',
      );
    }
    expect(
      (await api.ask('POST', path, { as: owner, json: { text: 'two\n\tlines' } })).status,
    ).toBe(201);
  });

  it('that is too large is refused before it is read whole', async () => {
    const answer = await api.ask('POST', '/playlists', {
      as: owner,
      json: { title: 'x'.repeat(300_000) },
    });
    expect({ status: answer.status, code: problemCode(answer) }).toEqual({
      status: 413,
      code: 'request-too-large',
    });
  });

  it('names every fault at once', async () => {
    const answer = await api.ask('PATCH', `/videos/${videoId}`, {
      as: owner,
      json: { title: 5, tags: 'x', visibility: 'no' },
    });
    expect(answer.body.errors.map((error: { path: string }) => error.path)).toEqual([
      'title',
      'tags',
      'visibility',
    ]);
  });

  it('with half a character in it is stored without a fault', async () => {
    const answer = await api.ask('PATCH', `/videos/${videoId}`, {
      as: owner,
      body: '{"title":"half \\ud83d"}',
      headers: { 'Content-Type': 'application/json' },
    });
    expect(answer.status).toBeLessThan(500);
  });
});

it('only private videos are offered', async () => {
  for (const visibility of ['unlisted', 'public']) {
    const answer = await api.ask('PATCH', `/videos/${videoId}`, {
      as: owner,
      json: { visibility },
    });
    expect({ status: answer.status, code: problemCode(answer) }).toEqual({
      status: 422,
      code: 'visibility-not-available',
    });
  }
  expect(
    (await api.ask('PATCH', `/videos/${videoId}`, { as: owner, json: { visibility: 'private' } }))
      .status,
  ).toBe(200);
});

it('broken percent signs in a path are no server fault', async () => {
  for (const path of ['/videos/%', '/videos/%E0%A4%A', '/playlists/%c0%80', '/problems/%ff']) {
    expect((await api.ask('GET', path, { as: owner })).status).toBeGreaterThanOrEqual(400);
    expect((await api.ask('GET', path, { as: owner })).status).toBeLessThan(500);
  }
});
