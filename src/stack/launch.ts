import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { identifyProcess, type ProcessIdentity } from './process-identity.mjs';
import { endProcess } from './process-table.ts';

/** A program to run as a part of the stack. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment; nothing is inherited. */
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Runs as this user; needs root. */
  readonly account?: Account | undefined;
  /** How it is asked to end, also by the kernel when we die ourselves. */
  readonly stopSignal: NodeJS.Signals;
  /** Gets each line of standard output and error. */
  readonly onLine: (line: string) => void;
}

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** How a process ended; exactly one of the two is set. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running program. */
export interface Launched {
  readonly identity: ProcessIdentity;
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<Exit>;
  /** Asks it to end, kills it after `graceMs`, then what is left of its process group; resolves when it is gone. */
  stop(graceMs: number): Promise<Exit>;
}

/**
 * Starts a program in a session of its own, so that the terminal's Ctrl-C does not reach it.
 *
 * Where `setpriv` exists the kernel sends `stopSignal` if we are killed, so that nothing outlives us.
 * It fires when the *thread* that spawned ends: call this on the main thread.
 * @throws when the program cannot be run at all
 */
export async function launch(program: Program): Promise<Launched> {
  const child = spawnTied(program);
  const exited = waitForExit(child);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve).once('error', reject);
  });
  const pid = child.pid as number;
  // A process that is over already is identified by its pid alone; nobody will find it alive.
  const identity = identifyProcess(pid) ?? { pid, startTime: '' };
  forwardLines(child, program.onLine);
  return {
    identity,
    exited,
    async stop(graceMs) {
      await endProcess(identity, { signal: program.stopSignal, graceMs });
      return exited;
    },
  };
}

function spawnTied({ command, args, env, cwd, account, stopSignal }: Program): ChildProcess {
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));
  const tie = setpriv ? [setpriv, '--pdeathsig', stopSignal.slice(3), '--'] : [];
  const [file, ...rest] = [...tie, command, ...args] as [string, ...string[]];
  return spawn(file, rest, {
    env,
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...account,
  });
}

function waitForExit(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: 127, signal: null }));
  });
}

function forwardLines(child: ChildProcess, onLine: (line: string) => void): void {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream, crlfDelay: Infinity }).on('line', onLine);
  }
}
