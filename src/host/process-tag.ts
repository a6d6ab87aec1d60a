import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * Marks unfinished files and folders with the process that works on them, so that a later start can tell dead work from live.
 *
 * `<host>-<pid>-<start>`: the host part covers machine and process namespace (two containers that share a volume both have a
 * pid 1), the start time tells a process from a later one with the same pid.
 */
export function processTag(): string {
  return `${hostTag()}-${process.pid}-${startTime(process.pid) ?? 0}`;
}

/**
 * Whether the process of a tag may still be at work. `elsewhere`: another host or container, of which nothing can be told
 * from here.
 */
export function judgeProcess(tag: string): 'alive' | 'dead' | 'elsewhere' {
  const [host, pid, start] = tag.split('-');
  if (host !== hostTag()) return 'elsewhere';
  const now = startTime(Number(pid));
  return now !== undefined && now === Number(start) ? 'alive' : 'dead';
}

function hostTag(): string {
  return createHash('sha256')
    .update(`${hostname()} ${processNamespace()}`)
    .digest('hex')
    .slice(0, 8);
}

function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** Clock ticks since boot, field 22 of proc_pid_stat(5). Without a proc file system 0 for any process that lives. */
function startTime(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
  } catch {
    return process.platform === 'linux' ? undefined : signalReaches(pid);
  }
}

function signalReaches(pid: number): 0 | undefined {
  try {
    process.kill(pid, 0);
    return 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 0 : undefined;
  }
}
