import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** A peak lasts for many frames, and a look at 500 MB takes the kernel a few milliseconds. */
const LOOK_EVERY_MS = 40;

export interface Peak {
  /** Proportional set size of everything that this process had started, together; MB of 1024² bytes. */
  readonly memoryMb: number;
  /** Encoders at the same time. */
  readonly encoders: number;
}

/** Runs `work` and looks at the memory of all its tools meanwhile. */
export async function measurePeak(work: () => Promise<void>): Promise<Peak> {
  let isDone = false;
  let peak: Peak = { memoryMb: 0, encoders: 0 };
  const working = work().finally(() => {
    isDone = true;
  });
  while (!isDone) {
    const sizes = (await Promise.all((await listDescendants()).map(readPss))).filter(
      (bytes) => bytes > 0,
    );
    const memoryMb = sizes.reduce((sum, bytes) => sum + bytes, 0) / 1024 ** 2;
    peak = {
      memoryMb: Math.max(peak.memoryMb, memoryMb),
      encoders: Math.max(peak.encoders, sizes.length),
    };
    await delay(LOOK_EVERY_MS);
  }
  await working;
  return peak;
}

async function listDescendants(): Promise<readonly number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    // After the name in brackets: state, parent.
    const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
    parents.set(Number(name), Number(parent));
  }
  const isOurs = (pid: number | undefined): boolean =>
    pid !== undefined && pid > 1 && (pid === process.pid || isOurs(parents.get(pid)));
  return [...parents.keys()].filter((pid) => pid !== process.pid && isOurs(pid));
}

async function readPss(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}
