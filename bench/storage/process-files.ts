import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';

/** Lets the kernel count the peak of a process from now on. Needs Linux, and to be its user. */
export function resetPeakMemory(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Largest resident size since then; MiB. */
export function readPeakMemory(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

/** Open descriptors of a process: sockets, and all others. */
export function countDescriptors(pid: number): { sockets: number; others: number } {
  const folder = `/proc/${pid}/fd`;
  const links = readdirSync(folder).flatMap((name) => {
    try {
      return [readlinkSync(`${folder}/${name}`)];
    } catch {
      return []; // closed meanwhile
    }
  });
  const sockets = links.filter((link) => link.startsWith('socket:')).length;
  return { sockets, others: links.length - sockets };
}
