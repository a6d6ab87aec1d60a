import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Exit, Launched } from './launch.ts';
import { readIdentity } from './process-identity.mjs';
import { endProcess, removePidFile, sendSignal, writePidFile } from './process-table.ts';
import type { StackLog } from './stack-log.ts';
import { StackProblem } from './stack-problem.ts';

/** One program of the stack. */
export interface Part {
  readonly name: string;
  /** Starts it once; also called again after a crash. */
  launch(onLine: (line: string) => void): Promise<Launched>;
  /** Resolves when it can be used, rejects when `signal` fires. Absent: at once. */
  waitUntilReady?(signal: AbortSignal): Promise<void>;
  /** Time between the stop signal and the kill. */
  readonly stopGraceMs: number;
}

/** How long a start may take, PostgreSQL's recovery after a power cut included. */
const READY_TIMEOUT_MS = 120_000;

/** What a stale part gets before it is killed. */
const STALE_GRACE_MS = 5000;

/** A part that ran this long is healthy again; its next crash begins with the shortest pause. */
const HEALTHY_AFTER_MS = 60_000;

/**
 * Keeps one part running: remembers its process in a file, starts it again after a crash with pauses of
 * 1, 2, 4 … 30 s, and stops it.
 */
export class PartKeeper {
  readonly #part: Part;
  readonly #pidFile: string;
  readonly #log: StackLog;
  readonly #stopping = new AbortController();
  #current: Launched | undefined;
  #starting: Promise<void> = Promise.resolve();
  #watching: Promise<void> = Promise.resolve();

  get name(): string {
    return this.#part.name;
  }

  constructor(part: Part, { runDir, log }: { runDir: string; log: StackLog }) {
    this.#part = part;
    this.#pidFile = pidFilePath(runDir, part.name);
    this.#log = log;
  }

  /**
   * Starts the part and waits until it is ready; from then on it is kept running.
   * @throws StackProblem where it ends before it was ready even once: starting it again would not help
   */
  start(): Promise<void> {
    this.#starting = this.#startOnce();
    return this.#starting;
  }

  /** Idempotent. Resolves when nothing of the part is left. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#current?.stop(this.#part.stopGraceMs);
    await this.#starting.catch(() => undefined); // whoever started it hears of that
    await this.#watching;
    removePidFile(this.#pidFile);
  }

  /** At once and without waiting. */
  kill(): void {
    this.#stopping.abort();
    if (this.#current) sendSignal(-this.#current.identity.pid, 'SIGKILL');
  }

  async #startOnce(): Promise<void> {
    const launched = await this.#launch();
    const ended = new AbortController();
    void launched.exited.then(() => ended.abort());
    try {
      await this.#part.waitUntilReady?.(
        AbortSignal.any([
          ended.signal,
          this.#stopping.signal,
          AbortSignal.timeout(READY_TIMEOUT_MS),
        ]),
      );
    } catch (error) {
      const isEnded = ended.signal.aborted;
      const exit = await launched.stop(this.#part.stopGraceMs);
      removePidFile(this.#pidFile);
      throw new StackProblem(
        `${this.#part.name} did not start (${isEnded ? describeExit(exit) : String(error)}): see the lines above.`,
        { cause: error },
      );
    }
    this.#watching = this.#watch(launched);
  }

  /** One that comes up while we are stopping is stopped again before anybody hears of it. */
  async #launch(): Promise<Launched> {
    const { name, stopGraceMs } = this.#part;
    const launched = await this.#part.launch((line) => this.#log(name, line));
    this.#current = launched;
    writePidFile(this.#pidFile, launched.identity);
    if (this.#stopping.signal.aborted) await launched.stop(stopGraceMs);
    return launched;
  }

  async #watch(first: Launched): Promise<void> {
    const { name } = this.#part;
    const { signal } = this.#stopping;
    let launched: Launched | undefined = first;
    let crashes = 0;
    for (let startedAt = performance.now(); ; startedAt = performance.now()) {
      const how = launched ? describeExit(await launched.exited) : 'could not be run';
      if (signal.aborted) return;
      await launched?.stop(0); // what it left behind in its group
      if (performance.now() - startedAt > HEALTHY_AFTER_MS) crashes = 0;
      const pauseMs = restartPauseMs(crashes);
      crashes += 1;
      this.#log('stack', `${name} ended (${how}); next start in ${pauseMs / 1000} s.`);
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      launched = await this.#launch().catch((error: unknown) => {
        this.#log('stack', `${name}: ${String(error)}`);
        return undefined;
      });
    }
  }
}

/**
 * Ends the process of an earlier supervisor that was killed; it holds the port and the files. Only for the holder of
 * the data folder's lock.
 */
export async function endStalePart(
  name: string,
  { runDir, signal }: { runDir: string; signal: NodeJS.Signals },
): Promise<void> {
  const pidFile = pidFilePath(runDir, name);
  const stale = readIdentity(pidFile);
  if (stale) await endProcess(stale, { signal, graceMs: STALE_GRACE_MS });
  removePidFile(pidFile);
}

/** Pause before the next start after `crashes` earlier ones: 1, 2, 4 … 30 s. */
export function restartPauseMs(crashes: number): number {
  return Math.min(30_000, 1000 * 2 ** crashes);
}

function pidFilePath(runDir: string, name: string): string {
  return join(runDir, `${name}.pid`);
}

function describeExit({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}
