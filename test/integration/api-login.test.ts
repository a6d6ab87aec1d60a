import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createTestApi,
  problemCode,
  sessionCookie,
  type TestApi,
  type TestUser,
} from '../support/api.ts';

const ORIGIN = 'http://api.test';

let api: TestApi;
let user: TestUser;

beforeAll(async () => {
  api = await createTestApi();
  user = await api.addUser();
});
afterAll(() => api.close());

async function logIn(who: TestUser = user): Promise<string> {
  const answer = await api.ask('POST', '/auth/log-in', {
    json: { email: who.email, password: who.password },
  });
  expect(answer.status).toBe(200);
  return sessionCookie(answer);
}

describe('log-in', () => {
  it('opens a session that only a cookie carries, and log-out ends it', async () => {
    const answer = await api.ask('POST', '/auth/log-in', {
      json: { email: user.email.toUpperCase(), password: user.password },
    });
    expect(answer.body).toEqual({ id: user.id, email: user.email, role: 'member' });
    const cookie = sessionCookie(answer);
    const [set] = answer.headers.getSetCookie();
    expect(set).toMatch(/; HttpOnly/);
    expect(set).toMatch(/; SameSite=Lax/);
    expect(set).toMatch(/; Max-Age=2592000/);
    expect(set).not.toMatch(/Secure|__Host-/);
    expect((await api.ask('GET', '/auth/me', { headers: { Cookie: cookie } })).body).toMatchObject({
      id: user.id,
      via: 'session',
    });

    const stored = await api.db.sql('select token_hash from sessions');
    expect(stored.every((row) => /^[0-9a-f]{64}$/.test(String(row['token_hash'])))).toBe(true);

    await api.ask('POST', '/auth/log-out', { headers: { Cookie: cookie, Origin: ORIGIN } });
    expect(problemCode(await api.ask('GET', '/auth/me', { headers: { Cookie: cookie } }))).toBe(
      'authentication-required',
    );
  });

  it('over https uses a cookie that no other host can set', async () => {
    const secure = await createTestApi({ publicUrl: 'https://video.example' });
    try {
      const someone = await secure.addUser();
      const answer = await secure.ask('POST', '/auth/log-in', {
        json: { email: someone.email, password: someone.password },
      });
      expect(answer.headers.getSetCookie()[0]).toMatch(/^__Host-session=[^;]+;.*Path=\/.*; Secure/);
      expect(answer.headers.get('Strict-Transport-Security')).toContain('max-age=');
    } finally {
      await secure.close();
    }
  });

  it('answers a wrong password and an unknown address alike', async () => {
    const wrong = await api.ask('POST', '/auth/log-in', {
      json: { email: user.email, password: 'not it' },
    });
    const unknown = await api.ask('POST', '/auth/log-in', {
      json: { email: 'nobody@example.test', password: 'not it' },
    });
    expect([problemCode(wrong), problemCode(unknown)]).toEqual([
      'invalid-credentials',
      'invalid-credentials',
    ]);
    expect(wrong.body.detail).toBe(unknown.body.detail);
    expect(wrong.headers.getSetCookie()).toEqual([]);
  });

  it('refuses users without a password', async () => {
    await api.db.sql(`insert into users (email, role) values ('keys-only@example.test', 'member')`);
    const answer = await api.ask('POST', '/auth/log-in', {
      json: { email: 'keys-only@example.test', password: 'x' },
    });
    expect(problemCode(answer)).toBe('invalid-credentials');
  });

  it('slows down guessing, for that address alone, until the window is over', async () => {
    const victim = await api.addUser();
    const attempt = (password: string) =>
      api.ask('POST', '/auth/log-in', { json: { email: victim.email, password } });
    for (let guess = 0; guess < 10; guess += 1)
      expect(problemCode(await attempt(`guess ${guess}`))).toBe('invalid-credentials');
    const refused = await attempt(victim.password);
    expect(problemCode(refused)).toBe('rate-limited');
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(800);
    await logIn(user);
    api.clock.advanceSeconds(901);
    expect((await attempt(victim.password)).status).toBe(200);
  });
});

describe('a session', () => {
  it('stays while it is used and ends after thirty days of silence', async () => {
    const cookie = await logIn();
    const look = () => api.ask('GET', '/auth/me', { headers: { Cookie: cookie } });
    expect((await look()).headers.getSetCookie()).toEqual([]);
    api.clock.advanceSeconds(20 * 86_400);
    const extended = await look();
    expect(extended.status).toBe(200);
    expect(sessionCookie(extended)).toBe(cookie);
    api.clock.advanceSeconds(20 * 86_400);
    expect((await look()).status).toBe(200);
    api.clock.advanceSeconds(31 * 86_400);
    expect(problemCode(await look())).toBe('authentication-required');
  });
});

