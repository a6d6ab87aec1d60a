import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ensureFirstAdmin, type FirstAdminOptions } from '../../src/usecases/ensure-first-admin.ts';
import { createTestApi, sessionCookie, type TestApi } from '../support/api.ts';

let api: TestApi;
let dataDir: string;

beforeEach(async () => {
  api = await createTestApi();
  dataDir = await mkdtemp(join(tmpdir(), 'admin-'));
});
afterEach(async () => {
  await rm(dataDir, { recursive: true });
  await api.close();
});

const start = (options: Partial<FirstAdminOptions> = {}): Promise<void> =>
  ensureFirstAdmin({
    database: api.db.database,
    passwords: api.deps.passwords,
    dataDir,
    ...options,
  });
const keyFile = async (): Promise<string> =>
  (await readFile(join(dataDir, 'admin-api-key'), 'utf8')).trim();
const roleOf = async (key: string): Promise<string> =>
  (await api.ask('GET', '/auth/me', { as: key })).body.role;

describe('ensureFirstAdmin', () => {
  it('makes an administrator with a key that only its user can read, once', async () => {
    await start();
    const key = await keyFile();
    expect(key).toMatch(/^vk_/);
    expect((await stat(join(dataDir, 'admin-api-key'))).mode & 0o777).toBe(0o600);
    expect((await api.ask('GET', '/auth/me', { as: key })).body).toMatchObject({
      email: 'admin@localhost',
      role: 'admin',
      scopes: ['read', 'write', 'admin'],
    });
    await start();
    expect(await keyFile()).toBe(key);
    expect(await api.db.sql('select 1 from api_keys')).toHaveLength(1);
  });

  it('makes one, also when several processes start at once', async () => {
    await Promise.all([start(), start(), start()]);
    expect(await api.db.sql('select 1 from users')).toHaveLength(1);
    expect(await roleOf(await keyFile())).toBe('admin');
  });

  it('takes the key, address and password that the operator set', async () => {
    const adminApiKey = 'an operator’s own key'.replaceAll(' ', '-').replace('’', '');
    await start({ adminApiKey, adminEmail: 'Boss@example.test', adminPassword: 'long enough' });
    expect(await roleOf(adminApiKey)).toBe('admin');
    expect(await keyFile()).toBe(adminApiKey);
    const answer = await api.ask('POST', '/auth/log-in', {
      json: { email: 'boss@example.test', password: 'long enough' },
    });
    expect(answer.body.role).toBe('admin');
  });

  it('follows a key that is set, changed and taken away later', async () => {
    await start();
    const generated = await keyFile();
    await start({ adminApiKey: 'first-key-of-operator' });
    expect(await roleOf('first-key-of-operator')).toBe('admin');
    expect(await roleOf(generated)).toBe('admin');
    const session = await api.ask('POST', '/auth/log-in', {
      json: { apiKey: 'first-key-of-operator' },
    });
    const me = () => api.ask('GET', '/auth/me', { headers: { Cookie: sessionCookie(session) } });
    await start({ adminApiKey: 'first-key-of-operator' });
    expect((await me()).status).toBe(200);
    await start({ adminApiKey: 'second-key-of-operator' });
    expect((await me()).status).toBe(401);
    expect(await roleOf('second-key-of-operator')).toBe('admin');
    expect((await api.ask('GET', '/auth/me', { as: 'first-key-of-operator' })).status).toBe(401);
    await start();
    expect((await api.ask('GET', '/auth/me', { as: 'second-key-of-operator' })).status).toBe(401);
    expect(await roleOf(await keyFile())).toBe('admin');
  });

  it('takes the generated key when the operator sets that one', async () => {
    await start();
    const generated = await keyFile();
    await start({ adminApiKey: generated });
    expect(await roleOf(generated)).toBe('admin');
  });

  it('does not bring back a key that was revoked by hand', async () => {
    await start();
    const key = await keyFile();
    await api.db.sql('update api_keys set revoked_at = now()');
    await start();
    expect((await api.ask('GET', '/auth/me', { as: key })).status).toBe(401);
  });

  it('adds the operator’s account beside the first, once, and leaves its password alone', async () => {
    await start();
    await start({ adminEmail: 'boss@example.test', adminPassword: 'long enough' });
    await start({ adminEmail: 'boss@example.test', adminPassword: 'another one' });
    expect(await api.db.sql('select email from users order by id')).toEqual([
      { email: 'admin@localhost' },
      { email: 'boss@example.test' },
    ]);
    const logIn = (password: string) =>
      api.ask('POST', '/auth/log-in', { json: { email: 'boss@example.test', password } });
    expect((await logIn('long enough')).status).toBe(200);
    expect((await logIn('another one')).status).toBe(401);
  });
});
