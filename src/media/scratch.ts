import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
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
const TOUCH_EVERY_MS = 5 * 60_000;
/** A root of another host or container that was not touched for this long belongs to nobody. */
const FOREIGN_AGE_MS = 86_400_000;

/** Makes this process's root, `worker-<process tag>`, in a work folder that other workers may share. */
export async function createScratchRoot(
  workDir: string,
  touchEveryMs = TOUCH_EVERY_MS,
): Promise<ScratchRoot> {
  const root = path.join(path.resolve(workDir), `${ROOT_PREFIX}${processTag()}`);
  await mkdir(root, { recursive: true, mode: 0o700 });
  await chmod(root, 0o700);
  const touch = () => utimes(root, new Date(), new Date()).catch(() => undefined);
  const touching = setInterval(() => void touch(), touchEveryMs).unref();
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
    async remove() {
      clearInterval(touching);
      await removeTree(root);
    },
  };
}

/**
 * Clears up after workers that were killed: for each root of this host whose process is gone, ends the tools that still work in
 * it and removes it; so it does with what another host or container has not touched for a day. Roots of living workers stay. To
 * be called when a worker starts.
 * @returns the roots that were removed
 */
export async function sweepStaleScratch(workDir: string): Promise<readonly string[]> {
  const names = await readdir(workDir).catch(() => []);
  const removed: string[] = [];
  for (const name of names) {
    if (!name.startsWith(ROOT_PREFIX)) continue;
    const root = path.join(path.resolve(workDir), name);
    if (!(await isAbandoned(root, name.slice(ROOT_PREFIX.length)))) continue;
    await endProcessesNaming(root);
    await removeTree(root);
    removed.push(root);
  }
  return removed;
}

async function isAbandoned(root: string, owner: string): Promise<boolean> {
  const verdict = judgeProcess(owner);
  if (verdict !== 'elsewhere') return verdict === 'dead';
  const touchedMs = await stat(root).then(
    (facts) => facts.mtimeMs,
    () => Number.POSITIVE_INFINITY,
  );
  return Date.now() - touchedMs > FOREIGN_AGE_MS;
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
