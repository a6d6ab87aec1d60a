import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { WorkflowNotFoundError } from '@temporalio/client';
import { originalKey } from '../src/domain/object-keys.ts';
import { createLocalStore } from '../src/storage/local-store.ts';
import { createS3Store } from '../src/storage/s3-store.ts';
import { waitUntil } from '../test/support/wait-until.ts';
import type { ReconcileReport } from '../src/domain/reconcile-report.ts';
import type { VideoView } from '../src/usecases/present-video.ts';
import type { Marked } from './faults.ts';
import { countMadePieces, findDoubledPieces } from './ledger.ts';
import type { Upload } from './uploads.ts';
import type { World } from './world.ts';

/** One thing that has to be true, looked at from outside: by HTTP, SQL, process table and store. */
export interface Verdict {
  readonly check: CheckName;
  readonly looked: number;
  readonly breaches: readonly string[];
}

export interface Evidence {
  readonly uploads: readonly Upload[];
  readonly marked: Marked;
  /** Whether Temporal lost its database, so that it cannot be asked about older runs. */
  readonly wasWiped: boolean;
}

type Check = (world: World, evidence: Evidence) => Promise<Omit<Verdict, 'check'>>;

const CHECKS = {
  originals: checkOriginals,
  doubles: checkDoubles,
  states: checkStates,
  runs: checkRuns,
  renditions: checkRenditions,
  objects: checkObjects,
  leftovers: checkLeftovers,
  ledger: checkLedger,
  // Last, since it stops the product.
  processes: checkProcesses,
} satisfies Record<string, Check>;

type CheckName = keyof typeof CHECKS;

const MOST_CLOSING_MS = 60_000;

/** Looks at everything, whatever the first check finds. */
export async function judge(world: World, evidence: Evidence): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const [check, look] of Object.entries(CHECKS) as [CheckName, Check][]) {
    const found = await look(world, evidence).catch((error: unknown) => ({
      looked: 0,
      breaches: [`could not be looked at: ${String(error)}`],
    }));
    verdicts.push({ check, ...found });
  }
  return verdicts;
}

/** Nothing that was acknowledged is lost: each upload is there, byte by byte. */
async function checkOriginals(world: World, { uploads }: Evidence) {
  const breaches: string[] = [];
  const acknowledged = uploads.filter(({ videoId }) => videoId !== undefined);
  for (const { videoId, sha256 } of acknowledged) {
    const response = await world.ask(`/videos/stream/${videoId}/original/`);
    const found = response.ok ? await hashOf(response) : `status ${response.status}`;
    if (!response.ok) await response.arrayBuffer();
    if (found !== sha256) breaches.push(`video ${videoId}: ${found} instead of ${sha256}`);
  }
  return { looked: acknowledged.length, breaches };
}

/** Nothing is there twice: an upload that was not acknowledged once or not at all. */
async function checkDoubles(world: World, { uploads }: Evidence) {
  const rows = await world.sql<{ title: string; count: number }>(
    'select title, count(*)::int as count from videos group by title',
  );
  const counts = new Map(rows.map(({ title, count }) => [title, count]));
  const breaches = uploads.flatMap(({ title, videoId }) => {
    const count = counts.get(title) ?? 0;
    const isRight = videoId === undefined ? count <= 1 : count === 1;
    return isRight ? [] : [`“${title}” is there ${count} times`];
  });
  return { looked: uploads.length, breaches };
}

interface VideoRow {
  readonly id: number;
  readonly status: string;
  readonly version: number | null;
  readonly failure: { readonly code: string; readonly detail: string } | null;
}

function readVideos(world: World): Promise<readonly VideoRow[]> {
  return world.sql<VideoRow>('select id, status, version, failure from videos order by id');
}

