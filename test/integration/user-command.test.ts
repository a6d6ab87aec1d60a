import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApi, type TestApi } from '../support/api.ts';

const COMMAND = fileURLToPath(new URL('../../src/cli/user.ts', import.meta.url));
const MIGRATE = fileURLToPath(new URL('../../src/cli/migrate.ts', import.meta.url));

let api: TestApi;
let dataDir: string;

beforeAll(async () => {
  api = await createTestApi();
  dataDir = await mkdtemp(join(tmpdir(), 'user-command-'));
});
afterAll(async () => {
  await rm(dataDir, { recursive: true });
  await api.close();
});

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

const run = (...args: string[]) => runWith({}, COMMAND, ...args);

/** Runs a command as a shell script would: without a terminal. */
function runWith(settings: NodeJS.ProcessEnv, command: string, ...args: string[]): Promise<Ended> {
  const env = {
    ...process.env,
    DATABASE_URL: api.db.url,
    DATA_DIR: dataDir,
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    ...settings,
  };
  const child = spawn(process.execPath, [command, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (errors += String(chunk)));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output, errors })));
}

describe('npm run user', () => {
  it('needs the database and nothing else', async () => {
    const nothingElse = { FFMPEG_PATH: '/nowhere/ffmpeg', TEMPORAL_ADDRESS: '' };
    expect(await runWith(nothingElse, COMMAND, 'list')).toMatchObject({ code: 0, errors: '' });
    expect(await runWith(nothingElse, MIGRATE)).toEqual({
      code: 0,
      output: 'The database is up to date.\n',
      errors: '',
    });
    expect(await runWith({ DATABASE_URL: '' }, MIGRATE)).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/^DATABASE_URL is not set .*\n$/),
    });
  });

  it('adds a user who can log in, changes their role, resets their password and makes them a key', async () => {
    const added = await run('add', 'Ann@Example.test');
    expect(added.code).toBe(0);
    const password = /shown this once: (\S+)/.exec(added.output)?.[1] ?? '';
    const logIn = (secret: string) =>
      api.ask('POST', '/auth/log-in', { json: { email: 'ann@example.test', password: secret } });
    expect((await logIn(password)).body.role).toBe('member');

    expect((await run('role', 'ann@example.test', 'admin')).code).toBe(0);
    const key = await run('key', 'ann@example.test', '--name', 'script', '--scopes', 'read,admin');
    expect((await api.ask('GET', '/auth/me', { as: key.output.trim() })).body).toMatchObject({
      role: 'admin',
      scopes: ['read', 'admin'],
    });

    const reset = await run('reset-password', 'ann@example.test');
    expect((await logIn(password)).status).toBe(401);
    expect((await logIn(/shown this once: (\S+)/.exec(reset.output)?.[1] ?? '')).status).toBe(200);
    expect((await run('list')).output).toMatch(/admin .*ann@example\.test/);
  });

  it.each([
    [[], 'A command is missing.'],
    [['frobnicate'], 'There is no command frobnicate.'],
    [['add'], 'An e-mail address is missing.'],
    [['add', 'not-an-address'], 'An e-mail address is missing.'],
    [['add', 'a@example.test', '--role', 'king'], 'A role is one of admin, member.'],
    [['role', 'a@example.test'], 'A role is one of admin, member.'],
    [['key', 'a@example.test', '--scopes', 'everything'], 'A scope is one of read, write, admin.'],
    [['list', '--verbose'], 'verbose'],
  ])('explains itself when it is called with %j', async (args, sentence) => {
    const { code, output, errors } = await run(...args);
    expect({ code, output }).toEqual({ code: 1, output: '' });
    expect(errors).toContain(sentence);
    expect(errors).toContain('Usage: npm run user -- COMMAND');
  });

  it('says in one sentence what cannot be done', async () => {
    expect(await run('role', 'nobody@example.test', 'admin')).toMatchObject({
      code: 1,
      errors: 'There is no user nobody@example.test.\n',
    });
    await api.db.sql(`insert into users (email, role) values ('there@example.test', 'member')`);
    expect((await run('add', 'there@example.test')).errors).toBe(
      'There is already a user with this address\n',
    );
    expect((await run('key', 'there@example.test', '--scopes', 'admin')).code).toBe(1);
  });
});
