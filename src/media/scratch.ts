import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { judgeProcess, processTag } from '../host/process-tag.ts';

/** Private folders for work in progress. Everything in them may be thrown away at any time. */
export interface ScratchRoot {
  readonly path: string;
  /** Runs `work` with an empty folder of its own (mode 0700) and removes the folder, however it ends. */
  withScratch<T>(work: (folder: string) => Promise<T>): Promise<T>;
  /** Removes the root with all that is in it. */
  remove(): Promise<void>;
}

const ROOT_PREFIX = 'worker-';

/** Makes this process's root, `worker-<process tag>`, in a work folder that other workers may share. */
export async function createScratchRoot(workDir: string): Promise<ScratchRoot> {
  const root = path.join(path.resolve(workDir), `${ROOT_PREFIX}${processTag()}`);
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
 * Clears up after workers that were killed: for each root of this host whose process is gone, ends the tools that still work in it and removes
 * it. Roots of living workers stay. To be called when a worker starts.
 * @returns the roots that were removed
 */
export async function sweepStaleScratch(workDir: string): Promise<readonly string[]> {
  const names = await readdir(workDir).catch(() => []);
  const removed: string[] = [];
  for (const name of names) {
    if (!name.startsWith(ROOT_PREFIX)) continue;
    if (judgeProcess(name.slice(ROOT_PREFIX.length)) !== 'dead') continue;
    const root = path.join(path.resolve(workDir), name);
    await endProcessesNaming(root);
    await removeTree(root);
    removed.push(root);
  }
  return removed;
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