/** Every video has come to an end, and to the right one. */
async function checkStates(world: World, { marked }: Evidence) {
  const videos = await readVideos(world);
  const breaches = videos.flatMap(({ id, status, version, failure }) => {
    if (status === 'completed' && version !== null) return [];
    if (status === 'cancelled' && marked.cancelled.has(id)) return [];
    if (status === 'failed' && failure?.code === 'run-lost' && marked.terminated.has(id)) return [];
    return [`video ${id} is ${status}, version ${version}: ${failure?.code} ${failure?.detail}`];
  });
  return { looked: videos.length, breaches };
}

/** No run is open, and what was published was published by an execution that Temporal knows to have completed. */
async function checkRuns(world: World, { wasWiped }: Evidence) {
  const runs = await world.sql<{
    video_id: number;
    workflow_id: string;
    run_id: string;
    state: string;
    version: number;
  }>(
    `select video_id, workflow_id, run_id, state, version from video_runs
      where state in ('active', 'completed') order by id`,
  );
  const breaches: string[] = [];
  const published = new Set<string>();
  for (const { video_id: id, workflow_id: workflowId, run_id: runId, state, version } of runs) {
    const name = `video ${id}, version ${version}`;
    if (state === 'active') breaches.push(`${name} still has a run`);
    if (published.has(name)) breaches.push(`${name} was published twice`);
    published.add(name);
    const status = await statusOf(world, workflowId, runId);
    if (status === undefined ? !wasWiped : status !== 'COMPLETED')
      breaches.push(`${name} is ${state} by an execution that is ${status ?? 'unknown'}`);
  }
  return { looked: runs.length, breaches };
}

