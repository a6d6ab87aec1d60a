import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { PROJECT_ROOT } from '../../src/config/env.ts';
import { prepareWorkflowBundle } from '../../src/workers/workflow-bundle.ts';
import { TASK_QUEUES, WORKFLOW_TYPES } from '../../src/workflows/messages.ts';
import { judge, median, type Row } from '../encode/report.ts';
import { type BenchStack, startNoOpWorker } from './bench-stack.ts';

const CHUNKS = 360;
const ROUNDS = 5;
const FOLDER = path.join(PROJECT_ROOT, 'test/fixtures/histories');

/** How long today's code takes to go through what was recorded, each history in a workflow of its own. */
export async function measureReplay(bench: BenchStack): Promise<readonly Row[]> {
  const long = await recordLong(bench);
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const codePath = await prepareWorkflowBundle(path.join(PROJECT_ROOT, '.cache'));
  const replay = async (workflowId: string, history: unknown): Promise<number> => {
    const startedAt = performance.now();
    await Worker.runReplayHistory({ workflowBundle: { codePath } }, history, workflowId);
    return (performance.now() - startedAt) / 1000;
  };
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1)
    times.push(await replay(long.workflowId, long.history));

  const names = readdirSync(FOLDER);
  let total = 0;
  for (const name of names) {
    const { workflowId, history } = JSON.parse(readFileSync(path.join(FOLDER, name), 'utf8')) as {
      workflowId: string;
      history: unknown;
    };
    total += await replay(workflowId, history);
  }
  const spread = times.map((time) => time.toFixed(2)).join(' ');
  return [
    judge(`replay of a run of ${CHUNKS} chunks, s`, median(times), {
      better: 'smaller',
      must: 3,
      note: `${long.events} events; ${spread}`,
    }),
    judge('replay of all recorded histories, s', total, {
      better: 'smaller',
      must: 15,
      note: `${names.length} of them, one after the other`,
    }),
  ];
}

async function recordLong(bench: BenchStack) {
  await using worker = await startNoOpWorker(bench, { chunks: CHUNKS, chunkMs: 0, cap: 4 });
  const handle = await worker.client.workflow.start(WORKFLOW_TYPES.processVideo, {
    taskQueue: TASK_QUEUES.orchestration,
    workflowId: 'process-video-1',
    args: [{ videoId: 1, origin: 'upload' }],
  });
  await handle.result();
  const history = await handle.fetchHistory();
  return { workflowId: handle.workflowId, history, events: history.events?.length ?? 0 };
}
