import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';

/** Private folders for work in progress. Everything in them may be thrown away at any time. */
export interface ScratchRoot {
  readonly path: string;
  /** Runs `work` with an empty folder of its own (mode 0700) and removes the folder, however it ends. */
  withScratch<T>(work: (folder: string) => Promise<T>): Promise<T>;
  /** Removes the root with all that is in it. */
  remove(): Promise<void>;
}

const ROOT_NAME = /^worker-(\d+)-(\d+)$/;

/**
 * Makes this process's root, `worker-<pid>-<start time>`, in a work folder that other workers may share.
 * The start time tells a process from a later one with the same pid.
 */
export async function createScratchRoot(workDir: string): Promise<ScratchRoot> {
  const root = path.join(
    path.resolve(workDir),
    `worker-${process.pid}-${(await startTimeOf(process.pid)) ?? 0}`,
  );
  await mkdir(root, { recursive: true, mode: 0o700 });
  await chmod(root, 0o700);
  return {
    path: root,
    async withScratch(work) {
      await mkdir(root, { recursive: true, mode: 0o700 });
      const folder = await mkdtemp(path.join(root, 'job-'));
      try {
        return await work(folder);
      } finally {
        await removeTree(folder);
      }
    },
    remove: () => removeTree(root),
  };
}

/**
 * Clears up after workers that were killed: for each root whose process is gone, ends the tools that still work in it and removes
 * it. Roots of living workers stay. To be called when a worker starts.
 * @returns the roots that were removed
 */
export async function sweepStaleScratch(workDir: string): Promise<readonly string[]> {
  const names = await readdir(workDir).catch(() => []);
  const removed: string[] = [];
  for (const name of names) {
    const match = ROOT_NAME.exec(name);
    if (match === null) continue;
    if (await isSameProcess(Number(match[1]), Number(match[2]))) continue;
    const root = path.join(path.resolve(workDir), name);
    await endProcessesNaming(root);
    await removeTree(root);
    removed.push(root);
  }
  return removed;
}

async function isSameProcess(pid: number, startTime: number): Promise<boolean> {
  const current = await startTimeOf(pid);
  if (current !== undefined) return current === startTime;
  // Without /proc there is only the pid to go by.
  return process.platform !== 'linux' && isAlive(pid);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** In clock ticks since boot: field 22 of /proc/PID/stat. The name before it is in brackets and may hold anything. */
async function startTimeOf(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields?.[19]);
  return Number.isFinite(ticks) ? ticks : undefined;
}

/** A tool's command line carries absolute paths below the root it works in. */
async function endProcessesNaming(root: string): Promise<void> {
  const pids = (await readdir('/proc').catch(() => []))
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid > 1);
  for (const pid of pids) {
    if (pid === process.pid) continue;
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (!commandLine.includes(`${root}/`)) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself meanwhile.
    }
  }
}

/** A tool that dies just now may still write; so try again. */
function removeTree(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}
