import { setTimeout as sleep } from 'node:timers/promises';
import type { Product } from './product.ts';

/** What became of a run whose worker was killed in the middle. */
export interface KillOutcome {
  readonly atPercent: number;
  /** Pieces that had begun and not ended. */
  readonly inFlight: readonly string[];
  /** Pieces that were finished before. */
  readonly finished: readonly string[];
  /** Pieces that were begun again, whatever they were. */
  readonly repeated: readonly string[];
  /** From the kill until a piece began again. */
  readonly pauseSeconds: number;
}

interface StepLine {
  readonly msg: 'step started' | 'step ended';
  readonly step: string;
  readonly time: number;
}

interface LogLine {
  readonly msg: string;
  readonly step?: string;
  readonly videoId?: number;
  readonly time: string | number;
}

/** Kills the worker when the run is at a random point between 5 and 90 %, and reads in its log what was made twice. */
export async function killOnce(product: Product, file: string): Promise<KillOutcome> {
  const { id } = await product.upload(file);
  const target = 5 + Math.random() * 85;
  let killedAt: { atPercent: number; log: string; ms: number } | undefined;
  await product.follow(id, async ({ progressPercent }) => {
    if (killedAt !== undefined || progressPercent < target) return;
    process.kill(product.pidOf('worker'), 'SIGKILL');
    await sleep(200); // its last lines are on their way
    killedAt = { atPercent: progressPercent, log: product.stack.output(), ms: Date.now() };
  });
  if (killedAt === undefined) throw new Error('the run was over before its worker could be killed');
  const { atPercent, log, ms } = killedAt;
  const before = readSteps(log, id);
  const after = readSteps(product.stack.output().slice(log.length), id);
  const named = (lines: readonly StepLine[], msg: StepLine['msg']) =>
    new Set(lines.filter((line) => line.msg === msg).map(({ step }) => step));
  const begun = named(before, 'step started');
  const ended = named(before, 'step ended');
  const again = after.filter(({ msg, step }) => msg === 'step started' && begun.has(step));
  return {
    atPercent,
    inFlight: [...begun].filter((step) => !ended.has(step)),
    finished: [...ended],
    repeated: [...new Set(again.map(({ step }) => step))],
    pauseSeconds: Math.max(0, ((after.find(isStart)?.time ?? ms) - ms) / 1000),
  };
}

function isStart({ msg }: StepLine): boolean {
  return msg === 'step started';
}

/** Steps are told as JSON, one line each; a line that a kill cut off is none. */
export function readSteps(log: string, videoId: number): readonly StepLine[] {
  return log.split('\n').flatMap((line) => {
    if (!line.startsWith('{') || !line.endsWith('}') || !line.includes('"step ')) return [];
    const entry = JSON.parse(line) as LogLine;
    if (entry.videoId !== videoId || entry.step === undefined) return [];
    const { msg, step } = entry;
    if (msg !== 'step started' && msg !== 'step ended') return [];
    return [{ msg, step, time: new Date(entry.time).getTime() }];
  });
}
