import { readFileSync } from 'node:fs';

/**
 * Bytes that a process and its descendants have moved to and from disk so far; pipes do not count, so talking is not moving.
 * 0 where the kernel does not tell (proc_pid_io(5), proc_tid_children(5)).
 */
export function readMovedBytes(pid: number): number {
  const own = readText(`/proc/${pid}/io`);
  const counts = [...own.matchAll(/^(?:read|write)_bytes: (\d+)$/gm)].map((match) =>
    Number(match[1]),
  );
  const children = readText(`/proc/${pid}/task/${pid}/children`).split(' ').map(Number);
  return [...counts, ...children.filter((child) => child > 0).map(readMovedBytes)].reduce(
    (sum, count) => sum + count,
    0,
  );
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
