import { setTimeout as sleep } from 'node:timers/promises';
import { TASK_QUEUES, WORKFLOW_TYPES } from '../../src/workflows/messages.ts';
import { judge, type Row } from '../encode/report.ts';
import { type BenchStack, startNoOpWorker } from './bench-stack.ts';
import { peakRssMb, rssMb } from './memory.ts';

const VIDEOS = 500;
const AT_ONCE = 20;
/** Long enough that all videos are at work together. */
const CHUNK_MS = 60_000;

/** As many videos at once as were uploaded, with no cap on what a worker does at a time. */
export async function measureMany(bench: BenchStack): Promise<readonly Row[]> {
  await using worker = await startNoOpWorker(bench, {
    chunks: 1,
    chunkMs: CHUNK_MS,
    cap: VIDEOS * 2,
  });
  await sleep(3000);
  const idle = rssMb(worker.pid);
  const startedAt = performance.now();
  const ids = Array.from({ length: VIDEOS }, (_unused, index) => index + 1).values();
  const outcomes: unknown[] = [];
  const lane = async (): Promise<void> => {
    const results: Promise<unknown>[] = [];
    for (const id of ids) {
      const handle = await worker.client.workflow.start(WORKFLOW_TYPES.processVideo, {
        taskQueue: TASK_QUEUES.orchestration,
        workflowId: `process-video-${id}`,
        args: [{ videoId: id, origin: 'upload' }],
      });
      results.push(handle.result().catch((error: unknown) => error));
    }
    outcomes.push(...(await Promise.all(results)));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  const published = outcomes.filter(
    (each) => (each as { outcome?: string }).outcome === 'published',
  );
  const seconds = (performance.now() - startedAt) / 1000;
  return [
    judge(`worker’s memory with ${VIDEOS} videos at once, highest RSS, MB`, peakRssMb(worker.pid), {
      better: 'smaller',
      must: 400,
      digits: 0,
      note: `${idle.toFixed(0)} before, ${rssMb(worker.pid).toFixed(0)} after; ${seconds.toFixed(0)} s`,
    }),
    judge('… videos lost', VIDEOS - published.length, { better: 'smaller', must: 0, digits: 0 }),
  ];
}
