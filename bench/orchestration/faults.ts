import { openAsBlob } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isTerminal } from '../../src/domain/video.ts';
import type { VideoView } from '../../src/usecases/present-video.ts';
import { makeClip } from '../../test/support/make-clip.ts';
import { findProcesses } from '../../test/support/processes.ts';
import { judge, median, type Row } from '../encode/report.ts';
import type { BenchStack } from './bench-stack.ts';

const LOOK_EVERY_MS = 20;
const PATIENCE_MS = 120_000;
const HEARTBEAT_SECONDS = 20;

/** From the request to cancel until no tool of the run is left. */
export async function measureCancel(bench: BenchStack, folder: string, rounds: number) {
  const seconds = await timeInEncode(bench, { folder, rounds }, async (id) => {
    await bench.ask('POST', `/videos/${id}/cancel`);
    await until('no tool is left', async () => (await tools(bench)).length === 0);
  });
  return [
    judge('cancel → every process of the run dead, p50 s', median(seconds), {
      better: 'smaller',
      must: 4,
      note: listed(seconds),
    }),
  ] satisfies readonly Row[];
}

/** From the worker's death until its successor encodes what it was at. */
export async function measureKill(bench: BenchStack, folder: string, rounds: number) {
  const seconds = await timeInEncode(bench, { folder, rounds }, async () => {
    process.kill(bench.pidOf('worker'), 'SIGKILL');
    await until('the tools died with it', async () => (await tools(bench)).length === 0);
    await until('the next attempt runs', async () => (await encoders(bench)).length > 0);
  });
  return [
    judge('worker killed → next attempt encodes, slowest s', Math.max(...seconds), {
      better: 'smaller',
      must: HEARTBEAT_SECONDS + 10,
      digits: 1,
      note: listed(seconds),
    }),
  ] satisfies readonly Row[];
}

/** Does something in the middle of the encode of a long clip, once a round. @returns the seconds that each took */
async function timeInEncode(
  bench: BenchStack,
  { folder, rounds }: { readonly folder: string; readonly rounds: number },
  act: (id: number) => Promise<void>,
): Promise<readonly number[]> {
  const clip = await makeLong(folder);
  const seconds: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const id = await upload(bench, clip);
    await until('an encode runs', async () => (await encoders(bench)).length > 0);
    // Not in the moment in which it was started.
    await sleep(1000 + Math.random() * 2000);
    const startedAt = performance.now();
    await act(id);
    seconds.push((performance.now() - startedAt) / 1000);
    await endRun(bench, id);
  }
  return seconds;
}

function listed(seconds: readonly number[]): string {
  return seconds.map((each) => each.toFixed(1)).join(' ');
}

function makeLong(folder: string): Promise<string> {
  return makeClip(path.join(folder, 'long.mp4'), {
    widthPx: 1920,
    heightPx: 1080,
    seconds: 120,
    audio: false,
    options: ['-y'],
  });
}

async function upload(bench: BenchStack, file: string): Promise<number> {
  const form = new FormData();
  form.set('video', await openAsBlob(file), path.basename(file));
  return ((await bench.ask('POST', '/videos/upload/', form)) as VideoView).id;
}

/** Cancels what is not cancelled yet. */
async function endRun(bench: BenchStack, id: number): Promise<void> {
  const isEnded = async () =>
    isTerminal(((await bench.ask('GET', `/videos/${id}`)) as VideoView).status);
  if (!(await isEnded())) await bench.ask('POST', `/videos/${id}/cancel`).catch(() => undefined);
  await until('the run has ended', isEnded);
}

function tools({ stack }: BenchStack): Promise<readonly number[]> {
  return findProcesses(`${stack.dataDir}/`, 'job-');
}

function encoders({ stack }: BenchStack): Promise<readonly number[]> {
  return findProcesses(`${stack.dataDir}/`, 'job-', 'libx264');
}

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await sleep(LOOK_EVERY_MS);
  }
}
