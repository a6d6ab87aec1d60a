import { openAsBlob } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isTerminal } from '../../src/domain/video.ts';
import { readIdentity } from '../../src/stack/process-identity.mjs';
import type { VideoView } from '../../src/usecases/present-video.ts';
import { type RunningStack, startStack } from '../../test/support/stack.ts';
import { openCpuGroup } from './cgroup.ts';
import { ENCODER } from './clips.ts';
import { type ProcessCpu, readProcessCpu, subtractCpu } from './process-cpu.ts';
import { runFfmpeg } from './run-tool.ts';

/** The product as `npm start` runs it: API, worker, PostgreSQL and Temporal of its own, on an empty data folder. */
export interface Product extends AsyncDisposable {
  readonly stack: RunningStack;
  upload(file: string): Promise<VideoView>;
  /** Asks again and again until it has ended. @throws when it does not end as `completed` */
  follow(id: number, onLook?: (video: VideoView) => Promise<void> | void): Promise<VideoView>;
  /** What the worker itself (`own`) and its tools have used so far; only differences mean something. */
  workerCpu(): ProcessCpu;
  pidOf(part: 'worker' | 'api'): number;
  streamFile(id: number, quality: string): string;
}

/** One clip through the whole workflow. */
export interface ProductRun {
  readonly id: number;
  /** From the end of the upload to `completed`, by the database's clock. */
  readonly wallSeconds: number;
  /** `own`: Node's; `children`: ffmpeg's, ffprobe's and the sandbox's. */
  readonly cpu: ProcessCpu;
  readonly samples: readonly Sample[];
  readonly video: VideoView;
}

/** What a viewer saw of a run at one moment. */
export interface Sample {
  readonly atMs: number;
  readonly percent: number;
  readonly etaSeconds: number | null;
}

const LOOK_EVERY_MS = 500;
const MOST_SECONDS = 3600;

const running = new Set<RunningStack>();
let started = 0;

/**
 * Who counts the tools' CPU time. Bubblewrap ends without waiting for what it started, so that a parent's account of its children
 * lacks them; where no control group can be had, the tools run without the sandbox.
 */
export function describeAccounting(): string {
  const group = openCpuGroup(`steadyreel-bench-${process.pid}-try`);
  group?.remove();
  return group === undefined
    ? 'CPU time of d from the worker’s children, without the sandbox: no control group can be made here'
    : 'CPU time of d from a control group, tools in the sandbox as the product chooses it';
}

/** Ends what runs, when the benchmark is stopped in the middle. */
export async function stopProducts(): Promise<void> {
  await Promise.all([...running].map((stack) => stack.stop()));
}

/**
 * Starts an empty one and warms it up by a clip of one second, since a server that runs all the time is warm.
 * @param settings beside those that all designs share
 */
export async function startProduct(
  folder: string,
  settings: NodeJS.ProcessEnv = {},
): Promise<Product> {
  const product = await startEmpty(settings);
  const warmUp = path.join(folder, 'warm-up.mp4');
  await runFfmpeg(['-f', 'lavfi', '-i', 'testsrc2=s=320x240:d=1', '-c:v', 'mpeg4', warmUp]);
  await product.follow((await product.upload(warmUp)).id);
  return product;
}

async function startEmpty(settings: NodeJS.ProcessEnv): Promise<Product> {
  const encoder = { VIDEO_PRESET: ENCODER.preset, VIDEO_CRF: String(ENCODER.crf) };
  started += 1;
  const group = openCpuGroup(`steadyreel-bench-${process.pid}-${started}`);
  const sandbox = group === undefined ? { SANDBOX: 'off' } : {};
  const stack = await startStack(
    { ...encoder, LOG_LEVEL: 'info', ...sandbox, ...settings },
    { ownServers: true },
  );
  running.add(stack);
  const headers = { authorization: `Bearer ${stack.apiKey}` };

  const ask = async (route: string, init: RequestInit = {}): Promise<VideoView> => {
    const response = await fetch(`${stack.url}${route}`, { ...init, headers });
    if (!response.ok) throw new Error(`${route} answers ${response.status}`);
    return (await response.json()) as VideoView;
  };
  const pidOf: Product['pidOf'] = (part) => {
    const identity = readIdentity(path.join(stack.dataDir, 'run', `${part}.pid`));
    if (identity === undefined) throw new Error(`${part} does not run`);
    return identity.pid;
  };

  group?.add(pidOf('worker'));
  return {
    stack,
    pidOf,
    workerCpu() {
      const { own, children } = readProcessCpu(pidOf('worker'));
      return { own, children: group === undefined ? children : group.readSeconds() - own };
    },
    async upload(file) {
      const form = new FormData();
      form.set('video', await openAsBlob(file), path.basename(file));
      return ask('/videos/upload/', { method: 'POST', body: form });
    },
    async follow(id, onLook = () => undefined) {
      const deadline = performance.now() + MOST_SECONDS * 1000;
      for (;;) {
        const video = await ask(`/videos/${id}`);
        await onLook(video);
        if (isTerminal(video.status)) {
          if (video.status === 'completed') return video;
          throw new Error(`video ${id} is ${video.status}: ${JSON.stringify(video.failure)}`);
        }
        if (performance.now() > deadline) throw new Error(`video ${id} takes too long`);
        await sleep(LOOK_EVERY_MS);
      }
    },
    streamFile: (id, quality) =>
      path.join(stack.dataDir, `media/videos/streams/${id}/v1/${quality}.mp4`),
    async [Symbol.asyncDispose]() {
      await stack.stop();
      running.delete(stack);
      group?.remove();
    },
  };
}

/** Uploads a clip and measures its run. */
export async function runProduct(product: Product, file: string): Promise<ProductRun> {
  const samples: Sample[] = [];
  const { id } = await product.upload(file);
  const before = product.workerCpu();
  const video = await product.follow(id, ({ progressPercent, etaSeconds }) => {
    samples.push({ atMs: Date.now(), percent: progressPercent, etaSeconds });
  });
  const cpu = subtractCpu(product.workerCpu(), before);
  return {
    id,
    wallSeconds: endMs(video) / 1000 - Date.parse(video.createdAt) / 1000,
    cpu,
    samples,
    video,
  };
}

/** When a video was published. */
export function endMs({ completedAt }: VideoView): number {
  if (completedAt === null) throw new Error('the video is not completed');
  return Date.parse(completedAt);
}
