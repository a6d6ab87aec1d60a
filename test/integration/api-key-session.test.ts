import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createTestApi,
  problemCode,
  sessionCookie,
  type TestApi,
  type TestUser,
} from '../support/api.ts';

let api: TestApi;
let user: TestUser;

beforeAll(async () => {
  api = await createTestApi();
  user = await api.addUser();
});
afterAll(() => api.close());

const trade = (apiKey: unknown) => api.ask('POST', '/auth/log-in', { json: { apiKey } });

describe('an API key traded for a session', () => {
  it('opens a browser session of its owner', async () => {
    const answer = await trade(user.key);
    expect(answer.body).toEqual({ id: user.id, email: user.email, role: 'member' });
    const me = await api.ask('GET', '/auth/me', { headers: { Cookie: sessionCookie(answer) } });
    expect(me.body).toMatchObject({ id: user.id, scopes: ['read', 'write'], via: 'session' });
  });

  const statusOf = async (cookie: string) =>
    (await api.ask('GET', '/auth/me', { headers: { Cookie: cookie } })).status;

  it.each(['revoked_at = now()', `expires_at = now() - interval '1 s'`])(
    'ends with it, and so does a login link made with it (%s)',
    async (change) => {
      const key = await api.addKey(user, 'member', ['read', 'write']);
      const direct = sessionCookie(await trade(key));
      const linkMadeWith = async (how: object) => {
        const made = await api.ask('POST', '/auth/login-links', { json: {}, ...how });
        return new URL(made.body.url).pathname;
      };
      const unused = await linkMadeWith({ as: key });
      const byLink = sessionCookie(await api.ask('GET', await linkMadeWith({ as: key })));
      const headers = { Cookie: direct, Origin: 'http://api.test' };
      const bySession = sessionCookie(await api.ask('GET', await linkMadeWith({ headers })));
      const other = sessionCookie(await trade(user.key));
      for (const cookie of [direct, byLink, bySession]) expect(await statusOf(cookie)).toBe(200);

      await api.db.sql(`update api_keys set ${change} where public_id = $1`, [key.split('_')[1]]);
      for (const cookie of [direct, byLink, bySession]) expect(await statusOf(cookie)).toBe(401);
      expect(problemCode(await api.ask('GET', unused))).toBe('invalid-credentials');
      expect(await statusOf(other)).toBe(200);
    },
  );

  it('is refused where the session could do more than the key', async () => {
    const answer = await trade(await api.addKey(user, 'member', ['read']));
    expect(problemCode(answer)).toBe('permission-denied');
    expect(answer.headers.getSetCookie()).toEqual([]);
  });

  it('is refused where the key is wrong, and cannot be guessed quickly', async () => {
    expect(problemCode(await trade('vk_0000000000_0000000000000000000000000000'))).toBe(
      'invalid-credentials',
    );
    expect(problemCode(await trade(7))).toBe('validation-failed');
    const codes = new Set<string>();
    for (let attempt = 0; attempt < 50; attempt += 1) codes.add(problemCode(await trade('wrong')));
    expect([...codes]).toEqual(['invalid-credentials', 'rate-limited']);
    api.clock.advanceSeconds(16 * 60);
    expect((await trade(user.key)).status).toBe(200);
  });
});