describe('writes by cookie', () => {
  it.each([
    { case: 'another site', headers: { Origin: 'http://evil.test' } },
    { case: 'a page without an origin', headers: { Origin: 'null' } },
    { case: 'no origin at all', headers: {} },
    { case: 'another port of this host', headers: { Origin: 'http://api.test:8080' } },
    { case: 'another scheme', headers: { Origin: 'https://api.test' } },
    { case: 'another site, as the browser says', headers: { 'Sec-Fetch-Site': 'cross-site' } },
  ])('are refused from $case', async ({ headers }) => {
    const cookie = await logIn();
    const answer = await api.ask('POST', '/playlists', {
      json: { title: 'x' },
      headers: { Cookie: cookie, ...headers },
    });
    expect({ code: problemCode(answer), status: answer.status }).toEqual({
      code: 'origin-not-allowed',
      status: 403,
    });
  });

  it.each([
    { case: 'our own page', headers: { Origin: ORIGIN } },
    {
      case: 'the address that the browser used',
      headers: { Origin: 'http://127.0.0.1:9999', Host: '127.0.0.1:9999' },
    },
    { case: 'our own site, as the browser says', headers: { 'Sec-Fetch-Site': 'same-origin' } },
  ])('are taken from $case', async ({ headers }) => {
    const cookie = await logIn();
    const answer = await api.ask('POST', '/playlists', {
      json: { title: 'x' },
      headers: { Cookie: cookie, ...headers },
    });
    expect(answer.status).toBe(201);
  });

  it('are refused by form, which other sites can send', async () => {
    const cookie = await logIn();
    const headers = {
      Cookie: cookie,
      Origin: ORIGIN,
      'Content-Type': 'application/x-www-form-urlencoded',
    };
    expect(problemCode(await api.ask('POST', '/playlists', { body: 'title=x', headers }))).toBe(
      'unreadable-request',
    );
  });

  it('are not asked for an origin when an API key is sent', async () => {
    const answer = await api.ask('POST', '/playlists', {
      as: user,
      json: { title: 'x' },
      headers: { Origin: 'http://evil.test' },
    });
    expect(answer.status).toBe(201);
  });

  it('nobody is logged in by another site', async () => {
    const json = { email: user.email, password: user.password };
    const answer = await api.ask('POST', '/auth/log-in', {
      json,
      headers: { Origin: 'http://evil.test' },
    });
    expect(problemCode(answer)).toBe('origin-not-allowed');
  });
});

describe('sign-up', () => {
  it('makes a member, once per address', async () => {
    const json = { email: 'New@Example.test', password: 'long enough' };
    const answer = await api.ask('POST', '/auth/sign-up', { json });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ email: 'new@example.test', role: 'member' });
    const me = await api.ask('GET', '/auth/me', { headers: { Cookie: sessionCookie(answer) } });
    expect(me.body.email).toBe('new@example.test');
    const again = await api.ask('POST', '/auth/sign-up', {
      json: { ...json, email: 'NEW@example.test' },
    });
    expect(problemCode(again)).toBe('email-taken');
  });

  it('is off unless the server allows it', async () => {
    const closed = await createTestApi({ allowSignUp: false });
    try {
      const answer = await closed.ask('POST', '/auth/sign-up', {
        json: { email: 'a@example.test', password: 'long enough' },
      });
      expect({ code: problemCode(answer), status: answer.status }).toEqual({
        code: 'sign-up-disabled',
        status: 403,
      });
    } finally {
      await closed.close();
    }
  });

  it.each([
    { email: 'no address', password: 'long enough' },
    { email: 'a@example.test', password: 'short' },
    { email: 'a@example.test' },
    { email: 'a@example.test', password: 'long enough', role: 'admin' },
  ])('refuses %j', async (json) => {
    expect(problemCode(await api.ask('POST', '/auth/sign-up', { json }))).toBe('validation-failed');
  });
});

describe('a login link', () => {
  const pathOf = (url: string): string => url.slice(ORIGIN.length);

  it('logs in once and goes on to where it was made for', async () => {
    const link = await api.ask('POST', '/auth/login-links', {
      as: user,
      json: { next: '/?video=42' },
    });
    expect(link.status).toBe(201);
    const path = pathOf(link.body.url);
    expect((await api.ask('HEAD', path)).status).toBe(405);
    const used = await api.ask('GET', path);
    expect({ status: used.status, location: used.headers.get('Location') }).toEqual({
      status: 303,
      location: '/?video=42',
    });
    const me = await api.ask('GET', '/auth/me', { headers: { Cookie: sessionCookie(used) } });
    expect(me.body).toMatchObject({ id: user.id, via: 'session' });
    expect(problemCode(await api.ask('GET', path))).toBe('invalid-credentials');
  });

  it('works for one of two who come at once', async () => {
    const { url } = (await api.ask('POST', '/auth/login-links', { as: user })).body;
    const answers = await Promise.all([api.ask('GET', pathOf(url)), api.ask('GET', pathOf(url))]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([303, 401]);
  });

  it('never leads to another site', async () => {
    const { url } = (
      await api.ask('POST', '/auth/login-links', { as: user, json: { next: '//evil.test/' } })
    ).body;
    expect(url).not.toContain('evil');
    const used = await api.ask('GET', `${pathOf(url)}?next=https://evil.test/`);
    expect(used.headers.get('Location')).toBe('/');
  });

  it('runs out after ten minutes', async () => {
    const { url } = (await api.ask('POST', '/auth/login-links', { as: user })).body;
    api.clock.advanceSeconds(601);
    expect(problemCode(await api.ask('GET', pathOf(url)))).toBe('invalid-credentials');
  });

  it('is no session by itself, and is not in the log', async () => {
    const { url } = (await api.ask('POST', '/auth/login-links', { as: user })).body;
    const token = url.split('/').at(-1);
    expect(
      problemCode(await api.ask('GET', '/auth/me', { headers: { Cookie: `session=${token}` } })),
    ).toBe('authentication-required');
    await api.ask('GET', pathOf(url));
    expect(JSON.stringify(api.logLines)).not.toContain(token);
  });
});

it('neither passwords nor keys are in the log', async () => {
  await logIn();
  await api.ask('GET', '/auth/me', { as: user });
  const log = JSON.stringify(api.logLines);
  expect(log).not.toContain(user.password);
  expect(log).not.toContain(user.key);
});
