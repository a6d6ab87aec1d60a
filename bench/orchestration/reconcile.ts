import { mkdir, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client as TemporalClient, ScheduleNotFoundError } from '@temporalio/client';
import { Client } from 'pg';
import { RECONCILE_SCHEDULE_ID } from '../../src/workflows/messages.ts';
import { openTemporalClient } from '../../src/temporal/client.ts';
import type { ReconcileReportView } from '../../src/usecases/reconcile-reports.ts';
import { judge, type Row } from '../encode/report.ts';
import type { BenchStack } from './bench-stack.ts';
import { rssMb } from './memory.ts';

const VIDEOS = 10_000;
/** Of each kind: its run is unknown to the server, an old version of it is due, it is deleted, its stream is missing. */
const ODD = 300;
const BYTES = 16;
const PATIENCE_MS = 300_000;

/** Videos with an original and a stream each, some of every kind that reconcile has something to do with. */
export async function measureReconcile(bench: BenchStack): Promise<readonly Row[]> {
  await reconcileOnce(bench);
  await seed(bench);
  const first = await reconcileOnce(bench);
  const second = await reconcileOnce(bench);
  return [
    judge(`reconcile of ${VIDEOS} videos, ${ODD} of each kind of odd ones, s`, first.seconds, {
      better: 'smaller',
      must: 60,
      digits: 1,
      note: Object.entries({ ...first.report.counts, ...first.report.findingCounts })
        .filter(([, count]) => count > 0)
        .map(([name, count]) => `${name} ${count}`)
        .join(', '),
    }),
    judge('… growth of the worker’s memory, MB', first.growthMb, {
      better: 'smaller',
      must: 64,
      digits: 0,
      note: `${second.growthMb.toFixed(0)} the second time`,
    }),
    { measure: '… again, with nothing left to do, s', value: second.seconds.toFixed(1) },
  ];
}

async function reconcileOnce(bench: BenchStack) {
  const pid = bench.pidOf('worker');
  const last = (await reports(bench))[0]?.id ?? 0;
  const before = rssMb(pid);
  let highest = before;
  const client = openTemporalClient({ address: bench.temporalAddress, namespace: 'default' });
  try {
    await trigger(client);
  } finally {
    await client.connection.close();
  }
  for (const deadline = Date.now() + PATIENCE_MS; ;) {
    const [report] = await reports(bench);
    highest = Math.max(highest, rssMb(pid));
    if (report !== undefined && report.id > last)
      return { report, seconds: report.durationSeconds, growthMb: highest - before };
    if (Date.now() > deadline) throw new Error('reconcile takes too long');
    await sleep(200);
  }
}

/** The worker makes the Schedule a moment after it has started. */
async function trigger(client: TemporalClient): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; ;) {
    try {
      return await client.schedule.getHandle(RECONCILE_SCHEDULE_ID).trigger();
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError) || Date.now() > deadline) throw error;
      await sleep(500);
    }
  }
}

async function reports(bench: BenchStack): Promise<readonly ReconcileReportView[]> {
  const answer = (await bench.ask('GET', '/admin/reconcile?limit=1')) as {
    data: readonly ReconcileReportView[];
  };
  return answer.data;
}

async function seed(bench: BenchStack): Promise<void> {
  const database = new Client({ connectionString: bench.databaseUrl });
  await database.connect();
  try {
    await database.query(ROWS);
    const { rows } = await database.query<{ key: string }>(KEYS);
    await writeObjects(
      path.join(bench.stack.dataDir, 'media'),
      rows.map(({ key }) => key),
    );
    for (const statement of ODDITIES) await database.query(statement);
    await database.query('analyze');
  } finally {
    await database.end();
  }
}

const ROWS = `
  with made as (
    insert into videos (owner_id, title, tags, profile, status, version, last_version, stored_name,
        original_file_name, original_content_type, original_size_bytes, original_sha256)
    select (select min(id) from users), 'video ' || n, '{}', 'ladder', 'completed', 1, 1, 'bench-' || lpad(n::text, 6, '0') || '.mp4',
        'x.mp4', 'video/mp4', ${BYTES}, 's' from generate_series(1, ${VIDEOS}) as n
    returning id)
  insert into video_streams (video_id, version, output, object_key, size_bytes, sha256, width_px, height_px, bitrate_bps, duration_seconds, codecs)
  select id, 1, '240p', 'videos/streams/' || id || '/v1/240p.mp4', ${BYTES}, 's', 16, 16, 1, 1, 'x' from made`;

const KEYS = `
  select object_key as key from video_streams union all select 'videos/original/' || stored_name from videos`;

const nth = (remainder: number): string => `videos.id % ${Math.floor(VIDEOS / ODD)} = ${remainder}`;

const ODDITIES = [
  `insert into video_runs (video_id, workflow_id, run_id, kind, version, settings, source)
     select id, 'bench-lost-' || id, 'x', 'reprocess', 2, '{}', '{}' from videos where ${nth(1)}`,
  `insert into video_streams (video_id, version, output, object_key, size_bytes, sha256, width_px, height_px, bitrate_bps, duration_seconds, codecs, retired_at)
     select id, 0, '240p', 'videos/streams/' || id || '/v0/240p.mp4', ${BYTES}, 's', 16, 16, 1, 1, 'x', now() - interval '3 days' from videos where ${nth(2)}`,
  `update videos set deleted_at = now() where ${nth(3)}`,
  `update video_streams set size_bytes = ${BYTES + 1} from videos where videos.id = video_id and ${nth(4)}`,
];

async function writeObjects(root: string, keys: readonly string[]): Promise<void> {
  const content = Buffer.alloc(BYTES);
  const old = new Date(Date.now() - 2 * 3600_000);
  const waiting = keys.values();
  const lane = async (): Promise<void> => {
    for (const key of waiting) {
      const file = path.join(root, key);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, content);
      await utimes(file, old, old);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  // What a crash has left.
  for (let count = 0; count < ODD; count += 1) {
    const file = path.join(root, `videos/work/${count + 1}/left.mp4`);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
    await utimes(file, old, old);
  }
}
