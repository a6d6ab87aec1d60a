import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import { readMovedBytes } from '../host/process-bytes.ts';
import { OutputTail } from './output-tail.ts';

/**
 * How much time a tool gets. Only the tool's own time counts, not transfers around it.
 *
 * When the budget is used up, `extend` is asked for a larger one (the whole budget in ms, not the rest) before the tool is
 * killed; undefined, an error or no answer within 10 s leave it as it was.
 */
export interface ToolDeadline {
  readonly budgetMs: number;
  readonly extend?: (() => Promise<number | undefined>) | undefined;
}

export interface ChildLimits {
  readonly signal?: AbortSignal | undefined;
  readonly deadline?: ToolDeadline | undefined;
  /** Longest time without `progressed()`. */
  readonly stallMs?: number | undefined;
  readonly stderrLimitBytes?: number | undefined;
}

export type KillReason = 'timeout' | 'stall' | 'cancel' | 'output';

/** How a child ended. `killedFor` is set when it was us. */
export interface ChildEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly spawnError: Error | null;
  readonly killedFor: KillReason | null;
  readonly durationMs: number;
  /** The first and the last lines. */
  readonly stderr: string;
}

export interface SupervisedChild {
  /** Never rejects. Settles when the process, its group and its pipes have ended. */
  readonly ended: Promise<ChildEnd>;
  readonly progressed: () => void;
  readonly kill: (reason: KillReason) => void;
}

const STDERR_LIMIT_BYTES = 64 * 1024;
const EXTEND_ANSWER_MS = 10_000;
/** A pipe can be held open by a process that left the group; do not wait for it for ever. */
const PIPE_GRACE_MS = 5000;
const GROUP_GRACE_MS = 2000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Watches a child that leads its own process group (`detached: true`) and makes sure that it ends.
 *
 * On cancel, timeout or stall the whole group gets SIGKILL at once: its output is thrown away, so there is nothing to ask for.
 * Call in the same tick as the spawn, or output and errors are missed.
 */
export function superviseChild(child: ChildProcess, limits: ChildLimits): SupervisedChild {
  const startedAt = performance.now();
  const stderr = new OutputTail(limits.stderrLimitBytes ?? STDERR_LIMIT_BYTES);
  child.stderr?.setEncoding('utf8');
  child.stderr?.on('data', (text: string) => stderr.append(text));

  let killedFor: KillReason | null = null;
  let hasExited = false;
  const kill = (reason: KillReason): void => {
    if (hasExited || killedFor !== null) return;
    killedFor = reason;
    killGroup(child);
  };

  const onAbort = (): void => kill('cancel');
  limits.signal?.addEventListener('abort', onAbort, { once: true });
  if (limits.signal?.aborted === true) onAbort();
  const stopDeadline = startDeadline(limits.deadline, startedAt, () => kill('timeout'));
  const stall = startStallWatch(child, limits.stallMs, () => kill('stall'));

  const ended = awaitEnd(child, () => {
    hasExited = true;
    stopDeadline();
    stall.stop();
    limits.signal?.removeEventListener('abort', onAbort);
  }).then((end) => ({
    ...end,
    killedFor,
    durationMs: Math.round(performance.now() - startedAt),
    stderr: stderr.text(),
  }));
  return { ended, progressed: stall.progressed, kill };
}

function startDeadline(
  deadline: ToolDeadline | undefined,
  startedAt: number,
  expire: () => void,
): () => void {
  if (deadline === undefined) return () => undefined;
  let isStopped = false;
  let timer: NodeJS.Timeout;
  const arm = (budgetMs: number): void => {
    const remainingMs = Math.max(0, budgetMs - (performance.now() - startedAt));
    timer = setTimeout(() => void reached(budgetMs), Math.min(remainingMs, LONGEST_TIMER_MS));
  };
  const reached = async (budgetMs: number): Promise<void> => {
    const raised = await askForMore(deadline);
    if (isStopped) return;
    if (raised !== undefined && raised > budgetMs) arm(raised);
    else expire();
  };
  arm(deadline.budgetMs);
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}

async function askForMore({ extend }: ToolDeadline): Promise<number | undefined> {
  if (extend === undefined) return undefined;
  const waiting = new AbortController();
  const unanswered = delay(EXTEND_ANSWER_MS, undefined, { signal: waiting.signal }).catch(
    () => undefined,
  );
  try {
    return await Promise.race([extend(), unanswered]);
  } catch {
    return undefined;
  } finally {
    waiting.abort();
  }
}

/**
 * A tool that says nothing may still be moving bytes, as when the index of a large file goes to its front: before it counts as
 * stalled, what it has read and written on disk is compared with the last look.
 */
function startStallWatch(
  { pid }: ChildProcess,
  stallMs: number | undefined,
  expire: () => void,
): { progressed: () => void; stop: () => void } {
  if (stallMs === undefined) return { progressed: () => undefined, stop: () => undefined };
  let seenBytes = 0;
  const hasMoved = (): boolean => {
    const before = seenBytes;
    seenBytes = pid === undefined ? 0 : readMovedBytes(pid);
    return seenBytes !== before;
  };
  const timer = setTimeout(() => (hasMoved() ? void timer.refresh() : expire()), stallMs);
  const progressed = (): void => {
    hasMoved();
    timer.refresh();
  };
  return { progressed, stop: () => clearTimeout(timer) };
}

type RawEnd = Pick<ChildEnd, 'exitCode' | 'signal' | 'spawnError'>;

/** `onExit` runs when the leader is gone, before its group and pipes are. */
async function awaitEnd(child: ChildProcess, onExit: () => void): Promise<RawEnd> {
  const end = await new Promise<RawEnd>((resolve) => {
    let pipeTimer: NodeJS.Timeout | undefined;
    child.once('error', (error) => {
      // With a pid the error is about a signal or a pipe, and the end is still to come.
      if (child.pid !== undefined) return;
      onExit();
      resolve({ exitCode: null, signal: null, spawnError: error });
    });
    child.once('exit', () => {
      onExit();
      killGroup(child);
      pipeTimer = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, PIPE_GRACE_MS);
    });
    child.once('close', (exitCode, signal) => {
      clearTimeout(pipeTimer);
      resolve({ exitCode, signal, spawnError: null });
    });
  });
  if (child.pid !== undefined) await groupGone(child.pid);
  return end;
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // ESRCH: nothing is left of the group.
  }
}

/** There is no event for the end of a grandchild, so its group is asked. */
async function groupGone(pid: number): Promise<void> {
  const giveUpAt = performance.now() + GROUP_GRACE_MS;
  while (performance.now() < giveUpAt && isGroupThere(pid) && hasLivingMember(pid)) await delay(10);
}

function isGroupThere(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * Zombies still count as members until somebody reaps them, but they hold nothing any more. True where there is no /proc.
 *
 * Asked at the end of every tool in bubblewrap, whose inner process outlives it for a moment. 180 processes are 3 ms of CPU read
 * this way, and 45 ms by promises.
 */
function hasLivingMember(group: number): boolean {
  const names = attempt(() => readdirSync('/proc'));
  if (names === undefined) return true;
  return names.some((name) => {
    if (!/^\d+$/.test(name)) return false;
    const text = attempt(() => readFileSync(`/proc/${name}/stat`, 'utf8')) ?? '';
    // After the name in brackets: state, parent, group.
    const [state = '', , memberOf] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return Number(memberOf) === group && !'ZX'.includes(state);
  });
}

function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
