import type { Client } from '@temporalio/client';
import { TASK_QUEUES, WORKFLOW_TYPES } from '../../src/workflows/messages.ts';
import { readProcessCpu } from '../encode/process-cpu.ts';
import { judge, median, type Row } from '../encode/report.ts';
import { type BenchStack, startNoOpWorker } from './bench-stack.ts';
import { type Event, shareOfWorkers } from './event-times.ts';

const WARM_UP = 10;
const VIDEOS = 50;
/** As a video of 30 s on two cores. */
const CHUNKS = 2;

/** One video after the other, whose activities do nothing. */
export async function measureOverhead(bench: BenchStack): Promise<readonly Row[]> {
  await using worker = await startNoOpWorker(bench, { chunks: CHUNKS, chunkMs: 0, cap: 2 });
  for (let count = 1; count <= WARM_UP; count += 1) await runOne(worker.client, count);
  const pids = { temporal: bench.pidOf('temporal'), worker: worker.pid };
  const before = { temporal: cpu(pids.temporal), worker: cpu(pids.worker) };
  const walls: number[] = [];
  const shares: number[] = [];
  for (let count = 1; count <= VIDEOS; count += 1) {
    const { wallMs, workerMs } = await runOne(worker.client, WARM_UP + count);
    walls.push(wallMs);
    shares.push(workerMs);
  }
  const perVideo = (name: 'temporal' | 'worker') =>
    (((cpu(pids[name]) - before[name]) / VIDEOS) * 1000).toFixed(0);
  const p50 = median(walls);
  return [
    judge('orchestration of one video, no-op activities, p50 ms', p50, {
      better: 'smaller',
      must: 400,
      digits: 0,
      note: `${Math.min(...walls).toFixed(0)} to ${Math.max(...walls).toFixed(0)}; CPU ms per video: server ${perVideo('temporal')}, worker ${perVideo('worker')}`,
    }),
    {
      measure: '… of which the server’s part, p50 ms',
      value: (p50 - median(shares)).toFixed(0),
      note: 'all of it in which no worker had a task: storing, matching, handing out',
    },
  ];
}

async function runOne(client: Client, id: number): Promise<{ wallMs: number; workerMs: number }> {
  const startedAt = performance.now();
  const handle = await client.workflow.start(WORKFLOW_TYPES.processVideo, {
    taskQueue: TASK_QUEUES.orchestration,
    workflowId: `process-video-${id}`,
    args: [{ videoId: id, origin: 'upload' }],
  });
  await handle.result();
  const wallMs = performance.now() - startedAt;
  const { events } = await handle.fetchHistory();
  return { wallMs, workerMs: shareOfWorkers((events ?? []) as readonly Event[]) };
}

function cpu(pid: number): number {
  return readProcessCpu(pid).own;
}