/** How an execution closed, which it does a moment after it has settled its row. */
async function statusOf(world: World, workflowId: string, runId: string) {
  try {
    const handle = world.temporal.workflow.getHandle(workflowId, runId);
    return await waitUntil(
      async () => (await handle.describe()).status.name,
      (status) => status !== 'RUNNING',
      MOST_CLOSING_MS,
      500,
    );
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** Every version is whole: all renditions of its plan, each with the planned frames from first to last. */
async function checkRenditions(world: World) {
  const breaches: string[] = [];
  let looked = 0;
  const plans = await world.sql<{
    video_id: number;
    plan: { frames: number; renditions: { quality: string }[] };
  }>(
    `select videos.id as video_id, plan from videos
       join video_runs on video_id = videos.id and video_runs.version = videos.version and state = 'completed'
      order by 1`,
  );
  for (const { video_id: id, plan } of plans) {
    const video = (await (await world.ask(`/videos/${id}`)).json()) as VideoView;
    const planned = plan.renditions.map(({ quality }) => quality).toSorted();
    const found = video.streams.map(({ quality }) => String(quality)).toSorted();
    if (planned.join() !== found.filter((quality) => planned.includes(quality)).join())
      breaches.push(`video ${id} has ${found.join(' ')} instead of ${planned.join(' ')}`);
    if (video.thumbnails.length === 0 && video.warnings.length === 0)
      breaches.push(`video ${id} has no thumbnails and does not say why`);
    for (const quality of planned) {
      looked += 1;
      const frames = await countFrames(world, `/videos/stream/${id}/${quality}/`);
      if (frames !== plan.frames)
        breaches.push(`video ${id} ${quality}: ${frames} frames instead of ${plan.frames}`);
    }
  }
  return { looked, breaches };
}

/** By decoding all of it. @returns what is wrong, where it cannot be decoded without an error */
async function countFrames(world: World, route: string): Promise<number | string> {
  const response = await world.ask(route);
  const file = path.join(world.folder, 'rendition.mp4');
  await writeFile(file, Buffer.from(await response.arrayBuffer()));
  if (!response.ok) return `status ${response.status}`;
  try {
    const { stdout, stderr } = await promisify(execFile)('ffmpeg', [
      ...['-v', 'error', '-nostdin', '-i', file, '-map', '0:v', '-f', 'null', '-'],
      ...['-progress', 'pipe:1', '-nostats'],
    ]);
    if (stderr !== '') return stderr.slice(0, 200);
    return Number(/^frame=(\d+)/m.exec(stdout.slice(stdout.lastIndexOf('frame=')))?.[1]);
  } catch (error) {
    return String((error as Error).message).slice(0, 200);
  } finally {
    await rm(file, { force: true });
  }
}

/** Rows and objects belong together: none without the other, and each as large as its row says. */
async function checkObjects(world: World) {
  const rows = await world.sql<{ key: string; size: string }>(
    `select '${originalKey('')}' || stored_name as key, original_size_bytes as size from videos where original_available
     union select object_key, size_bytes from video_streams
     union select object_key, size_bytes from thumbnails
     union select object_key, size_bytes from pictures
     union select object_key, size_bytes from own_posters
     union select object_key, size_bytes from pieces`,
  );
  const sizes = new Map(rows.map(({ key, size }) => [key, Number(size)]));
  const breaches: string[] = [];
  const there = await listObjects(world);
  const orphans = await findReportedOriginals(world);
  for (const [key, sizeBytes] of there) {
    const said = sizes.get(key);
    if (said === undefined && orphans.has(key)) continue;
    if (said === undefined) breaches.push(`${key} belongs to nobody`);
    else if (said !== sizeBytes) breaches.push(`${key} has ${sizeBytes} bytes instead of ${said}`);
  }
  for (const key of sizes.keys()) if (!there.has(key)) breaches.push(`${key} is gone`);
  return { looked: there.size, breaches };
}

/** Of uploads whose API died before their manifest was written: nobody was promised anything, and an operator is told. */
async function findReportedOriginals(world: World): Promise<ReadonlySet<string>> {
  const response = await world.ask('/admin/reconcile?limit=1');
  const { data } = (await response.json()) as { data: readonly ReconcileReport[] };
  return new Set(
    data
      .flatMap(({ findings }) => findings)
      .filter(({ code }) => code === 'original-without-video')
      .map(({ subject }) => subject),
  );
}

async function listObjects(world: World): Promise<ReadonlyMap<string, number>> {
  const { dataDir } = world.stack;
  const store =
    world.s3 === undefined
      ? await createLocalStore({
          root: path.join(dataDir, 'media'),
          idFile: path.join(world.folder, 'media-id'),
        })
      : createS3Store(world.s3.settings);
  const found = new Map<string, number>();
  for await (const { key, sizeBytes } of store.list('videos/')) found.set(key, sizeBytes);
  return found;
}

/** Nothing half-done lies about: no manifests, no scratch, no bytes without a name, no parts of uploads. */
async function checkLeftovers(world: World) {
  const { dataDir } = world.stack;
  const breaches = ['process', 'work', 'media/.incoming']
    .flatMap((folder) => filesBelow(path.join(dataDir, folder)))
    .filter((file) => !file.includes('/source-cache/'))
    .map((file) => `${path.relative(dataDir, file)} was left`);
  const parts = (await world.s3?.countUploads()) ?? 0;
  if (parts > 0) breaches.push(`${parts} uploads to the bucket were left open`);
  return { looked: 4, breaches };
}

function filesBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

/** No tool runs for nobody; and nothing at all once the product has been stopped. */
async function checkProcesses(world: World) {
  const tools = await world.tools();
  const breaches = tools.map((pid) => `ffmpeg ${pid} still runs`);
  await world.stack.stop();
  for (const pid of await world.processes()) breaches.push(`process ${pid} outlives the product`);
  return { looked: tools.length, breaches };
}

/** What was finished is never made again. */
async function checkLedger(world: World) {
  const doubled = await findDoubledPieces(world);
  return {
    looked: await countMadePieces(world),
    breaches: doubled.map(({ video_id: id, name }) => `video ${id}: ${name} was made again`),
  };
}

async function hashOf(response: Response): Promise<string> {
  const hash = createHash('sha256');
  if (response.body !== null)
    for await (const chunk of Readable.fromWeb(response.body as never))
      hash.update(chunk as Buffer);
  return hash.digest('hex');
}
