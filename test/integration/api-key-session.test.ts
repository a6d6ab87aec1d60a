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
