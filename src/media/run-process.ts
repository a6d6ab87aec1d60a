import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { isMainThread } from 'node:worker_threads';

import { detectLaunchers } from './launchers.ts';
import { cancellationOf, ProcessFailure } from './process-failure.ts';
import { type ChildLimits, superviseChild } from './supervise-child.ts';

export interface ProcessRequest extends ChildLimits {
  /** Absolute path of the tool. */
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Takes stdout line by line instead of it being collected; a line counts as progress. */
  readonly onStdoutLine?: ((line: string) => void) | undefined;
  /** Most that is collected from stdout; more ends the process. Default 4 MiB. */
  readonly stdoutLimitBytes?: number | undefined;
  /** Default: what the host offers (`detectLaunchers`). */
  readonly launchPrefix?: readonly string[] | undefined;
}

export interface ProcessResult {
  /** Empty when `onStdoutLine` took it. */
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

const STDOUT_LIMIT_BYTES = 4 * 1024 * 1024;

/**
 * Runs one tool to its end, in a process group of its own, and leaves nothing of it behind.
 *
 * @throws the reason of `signal` when that is an error; `ProcessFailure` for every other end but exit status 0
 */
export async function runProcess(request: ProcessRequest): Promise<ProcessResult> {
  if (!isMainThread)
    throw new Error('tools are started on the main thread: their lives are tied to it');
  const argv = [request.command, ...request.args];
  const prefix = request.launchPrefix ?? (await detectLaunchers());
  if (request.signal?.aborted === true) throw cancelledBeforeStart(argv, request.signal);

  const [command = request.command, ...args] = [...prefix, ...argv];
  const child = spawn(command, args, {
    cwd: request.cwd,
    env: request.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { ended, progressed, kill } = superviseChild(child, request);

  const collected: string[] = [];
  let collectedBytes = 0;
  if (request.onStdoutLine === undefined) {
    child.stdout?.setEncoding('utf8');
    child.stdout?.on('data', (text: string) => {
      progressed();
      collectedBytes += Buffer.byteLength(text);
      if (collectedBytes > (request.stdoutLimitBytes ?? STDOUT_LIMIT_BYTES)) kill('output');
      else collected.push(text);
    });
  } else if (child.stdout !== null) {
    const takeLine = request.onStdoutLine;
    createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY }).on(
      'line',
      (line) => {
        progressed();
        takeLine(line);
      },
    );
  }

  const end = await ended;
  if (end.killedFor === 'cancel')
    throw cancellationOf(request.signal, new ProcessFailure(argv, end, request.signal?.reason));
  if (end.spawnError !== null || end.killedFor !== null || end.exitCode !== 0)
    throw new ProcessFailure(argv, end);
  return { stdout: collected.join(''), stderr: end.stderr, durationMs: end.durationMs };
}

/** The failure of a tool that was cancelled before it was even started. */
export function cancelledBeforeStart(argv: readonly string[], signal: AbortSignal): Error {
  const end = {
    exitCode: null,
    signal: null,
    spawnError: null,
    killedFor: 'cancel',
    durationMs: 0,
    stderr: '',
  } as const;
  return cancellationOf(signal, new ProcessFailure(argv, end, signal.reason));
}
