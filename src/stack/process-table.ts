import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  identifyProcess,
  isAlive,
  isOfThisBoot,
  type ProcessIdentity,
} from './process-identity.mjs';

/** Remembers a process in a file, replaced in one step. */
export function writePidFile(path: string, identity: ProcessIdentity): void {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(identity)}\n`);
  renameSync(draft, path);
}

/** Idempotent. */
export function removePidFile(path: string): void {
  rmSync(path, { force: true });
}

/**
 * Ends a process that need not be our child, and then whatever is left of the process group that it led: asks with
 * `signal`, kills after `graceMs`. Resolves when it is gone; at once where it is gone already.
 */
export async function endProcess(
  identity: ProcessIdentity,
  { signal, graceMs }: { signal: NodeJS.Signals; graceMs: number },
): Promise<void> {
  if (isAlive(identity)) sendSignal(identity.pid, signal);
  const deadline = performance.now() + graceMs;
  while (isAlive(identity)) {
    if (performance.now() > deadline) sendSignal(identity.pid, 'SIGKILL');
    await sleep(25);
  }
  killLeftovers(identity);
}

/** A number that leads no living process is still taken as long as its group has members. */
function killLeftovers(identity: ProcessIdentity): void {
  if (isOfThisBoot(identity) && !identifyProcess(identity.pid)) {
    sendSignal(-identity.pid, 'SIGKILL');
  }
}

/** A pid below zero means the group. That the process is gone is no fault. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
