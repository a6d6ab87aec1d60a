import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { classifyFailure } from '../../src/media/classify-failure.ts';
import { ProcessFailure } from '../../src/media/process-failure.ts';
import { type ProcessRequest, runProcess } from '../../src/media/run-process.ts';
import { ffmpegLimits } from '../../src/media/process-limits.ts';
import type { ToolLauncher } from '../../src/media/tool-launcher.ts';
import { processTag } from '../../src/host/process-tag.ts';
import { createScratchRoot, sweepStaleScratch } from '../../src/media/scratch.ts';
import { makeTempFolder } from '../support/make-clip.ts';
import { findProcesses, onlyRunning } from '../support/processes.ts';
import { everyLauncher } from '../support/sandboxes.ts';
import { waitUntil } from '../support/wait-until.ts';

let temp: { path: string; remove: () => Promise<void> };
beforeAll(async () => {
  temp = await makeTempFolder();
});
afterAll(() => temp.remove());

async function writeScript(name: string, body: string): Promise<string> {
  const file = path.join(temp.path, name);
  await writeFile(file, `#!/bin/sh\n${body}\n`);
  await chmod(file, 0o755);
  return file;
}

async function failureOf(run: Promise<unknown>): Promise<ProcessFailure> {
  const error: unknown = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ProcessFailure))
    throw new Error(`expected a ProcessFailure, got ${String(error)}`);
  return error;
}

/** Zombies do not count: they hold nothing and wait for their reaper. */
async function isRunning(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return status !== '' && !/\) Z /.test(status);
}

const untilGone = (pid: number) =>
  waitUntil(
    () => isRunning(pid),
    (isThere) => !isThere,
  );

/** Numbers of seconds that no other test sleeps: processes are known by them, since a sandbox counts its own pids. */
let lastMark = 0;
function longSleep(): string {
  lastMark += 1;
  return `600.${process.pid}${lastMark}`;
}

const untilNone = (text: string) =>
  waitUntil(
    () => findProcesses(text),
    (pids) => pids.length === 0,
  );

/** The part of a process tag that names this host. */
const HOST = processTag().split('-')[0] ?? '';

