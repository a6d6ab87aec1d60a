import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { takeLock } from '../../../src/stack/lock-file.mjs';
import { identifyProcess, isAlive, readIdentity } from '../../../src/stack/process-identity.mjs';
import { endProcess, writePidFile } from '../../../src/stack/process-table.ts';

let folder: string;
let children: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'steadyreel-process-'));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** A shell that says when it listens to signals. */
async function startShell(script: string) {
  const child = spawn('/bin/sh', ['-c', script], { detached: true });
  children.push(child);
  const [firstLine] = (await once(child.stdout, 'data')) as [Buffer];
  const identity = identifyProcess(child.pid as number);
  if (!identity) throw new Error('the shell is gone');
  return { child, identity, firstLine: firstLine.toString() };
}

describe('identifyProcess', () => {
  it('knows us again, and nobody who only has our pid', () => {
    const self = identifyProcess(process.pid);
    expect(self && isAlive(self)).toBe(true);
    expect(isAlive({ pid: process.pid, startTime: 'another boot 1' })).toBe(false);
  });

  it('finds nobody at a pid that ended', async () => {
    const child = spawn('/bin/true');
    await once(child, 'exit');
    expect(identifyProcess(child.pid as number)).toBeUndefined();
  });

  it('survives a file and comes back undefined from a broken one', () => {
    const path = join(folder, 'run/a.pid');
    writePidFile(path, { pid: 42, startTime: 'x 1' });
    expect(readIdentity(path)).toEqual({ pid: 42, startTime: 'x 1' });
    writeFileSync(path, '{"pid":');
    expect(readIdentity(path)).toBeUndefined();
  });
});

describe('endProcess', () => {
  it('lets a process that listens end by itself', async () => {
    const { child, identity } = await startShell(
      'trap "exit 7" TERM; echo up; while :; do sleep 0.05; done',
    );
    const exited = once(child, 'exit');
    await endProcess(identity, { signal: 'SIGTERM', graceMs: 120_000 });
    expect(await exited).toEqual([7, null]);
  });

  it('kills one that does not, with the group it leads', async () => {
    const { identity, firstLine } = await startShell(
      'trap "" TERM; (while :; do sleep 0.05; done) & echo $!; while :; do sleep 0.05; done',
    );
    const grandchild = identifyProcess(Number(firstLine));
    expect(grandchild).toBeDefined();
    await endProcess(identity, { signal: 'SIGTERM', graceMs: 50 });
    expect(isAlive(identity)).toBe(false);
    while (grandchild && isAlive(grandchild)) await setImmediate(); // the kill has been sent
  });
});

describe('takeLock', () => {
  const holder = () => join(folder, 'a.lock');

  it('is held by one process at a time', () => {
    const first = takeLock(holder());
    const second = takeLock(holder());
    expect(second).toEqual({ holder: identifyProcess(process.pid) });
    if ('release' in first) first.release();
    expect(takeLock(holder())).toHaveProperty('release');
  });

  it.each([
    ['a dead process', { pid: 2 ** 22 - 1, startTime: 'x 1' }],
    ['a process whose pid is ours by chance', { pid: process.pid, startTime: 'x 1' }],
  ])('is taken over from %s, leaving no other file', (_, stale) => {
    writePidFile(holder(), stale);
    expect(takeLock(holder())).toHaveProperty('release');
    expect(readdirSync(folder)).toEqual(['a.lock']);
  });
});
