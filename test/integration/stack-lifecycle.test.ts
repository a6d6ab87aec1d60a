import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { PROJECT_ROOT } from '../../src/config/env.ts';
import { readStackFile } from '../../src/config/stack-file.ts';
import { reservePort } from '../support/ports.ts';
import { isAlive, readIdentity, type ProcessIdentity } from '../../src/stack/process-identity.mjs';
import { waitUntil } from '../support/wait-until.ts';

const PARTS = ['api', 'worker', 'temporal', 'postgres'];

interface RunningStack {
  readonly child: ChildProcess;
  readonly exited: Promise<[code: number | null, signal: string | null]>;
  output(): string;
  /** Resolves when the output holds the text. */
  said(text: string): Promise<void>;
}

let dataDir: string;
let ports: Record<'PORT' | 'TEMPORAL_PORT' | 'TEMPORAL_UI_PORT', string>;
let stacks: RunningStack[];

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'steadyreel-stack-'));
  stacks = [];
  ports = {
    PORT: String(await reservePort()),
    TEMPORAL_PORT: String(await reservePort()),
    TEMPORAL_UI_PORT: String(await reservePort()),
  };
});

afterEach(async () => {
  for (const { child, exited } of stacks) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await exited;
  }
  const record = join(dataDir, 'postgres.json');
  if (existsSync(record)) {
    const { directory } = JSON.parse(readFileSync(record, 'utf8')) as { directory: string };
    rmSync(dirname(directory), { recursive: true, force: true });
  }
  rmSync(dataDir, { recursive: true, force: true });
});

/** The real supervisor and servers; small stand-ins for the API, the worker and the migrations. */
function startStack(): RunningStack {
  const child = spawn(process.execPath, ['test/fixtures/stack/main.ts'], {
    cwd: PROJECT_ROOT,
    env: {
      ...process.env,
      ...ports,
      NODE_OPTIONS: '',
      DATA_DIR: dataDir,
      DATABASE_URL: '',
      TEMPORAL_ADDRESS: '',
      ADMIN_API_KEY: '',
      LOG_FORMAT: 'pretty',
      HOST: '127.0.0.1',
    },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  const exited = once(child, 'close') as Promise<[number | null, string | null]>;
  let isOver = false;
  void exited.then(() => {
    isOver = true;
  });
  const stack: RunningStack = {
    child,
    exited,
    output: () => text,
    async said(wanted) {
      while (!text.includes(wanted)) {
        if (isOver) throw new Error(`It ended without saying "${wanted}":\n${text}`);
        await sleep(20);
      }
    },
  };
  stacks.push(stack);
  return stack;
}

function partsRunning(): ProcessIdentity[] {
  return PARTS.map((name) => readIdentity(join(dataDir, `run/${name}.pid`)) as ProcessIdentity);
}

/** proc_pid_stat(5): the sixth field, the fourth after the command's name. */
function sessionOf(pid: number): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3];
}

async function isHealthy(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.ok,
    () => false,
  );
}

async function gone(processes: readonly ProcessIdentity[]): Promise<void> {
  while (processes.some(isAlive)) await sleep(20);
}

