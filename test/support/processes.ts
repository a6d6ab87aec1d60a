import { readdir, readFile } from 'node:fs/promises';

/** Of these processes, those that run a program of this name: not what starts it or shuts it in. */
export async function onlyRunning(
  program: string,
  pids: readonly number[],
): Promise<readonly number[]> {
  const names = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')),
  );
  return pids.filter((_pid, index) => names[index]?.trim() === program);
}

/** Pids of live processes whose command line holds all of these texts; zombies do not count. */
export async function findProcesses(...texts: readonly string[]): Promise<readonly number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (texts.every((text) => commandLine.replaceAll('\0', ' ').includes(text))) found.push(pid);
  }
  return found;
}

/** Of these processes, those that are alive and that no other of them has started: a shell's fork looks like the shell at first. */
export async function withoutForks(pids: readonly number[]): Promise<readonly number[]> {
  const parents = await Promise.all(
    pids.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      return Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]);
    }),
  );
  return pids.filter((_pid, index) => {
    const parent = parents[index] ?? 0;
    return parent > 0 && !pids.includes(parent);
  });
}
