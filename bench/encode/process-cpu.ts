import { readFileSync } from 'node:fs';

/** CPU seconds, user and system together. */
export interface ProcessCpu {
  readonly own: number;
  /** Of all descendants that have ended and were waited for. */
  readonly children: number;
}

/** Of Linux on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** What a process has used so far, by the kernel's accounting. @throws ENOENT when it is gone */
export function readProcessCpu(pid: number): ProcessCpu {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is a name in brackets, which may hold anything; counting begins behind it, with field 3.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const seconds = (field: number): number => Number(fields[field - 3]) / TICKS_PER_SECOND;
  return { own: seconds(14) + seconds(15), children: seconds(16) + seconds(17) };
}

export function subtractCpu(after: ProcessCpu, before: ProcessCpu): ProcessCpu {
  return { own: after.own - before.own, children: after.children - before.children };
}
