import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getRequestListener } from '@hono/node-server';
import type { UserId } from '../../src/domain/ids.ts';
import { createLocalStore } from '../../src/storage/local-store.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { storeVideo } from '../support/stored-video.ts';

const COMMAND = fileURLToPath(new URL('../../src/cli/user.ts', import.meta.url));
const MIGRATE = fileURLToPath(new URL('../../src/cli/migrate.ts', import.meta.url));
const MIGRATE_STORAGE = fileURLToPath(new URL('../../src/cli/migrate-storage.ts', import.meta.url));
const BACKUP = fileURLToPath(new URL('../../src/cli/backup.ts', import.meta.url));

let api: TestApi;
let folder: string;
let dataDir: string;

beforeAll(async () => {
  api = await createTestApi();
  folder = await mkdtemp(join(tmpdir(), 'user-command-'));
  dataDir = join(folder, 'data');
});
afterAll(async () => {
  await rm(folder, { recursive: true });
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
    [['add', 'not-an-address'], 'not-an-address is not an e-mail address.'],
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

  it('shows how it is used to whoever asks', async () => {
    expect(await run('add', '--help')).toEqual({
      code: 0,
      output: expect.stringMatching(/^Usage: npm run user -- COMMAND\n/),
      errors: '',
    });
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

describe('npm run migrate-storage', () => {
  it('passes on which values the server refuses, and why', async () => {
    const admin = await api.addUser('admin');
    const listener = getRequestListener(api.app.fetch);
    const server = createServer((asked, answer) => void listener(asked, answer));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const settings = {
      HOST: '127.0.0.1',
      PORT: String((server.address() as AddressInfo).port),
      DATA_DIR: join(folder, 'no-key-file'),
      ADMIN_API_KEY: admin.key,
    };
    try {
      expect(await runWith(settings, MIGRATE_STORAGE, 'local', 'spaces')).toEqual({
        code: 1,
        output: '',
        errors:
          'The server refuses (422): Some values are not valid\n' +
          '  to: The settings name no store "spaces"; they name local.\n',
      });
    } finally {
      server.close();
    }
  });
});

describe('npm run backup', () => {
  it('never gives up what rows name, whatever became of it, and goes with what is deleted', async () => {
    const { backUp, store, inCopy } = await prepare();
    const kept = await storeVideo(api.db, store, { ownerId: await addOwner(), sizeBytes: 50_000 });
    const doomed = await storeVideo(api.db, store, { ownerId: await addOwner() });
    const first = await backUp();
    expect(first).toMatchObject({ code: 0, errors: '' });
    expect(first.output).not.toMatch(/no store|another size/);
    const [one, other] = await Promise.all(
      [kept.streamKey, kept.compressedKey].map((key) => stat(inCopy(key))),
    );
    expect(one?.ino).toBe(other?.ino);

    await store.delete([kept.originalKey, ...doomed.objects.keys()]);
    await truncate(join(dataDir, 'media', kept.streamKey), 9);
    await api.db.sql('delete from videos where id = $1', [doomed.id]);
    const second = await backUp();
    expect(second).toMatchObject({ code: 0, errors: '' });
    expect(second.output).toContain(
      `media: 1 file(s) that the database names are in no store; the backup has and keeps 1 of them: ${kept.originalKey}\n`,
    );
    // Both names of these bytes, which the store has once.
    expect(second.output).toContain('media: 2 file(s) are of another size than the database says');
    expect(second.output).toContain('media: 7 file(s) that nobody needs any more removed');
    expect((await stat(inCopy(kept.originalKey))).size).toBe(50_000);
    expect((await stat(inCopy(kept.streamKey))).size).toBe(50_000);
    expect(existsSync(inCopy(doomed.originalKey))).toBe(false);
  });

  it('says in one sentence what is wrong, and where', async () => {
    const { backUp, store, inCopy } = await prepare();
    const said = async (settings: NodeJS.ProcessEnv, to?: string) => {
      const { code, errors } = await backUp(settings, to);
      expect({ code, lines: errors.split('\n').length }).toEqual({ code: 1, lines: 2 });
      return errors;
    };
    const database = { DATABASE_URL: 'postgres://me:word@127.0.0.1:1/films' };
    await storeVideo(api.db, store, { ownerId: await addOwner() });
    expect(await said(database)).toMatch(/^The database does not answer\. What was saved/);
    expect(await said({}, join(dataDir, 'backup'))).toContain(`lies in ${dataDir}, which is saved`);
    await writeFile(inCopy('videos'), 'in the way');
    expect(await said({})).toMatch(
      /^Could not save to .*: The storage does not answer, .*key videos\/\S+, .*ENOTDIR/,
    );
  });

  async function addOwner(): Promise<UserId> {
    const [row] = await api.db.sql(
      `insert into users (email, role) values (gen_random_uuid() || '@example.test', 'member') returning id`,
    );
    return Number(row?.['id']) as UserId;
  }

  /** With a pg_dump, whichever the machine has. */
  async function prepare() {
    const copy = await mkdtemp(join(folder, 'backup-'));
    const bin = join(folder, 'bin');
    await mkdir(bin, { recursive: true });
    await writeFile(join(bin, 'pg_dump'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    const env = { MEDIA_ROOT: '', PROCESS_DIR: '', USE_SPACES: '' };
    const PATH = `${bin}:${process.env['PATH']}`;
    return {
      inCopy: (key: string) => join(copy, 'media', key),
      store: await createLocalStore({ root: join(dataDir, 'media') }),
      backUp: (settings: NodeJS.ProcessEnv = {}, to = copy) =>
        runWith({ ...env, PATH, ...settings }, BACKUP, to),
    };
  }
});
