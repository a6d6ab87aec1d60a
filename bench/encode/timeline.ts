import { readStackFile } from '../../src/config/stack-file.ts';
import { openTemporalClient } from '../../src/temporal/client.ts';
import { TASK_QUEUES } from '../../src/workflows/messages.ts';
import type { Product, ProductRun } from './product.ts';

interface Span {
  readonly name: string;
  readonly isHeavy: boolean;
  readonly scheduledMs: number;
  startedMs: number;
  closedMs: number;
}

/** Every activity of a run, when it waited and when it worked, in seconds since the upload was done; and how long no lane worked. */
export async function renderTimeline(product: Product, run: ProductRun): Promise<string> {
  const spans = await readSpans(product, run);
  const zeroMs = Date.parse(run.video.createdAt);
  const at = (ms: number): string => ((ms - zeroMs) / 1000).toFixed(2).padStart(8);
  const lines = spans.map(({ name, scheduledMs, startedMs, closedMs }) => {
    const tookMs = Math.round(closedMs - startedMs);
    return `${at(scheduledMs)} ${at(startedMs)} ${at(closedMs)} ${String(tookMs).padStart(8)}  ${name}`;
  });
  const heavy = spans.filter(({ isHeavy }) => isHeavy);
  const endMs = Date.parse(run.video.completedAt ?? '');
  return [
    'scheduled  started    ended       ms  activity',
    ...lines,
    `${at(endMs)}  completed`,
    `Of ${((endMs - zeroMs) / 1000).toFixed(2)} s: ${busySeconds(heavy, 2).toFixed(2)} s with two heavy steps at once, ` +
      `${(busySeconds(heavy, 1) - busySeconds(heavy, 2)).toFixed(2)} s with one, the rest with none.`,
  ].join('\n');
}

async function readSpans(product: Product, { video }: ProductRun): Promise<readonly Span[]> {
  const address = readStackFile(product.stack.dataDir)?.temporalAddress;
  if (address === undefined) throw new Error('the stack does not say where its Temporal server is');
  const client = openTemporalClient({ address, namespace: 'default' });
  try {
    const { events } = await client.workflow.getHandle(video.workflowId).fetchHistory();
    const spans = new Map<string, Span>();
    for (const event of events ?? []) {
      const ms = Number(event.eventTime?.seconds) * 1000 + (event.eventTime?.nanos ?? 0) / 1e6;
      const scheduled = event.activityTaskScheduledEventAttributes;
      if (scheduled) {
        const summary = event.userMetadata?.summary?.data;
        const words = summary ? ` · ${String(JSON.parse(Buffer.from(summary).toString()))}` : '';
        spans.set(String(event.eventId), {
          name: `${scheduled.activityType?.name}${words}`,
          isHeavy: scheduled.taskQueue?.name === TASK_QUEUES.processing,
          scheduledMs: ms,
          startedMs: ms,
          closedMs: ms,
        });
      }
      const started = event.activityTaskStartedEventAttributes;
      if (started) change(spans, started.scheduledEventId, { startedMs: ms });
      const closed =
        event.activityTaskCompletedEventAttributes ?? event.activityTaskFailedEventAttributes;
      if (closed) change(spans, closed.scheduledEventId, { closedMs: ms });
    }
    return [...spans.values()];
  } finally {
    await client.connection.close();
  }
}

function change(spans: Map<string, Span>, id: unknown, changes: Partial<Span>): void {
  const span = spans.get(String(id));
  if (span !== undefined) Object.assign(span, changes);
}

/** For how long at least `abreast` of them worked. */
function busySeconds(spans: readonly Span[], abreast: number): number {
  const edges = spans
    .flatMap(({ startedMs, closedMs }) => [
      { ms: startedMs, step: 1 },
      { ms: closedMs, step: -1 },
    ])
    .toSorted((a, b) => a.ms - b.ms || a.step - b.step);
  let working = 0;
  let busyMs = 0;
  let sinceMs = 0;
  for (const { ms, step } of edges) {
    if (working >= abreast) busyMs += ms - sinceMs;
    working += step;
    sinceMs = ms;
  }
  return busyMs / 1000;
}