describe.each(await everyLauncher())('runProcess with %s', (_name, launcher: ToolLauncher) => {
  const launched = () => {
    const { prefix, env } = launcher.launch({ reads: [], writes: [temp.path] }, ffmpegLimits());
    return { launchPrefix: prefix, env };
  };
  const shell = (body: string, more: Partial<ProcessRequest> = {}) =>
    runProcess({ command: '/bin/sh', args: ['-c', body], ...launched(), ...more });

  it('gives what a tool wrote', async () => {
    const result = await shell('echo out; echo err >&2');
    expect(result).toMatchObject({ stdout: 'out\n', stderr: 'err\n' });
  });

  it('hands over lines as they come, the last one too', async () => {
    const lines: string[] = [];
    await shell(String.raw`printf 'one\ntwo'`, { onStdoutLine: (line) => lines.push(line) });
    expect(lines).toEqual(['one', 'two']);
  });

  it('says how a tool failed', async () => {
    const failure = await failureOf(shell('echo broken >&2; exit 3'));
    expect(failure).toMatchObject({
      exitCode: 3,
      signal: null,
      timedOut: false,
      cancelled: false,
      stderr: 'broken\n',
    });
    expect(failure.argv[0]).toBe('/bin/sh');
    expect(failure.message).toContain('exited with 3');
  });

  it('says that a tool is missing', async () => {
    const failure = await failureOf(
      runProcess({ command: '/nowhere/tool', args: [], ...launched() }),
    );
    expect(classifyFailure(failure, { hasFrames: false })).toBe(failure);
    expect(failure.stderr).toContain('No such file or directory');
  });

  it('rule 29: ends a tool that ignores SIGTERM when its time is up', async () => {
    const script = await writeScript(
      'deaf',
      "trap '' TERM INT HUP; echo up; while :; do sleep 0.05; done",
    );
    let seen: Promise<readonly number[]> | undefined;
    let budgetMs = 200;
    const extend = async () => {
      if (seen === undefined) return (budgetMs += 200);
      await seen;
      return undefined;
    };
    const failure = await failureOf(
      runProcess({
        command: script,
        args: [],
        ...launched(),
        // Until it is deaf.
        deadline: { budgetMs, extend },
        onStdoutLine: () => void (seen ??= findProcesses(script)),
      }),
    );
    expect(failure).toMatchObject({ timedOut: true, signal: 'SIGKILL' });
    expect((await seen)?.length).toBeGreaterThan(0);
    expect(await findProcesses(script)).toEqual([]);
  });

  it('rule 29: ends a tool that reports progress for ever when its time is up', async () => {
    const run = shell('while :; do echo frame=1; sleep 0.02; done', {
      deadline: { budgetMs: 400 },
      stallMs: 120_000,
      onStdoutLine: () => undefined,
    });
    const failure = await failureOf(run);
    expect(failure.timedOut).toBe(true);
    expect(failure.durationMs).toBeGreaterThanOrEqual(390);
  });

  it('asks for more time before it kills, and goes on when that was raised', async () => {
    let asked = 0;
    const extend = async () => {
      asked += 1;
      return 120_000;
    };
    const result = await shell('sleep 0.6; echo done', { deadline: { budgetMs: 150, extend } });
    expect(result.stdout).toBe('done\n');
    expect(asked).toBe(1);
  });

  it('kills when the answer is no, an error, or the same budget', async () => {
    const answers = [
      async () => undefined,
      async () => 200,
      () => Promise.reject(new Error('no answer')),
    ];
    for (const extend of answers) {
      const failure = await failureOf(shell('sleep 30', { deadline: { budgetMs: 200, extend } }));
      expect(failure.timedOut).toBe(true);
    }
  });

  it('rule 14: ends a tool that falls silent', async () => {
    const failure = await failureOf(shell('echo begin; sleep 30', { stallMs: 300 }));
    expect(failure).toMatchObject({ stalled: true, timedOut: false });
  });

  it('does not take silent work on a file for a stall', async () => {
    const file = path.join(temp.path, 'silent');
    // Silent for longer than is borne, and each time it is looked at it has moved.
    const write = `: > ${file}; for i in $(seq 25); do head -c 100000 /dev/urandom >> ${file}; sleep 0.1; done`;
    await shell(write, { stallMs: 1500 });
    expect((await stat(file)).size).toBe(2_500_000);
  });

  it('ends a tool that writes without end', async () => {
    const failure = await failureOf(shell('yes', { stdoutLimitBytes: 100_000 }));
    expect(failure.outputExceeded).toBe(true);
  });

  it('takes grandchildren along, those with pipes of their own too', async () => {
    const stop = new AbortController();
    const reason = new TypeError('cancelled by a person');
    const seconds = longSleep();
    const body = `sleep ${seconds} & sleep ${seconds} >/dev/null 2>&1 </dev/null & wait`;
    const run = shell(body, { signal: stop.signal });
    await waitUntil(
      async () => onlyRunning('sleep', await findProcesses(seconds)),
      (pids) => pids.length === 2,
    );
    stop.abort(reason);
    await expect(run).rejects.toBe(reason);
    expect(await findProcesses(seconds)).toEqual([]);
  });

  it('does not leak an AbortError', async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 100);
    const failure = await failureOf(shell('sleep 30', { signal: stop.signal }));
    expect(failure.cancelled).toBe(true);
    expect((await failureOf(shell('echo never', { signal: AbortSignal.abort() }))).cancelled).toBe(
      true,
    );
  });

  it('rule 26: dies with its worker, even by SIGKILL', async () => {
    const module = new URL('../../src/media/run-process.ts', import.meta.url).href;
    const seconds = longSleep();
    const request = {
      command: '/bin/sh',
      args: ['-c', `echo up; exec sleep ${seconds}`],
      ...launched(),
    };
    // The parent that the launchers know is the worker here.
    const program = `const { runProcess } = await import('${module}');
      const request = ${JSON.stringify(request)};
      request.launchPrefix = request.launchPrefix.map((word) =>
        word === '${process.pid}' ? String(process.pid) : word);
      await runProcess({ ...request, onStdoutLine: (line) => console.log(line) });`;
    const worker = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(worker.stdout, 'data');
    // Not the worker itself, whose program names the number too.
    const tool = `${seconds}`;
    const tools = (await findProcesses(tool)).filter((pid) => pid !== worker.pid);
    expect(tools.length).toBeGreaterThan(0);
    worker.kill('SIGKILL');
    await untilNone(tool);
  });

  it('dies with a worker that is killed before it has begun', async () => {
    const module = new URL('../../src/media/tool-launcher.ts', import.meta.url).href;
    const seconds = longSleep();
    const program = `import { spawn } from 'node:child_process';
      const { unconfinedLauncher } = await import('${module}');
      const limits = { addressSpaceBytes: ${2 ** 31}, fileBytes: 0 };
      const { prefix: [command, ...options] } = (await unconfinedLauncher()).launch({ reads: [], writes: [] }, limits);
      for (let count = 0; count < 20; count += 1)
        spawn(command, [...options, 'sleep', '${seconds}'], { detached: true, stdio: 'ignore' });
      process.kill(process.pid, 'SIGKILL');`;
    const worker = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await once(worker, 'exit');
    expect(worker.signalCode).toBe('SIGKILL');
    await untilNone(`sleep ${seconds}`);
  });

  it('gives a tool nothing of our environment but where programs are', async () => {
    process.env['DATABASE_PASSWORD'] = 'secret';
    try {
      const names = (await shell('env')).stdout.replaceAll(/=.*/g, '').trim().split('\n');
      expect(names.filter((name) => !['PWD', '_', 'SHLVL', 'OLDPWD'].includes(name))).toEqual([
        'PATH',
      ]);
    } finally {
      delete process.env['DATABASE_PASSWORD'];
    }
  });

  it('holds a tool to its bounds', async () => {
    const { stdout } = await shell('ulimit -v; ulimit -c; ulimit -n; ulimit -f');
    const { addressSpaceBytes, fileBytes } = ffmpegLimits();
    expect(stdout.trim().split('\n').map(Number)).toEqual([
      addressSpaceBytes / 1024,
      0,
      256,
      fileBytes / 512,
    ]);
  });
});

