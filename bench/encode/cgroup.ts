import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** A control group of our own: the kernel counts there what every process in it used, also those that nobody waited for. */
export interface CpuGroup {
  /** With all that it starts from now on. */
  add(pid: number): void;
  /** CPU seconds so far. */
  readSeconds(): number;
  /** Once its processes have ended. */
  remove(): void;
}

/** @param name  a new one. @returns undefined where this user may make none (cgroup v2; a controller is not needed) */
export function openCpuGroup(name: string): CpuGroup | undefined {
  const folder = path.join(findOwnGroup() ?? '/', name);
  const readSeconds = (): number => {
    const stat = readFileSync(path.join(folder, 'cpu.stat'), 'utf8');
    return Number(/^usage_usec (\d+)$/m.exec(stat)?.[1]) / 1e6;
  };
  try {
    mkdirSync(folder);
    readSeconds();
  } catch {
    return undefined;
  }
  return {
    add: (pid) => writeFileSync(path.join(folder, 'cgroup.procs'), String(pid)),
    readSeconds,
    remove: () => rmdirSync(folder),
  };
}

function findOwnGroup(): string | undefined {
  const mount = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((line) => line.includes(' - cgroup2 '))
    ?.split(' ')[4];
  const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
  return mount === undefined || own === undefined ? undefined : path.join(mount, own);
}
