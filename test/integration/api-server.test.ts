import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { STOP_MS } from '../../src/host/stop-times.ts';
import { reservePort } from '../support/ports.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const SERVER = fileURLToPath(new URL('../../src/api/server.ts', import.meta.url));
const START_MS = 120_000;

let db: TestDatabase;
let dataDir: string;
let port: number;
const children: ChildProcess[] = [];

beforeEach(async () => {
  db = await createTestDatabase();
  dataDir = await mkdtemp(join(tmpdir(), 'api-server-'));
  port = await reservePort();
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit');
  }
  await rm(dataDir, { recursive: true });
  await db.drop();
});

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; errors: string }>;
}

function start(): Started {
  const env = {
    ...process.env,
    DATABASE_URL: db.url,
    DATA_DIR: dataDir,
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    PORT: String(port),
    PUBLIC_URL: '',
    LOG_FORMAT: 'json',
  };
  const child = spawn(process.execPath, [SERVER], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  children.push(child);
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += String(chunk)));
  return { child, ended: once(child, 'close').then(([code]) => ({ code, errors })) };
}

/** Resolves when the server answers; rejects when it ended instead. */
async function untilServing({ ended }: Started): Promise<void> {
  const deadline = AbortSignal.timeout(START_MS);
  let end: { code: number | null; errors: string } | undefined;
  void ended.then((value) => (end = value));
  while (!(await isServing())) {
    if (end !== undefined) throw new Error(`the server ended with ${end.code}: ${end.errors}`);
    deadline.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function isServing(): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/healthz`)).ok;
  } catch {
    return false;
  }
}

describe('the API process', () => {
  it('serves the first administrator, lets a request finish on SIGTERM, and ends with 0', async () => {
    const server = start();
    await untilServing(server);
    const key = (await readFile(join(dataDir, 'admin-api-key'), 'utf8')).trim();
    const me = await fetch(`http://127.0.0.1:${port}/auth/me`, {
      headers: { Authorization: `Bearer ${key}` },
    });
    expect(await me.json()).toMatchObject({ role: 'admin' });

    const body = JSON.stringify({ title: 'Slowly sent' });
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += String(chunk)));
    socket.write(
      `POST /playlists HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nConnection: close\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`,
    );
    await once(socket, 'data');
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue/);
    server.child.kill('SIGTERM');
    await untilRefusing();
    socket.write(body);
    await once(socket, 'close');
    expect(answer).toMatch(/HTTP\/1\.1 201 Created/);
    expect(await server.ended).toEqual({ code: 0, errors: '' });
  });

  it('cuts requests that do not end, so that it is gone before the supervisor kills it', async () => {
    const server = start();
    await untilServing(server);
    const key = (await readFile(join(dataDir, 'admin-api-key'), 'utf8')).trim();
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    socket.write(
      `POST /playlists HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n` +
        `Content-Type: application/json\r\nContent-Length: 20\r\nExpect: 100-continue\r\n\r\n`,
    );
    await once(socket, 'data');
    server.child.kill('SIGTERM');
    expect(await server.ended).toEqual({ code: 0, errors: '' });
    expect(STOP_MS.requests).toBeLessThan(STOP_MS.api);
  });

  it('names the port that is taken and the setting that moves it', async () => {
    await untilServing(start());
    expect(await start().ended).toEqual({
      code: 1,
      errors: `Port ${port} on 127.0.0.1 is taken by another program: stop it, or set PORT to a free one.\n`,
    });
  });
});

/** New connections are refused once the server is stopping. */
async function untilRefusing(): Promise<void> {
  const deadline = AbortSignal.timeout(START_MS);
  while (await isServing()) {
    deadline.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