describe('scratch', () => {
  it('gives private folders and removes them, however the work ends', async () => {
    const root = await createScratchRoot(path.join(temp.path, 'work'));
    let seen = '';
    const value = await root.withScratch(async (folder) => {
      seen = folder;
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
      await writeFile(path.join(folder, 'piece.mp4'), 'x');
      return 42;
    });
    expect(value).toBe(42);
    await expect(stat(seen)).rejects.toThrow('ENOENT');
    await expect(root.withScratch(() => Promise.reject(new Error('broken')))).rejects.toThrow(
      'broken',
    );
    expect(await readdir(root.path)).toEqual([]);
    await root.remove();
  });

  it('rule 26: clears up after dead workers only, and ends what still works there', async () => {
    const workDir = path.join(temp.path, 'shared-work');
    const mine = await createScratchRoot(workDir);
    const stale = path.join(workDir, `worker-${HOST}-4194304-17`);
    await mkdir(path.join(stale, 'job-a'), { recursive: true });
    await mkdir(path.join(workDir, 'keep-me'));
    const idle = (...words: string[]) =>
      spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', ...words], {
        stdio: 'ignore',
      });
    const orphan = idle('-i', `${stale}/job-a/out.mp4`);
    const neighbour = idle('-i', `${mine.path}/job-b/out.mp4`);
    try {
      expect(await sweepStaleScratch(workDir)).toEqual([stale]);
      expect((await readdir(workDir)).toSorted()).toEqual(['keep-me', path.basename(mine.path)]);
      await untilGone(orphan.pid ?? 0);
      expect(await isRunning(neighbour.pid ?? 0)).toBe(true);
    } finally {
      orphan.kill('SIGKILL');
      neighbour.kill('SIGKILL');
    }
  });

  it('knows a worker that took over the pid of a dead one', async () => {
    const workDir = path.join(temp.path, 'reused');
    const root = path.join(workDir, `worker-${HOST}-${process.pid}-1`);
    await mkdir(root, { recursive: true });
    expect(await sweepStaleScratch(workDir)).toEqual([root]);
  });

  it('clears up after another host or container only when that has touched nothing for a day', async () => {
    const workDir = path.join(temp.path, 'elsewhere');
    const [dead, live] = ['worker-ffffffff-1-1', 'worker-ffffffff-1-2'].map((name) =>
      path.join(workDir, name),
    ) as [string, string];
    for (const root of [dead, live]) await mkdir(path.join(root, 'job-a'), { recursive: true });
    const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000);
    await utimes(dead, hoursAgo(25), hoursAgo(25));
    await utimes(live, hoursAgo(23), hoursAgo(23));
    expect(await sweepStaleScratch(workDir)).toEqual([dead]);
    expect(await readdir(workDir)).toEqual([path.basename(live)]);
  });

  it('keeps the root of a worker looking alive, however long one piece of its work takes', async () => {
    const root = await createScratchRoot(path.join(temp.path, 'touched'), 10);
    await utimes(root.path, new Date(0), new Date(0));
    await waitUntil(
      async () => (await stat(root.path)).mtimeMs,
      (touchedAt) => touchedAt > Date.now() - 3_600_000,
    );
    await root.remove();
  });

  it('has nothing to do where there is no work folder yet', async () => {
    expect(await sweepStaleScratch(path.join(temp.path, 'none'))).toEqual([]);
  });
});
