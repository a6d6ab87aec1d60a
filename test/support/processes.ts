import { readdirSync, readFileSync } from 'node:fs';

/** Of these processes, those that run a program of this name: not what starts it or shuts it in. */
export async function onlyRunning(
  program: string,
  pids: readonly number[],
): Promise<readonly number[]> {
  return pids.filter((pid) => readProc(`${pid}/comm`).trim() === program);
}

/** Pids of live processes whose command line holds all of these texts; zombies do not count. */
export async function findProcesses(...texts: readonly string[]): Promise<readonly number[]> {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
    .filter((pid) => {
      const commandLine = readProc(`${pid}/cmdline`).replaceAll('\0', ' ');
      return texts.every((text) => commandLine.includes(text));
    });
}

/** Of these processes, those that are alive and that no other of them has started: a shell's fork looks like the shell at first. */
export async function withoutForks(pids: readonly number[]): Promise<readonly number[]> {
  const parents = pids.map((pid) => Number(/^PPid:\s*(\d+)/m.exec(readProc(`${pid}/status`))?.[1]));
  return pids.filter((_pid, index) => {
    const parent = parents[index] ?? 0;
    return parent > 0 && !pids.includes(parent);
  });
}

/** At once and not by promises: of hundreds of files of no length that is the cheaper way by far. */
function readProc(name: string): string {
  try {
    return readFileSync(`/proc/${name}`, 'utf8');
  } catch {
    return '';
  }
}