describe('the stack of one data folder', () => {
  it('rule 27: starts every part in a session of its own, refuses a second start, restarts what crashes and stops in order', async () => {
    const stack = startStack();
    await stack.said('worker uses 127.0.0.1');
    expect(stack.output()).toContain('Admin API key  vk_example_key');
    expect(stack.output()).toContain(`http://127.0.0.1:${ports.TEMPORAL_UI_PORT}`);
    expect(stack.output()).toContain('migrating /steadyreel');

    const client = new pg.Client(readStackFile(dataDir)?.databaseUrl);
    await client.connect();
    const { rows } = await client.query("SELECT current_setting('fsync') AS fsync");
    await client.end();
    expect(rows).toEqual([{ fsync: 'on' }]);

    const second = startStack();
    expect(await second.exited).toEqual([1, null]);
    expect(second.output()).toMatch(
      new RegExp(`^Steadyreel already runs on .* \\(process ${stack.child.pid}\\): stop it .*\n$`),
    );

    const before = partsRunning();
    expect(before.every(isAlive)).toBe(true);
    const sessions = [stack.child.pid ?? 0, ...before.map(({ pid }) => pid)].map(sessionOf);
    expect(new Set(sessions).size).toBe(1 + PARTS.length);
    for (const { pid } of before.slice(0, 3)) process.kill(pid, 'SIGKILL');
    for (const name of PARTS.slice(0, 3)) {
      await stack.said(`${name} ended (signal SIGKILL); next start in 1 s.`);
    }
    const isNew = (part: ProcessIdentity, index: number) =>
      index === PARTS.indexOf('postgres') || part.pid !== before[index]?.pid;
    const after = await waitUntil(partsRunning, (parts) =>
      parts.every((part, index) => isAlive(part) && isNew(part, index)),
    );
    expect(after[PARTS.indexOf('postgres')]).toEqual(before[PARTS.indexOf('postgres')]);
    while (!(await isHealthy(`http://127.0.0.1:${ports.PORT}/healthz`))) await sleep(50);
    while (stack.output().split('worker uses').length < 3) await sleep(50);
    // One keystroke may arrive several times; only a later one means "at once".
    stack.child.kill('SIGINT');
    stack.child.kill('SIGINT');
    expect(await stack.exited).toEqual([0, null]);
    await gone(after);
    expect(readStackFile(dataDir)).toBeUndefined();
    expect(readdirSync(join(dataDir, 'run'))).toEqual([]);
    expect(stack.output()).toMatch(
      /Stopping.*api says goodbye.*database system is shut down.*Stopped\./s,
    );
  });

  it('starts again after a kill -9, ending what was left, and keeps the key to itself', async () => {
    const killed = startStack();
    await killed.said('worker uses 127.0.0.1');
    const left = partsRunning();
    killed.child.kill('SIGKILL');
    await killed.exited;

    const stack = startStack();
    await stack.said('worker uses 127.0.0.1');
    expect(left.some(isAlive)).toBe(false);
    expect(stack.output()).not.toContain('vk_example_key');
    expect(stack.output()).toContain(join(dataDir, 'admin-api-key'));
    stack.child.kill('SIGTERM');
    expect(await stack.exited).toEqual([0, null]);
  });

  it('kills everything at once at the second Ctrl-C', async () => {
    const stack = startStack();
    await stack.said('worker uses 127.0.0.1');
    const parts = partsRunning();
    stack.child.kill('SIGINT');
    await stack.said('api says goodbye');
    await sleep(410); // the length of one keystroke
    stack.child.kill('SIGINT');
    expect([0, 130]).toContain((await stack.exited)[0]); // 0: it had just finished in order
    await gone(parts);
  });

  it('names the variable of a port that is taken, and starts nothing', async () => {
    const other = createServer().listen(Number(ports.TEMPORAL_UI_PORT), '127.0.0.1');
    await once(other, 'listening');
    try {
      const stack = startStack();
      expect(await stack.exited).toEqual([1, null]);
      expect(stack.output()).toMatch(
        /^Cannot start, port \d+ is taken .* set TEMPORAL_UI_PORT .*\n$/,
      );
      expect(existsSync(join(dataDir, 'postgres.json'))).toBe(false);
    } finally {
      other.close();
    }
  });

  it('stops again when the migrations fail', async () => {
    writeFileSync(join(dataDir, 'break-migrations'), '');
    const stack = startStack();
    expect(await stack.exited).toEqual([1, null]);
    expect(stack.output()).toMatch(/The database could not be brought up to date: .*\n$/);
    expect(readdirSync(join(dataDir, 'run'))).toEqual([]);
  });
});
