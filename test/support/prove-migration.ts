import { execFile } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ScheduleOverlapPolicy } from '@temporalio/client';
import { Client } from 'pg';
import { PROJECT_ROOT } from '../../src/config/env.ts';
import { readStackFile } from '../../src/config/stack-file.ts';
import { readIdentity } from '../../src/stack/process-identity.mjs';
import { createS3Store } from '../../src/storage/s3-store.ts';
import { openTemporalClient } from '../../src/temporal/client.ts';
import { RECONCILE_SCHEDULE_ID } from '../../src/workflows/messages.ts';
import { makeClip } from './make-clip.ts';
import { spacesVariables, startS3Server } from './s3-server.ts';
import { createStackRequests } from './stack-requests.ts';
import { startStack } from './stack.ts';
import { waitUntil } from './wait-until.ts';

/**
 * Moves many videos from the disk into a bucket under a worker that is killed again and again, while they are watched, one is made
 * anew, one is deleted and one is uploaded: `npm run prove-migration [-- VIDEOS [KILLS]]`. Needs versitygw (`npm test` builds it).
 *
 * Ends with 1 at the first error of a reader, and where an object is missing, damaged, or there twice. Prints what it saw.
 */
const [videoCount = 50, killCount = 10] = process.argv.slice(2).map(Number);
const GRACE_SECONDS = 5;
const READERS = 3;
/** Of copying, so that there is time for the kills. */
const COPY_SECONDS = 45;

interface NamedObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

const startedAt = performance.now();
const clips = await mkdtemp(path.join(tmpdir(), 'steadyreel-prove-'));
const s3 = await startS3Server();
const bucket = createS3Store(s3.settings);
const stack = await startStack(
  { OLD_VERSION_GRACE_SECONDS: String(GRACE_SECONDS), VIDEO_PROFILE: 'ladder', USE_SPACES: '' },
  { ownServers: true },
);
const { ask, untilEnded } = createStackRequests(stack);
try {
  await prove();
} finally {
  await stack.stop();
  bucket.close();
  await s3.close();
  await rm(clips, { recursive: true, force: true });
}

async function prove(): Promise<void> {
  const ids: number[] = [];
  for (let index = 0; index < videoCount; index += 1) ids.push(await upload(index));
  for (const id of ids) await ended(id);
  const before = await listNamed();
  say(
    `${videoCount} videos on the disk: ${sumText(before)}, ${(await filesOnDisk()).length} files`,
  );

  Object.assign(stack.env, spacesVariables(s3));
  await stack.restart();
  say('restarted with USE_SPACES=True; readers begin');

  const watching = watch(ids);
  const [deleted = 0, remade = 0] = ids;
  const total = before.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  // Each byte is read twice: to be copied and to be compared.
  const bytesPerSecond = Math.max(65_536, Math.ceil((2 * total) / COPY_SECONDS));
  const command = migrate('local', 'spaces', '--limit', String(bytesPerSecond));
  // Awaited below; a failure before that must not end this process without a clean-up.
  command.catch(() => undefined);
  for (let kill = 1; kill <= killCount; kill += 1) {
    const reached = Math.floor((before.length * kill) / (killCount + 1));
    const { isOpen } = await moving((moved) => moved >= reached);
    await sleep(randomInt(1500));
    if (!isOpen) throw new Error(`moved before kill ${kill}: raise the number of videos`);
    const pid = pidOf('worker');
    process.kill(pid, 'SIGKILL');
    if (kill === 3) await ask('DELETE', `/videos/${deleted}`);
    if (kill === 5) await ask('POST', `/videos/${remade}/reprocess`, { profile: '720p' });
    if (kill === 7) ids.push(await upload(videoCount));
    say(`kill ${kill} of ${killCount}: worker ${pid}, at least ${reached} objects moved`);
    await waitUntil(
      () => pidOrNone('worker'),
      (now) => now !== undefined && now !== pid,
      60_000,
      100,
    );
  }
  say((await command).trimEnd());
  await ended(ids.at(-1) ?? 0);
  await ended(remade);
  const reads = await watching.stop();
  say(`${reads.count} reads of ${READERS} readers (${mb(reads.bytes)}), no error`);

  await sleep(GRACE_SECONDS * 1000);
  await waitUntil(reconciled, (isDone) => isDone, 120_000, 2000);
  await judge();
}

/** Everything that rows name lies in the bucket, once and as it was, and nothing else lies anywhere. */
async function judge(): Promise<void> {
  const named = await listNamed();
  const found = new Map<string, number>();
  for await (const { key, sizeBytes } of bucket.list('videos/')) found.set(key, sizeBytes);
  const faults: string[] = [];
  for (const { key, sizeBytes, sha256 } of named) {
    if (!found.delete(key)) {
      faults.push(`missing: ${key}`);
      continue;
    }
    const is = await bucket.checksum(key);
    if (is.sizeBytes !== sizeBytes || is.sha256 !== sha256) faults.push(`damaged: ${key}`);
  }
  for (const key of found.keys()) faults.push(`nobody's: ${key}`);
  for (const file of await filesOnDisk()) faults.push(`left on the disk: ${file}`);
  const moves = await sql('select object_key, state from object_moves');
  for (const move of moves) faults.push(`still moving: ${JSON.stringify(move)}`);
  const uploads = await s3.countUploads();
  if (uploads > 0) faults.push(`${uploads} uploads half-sent`);
  const [migration] = await sql('select * from storage_migrations order by id desc limit 1');
  say(
    `${named.length} objects (${sumText(named)}) equal by SHA-256 in the bucket; moved and cleared up: ${String(migration?.['finished_objects'])}; ${Math.round((performance.now() - startedAt) / 1000)} s in all`,
  );
  if (faults.length > 0) throw new Error(faults.join('\n'));
  say('nothing missing, nothing twice, nothing left');
}

/** Readers that fetch what is published, whole and in ranges, and compare it with what the database says. */
function watch(ids: readonly number[]) {
  let isStopped = false;
  let count = 0;
  let bytes = 0;
  const readOne = async (): Promise<void> => {
    const id = ids[randomInt(ids.length)] ?? 0;
    const rows = await sql(
      `select output, size_bytes, sha256 from video_streams join videos on videos.id = video_id and videos.version = video_streams.version
        where video_id = $1 and output <> 'processed' and status = 'completed' and deleted_at is null`,
      [id],
    );
    const row = rows[randomInt(Math.max(1, rows.length))];
    if (row === undefined) return;
    const size = Number(row['size_bytes']);
    const start = randomInt(2) === 0 ? 0 : randomInt(size);
    const response = await fetch(`${stack.url}/videos/stream/${id}/${String(row['output'])}/`, {
      headers: { Authorization: `Bearer ${stack.apiKey}`, Range: `bytes=${start}-` },
    });
    const body = Buffer.from(await response.arrayBuffer());
    if (await hasChanged(id, row)) return;
    const isWhole = start > 0 || createHash('sha256').update(body).digest('hex') === row['sha256'];
    if (response.status !== 206 || body.length !== size - start || !isWhole)
      throw new Error(
        `a reader got ${response.status}, ${body.length} of ${size - start} bytes: ${body.subarray(0, 300).toString()}`,
      );
    count += 1;
    bytes += body.length;
  };
  const reader = async (): Promise<void> => {
    while (!isStopped) await readOne();
  };
  const readers = Promise.all(Array.from({ length: READERS }, reader));
  // A failure ends the process at once, and not only when somebody asks.
  readers.catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
  });
  return {
    async stop() {
      isStopped = true;
      await readers;
      return { count, bytes };
    },
  };
}

/** Deleted, or published anew, since the row was read. */
async function hasChanged(id: number, row: Record<string, unknown>): Promise<boolean> {
  const rows = await sql(
    `select 1 from video_streams join videos on videos.id = video_id and videos.version = video_streams.version
      where video_id = $1 and output = $2 and sha256 = $3 and deleted_at is null`,
    [id, row['output'], row['sha256']],
  );
  return rows.length === 0;
}

async function moving(isFar: (moved: number) => boolean): Promise<{ isOpen: boolean }> {
  const look = async () => {
    const [row] = await sql(
      `select state, finished_objects + (select count(*) from object_moves where migration_id = storage_migrations.id and state = 'switched') as moved
         from storage_migrations order by id desc limit 1`,
    );
    return { isOpen: row?.['state'] === 'moving', moved: Number(row?.['moved'] ?? 0), is: row };
  };
  return waitUntil(
    look,
    ({ isOpen, moved, is }) => is !== undefined && (!isOpen || isFar(moved)),
    180_000,
    50,
  );
}

async function migrate(...args: readonly string[]): Promise<string> {
  const script = path.join(PROJECT_ROOT, 'src/cli/migrate-storage.ts');
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [script, ...args], { env: stack.env });
  return stdout;
}

/** Old copies go by reconcile, which runs every five minutes, and now. */
async function reconciled(): Promise<boolean> {
  const address = readStackFile(stack.dataDir)?.temporalAddress ?? '';
  const temporal = openTemporalClient({ address, namespace: 'default' });
  await temporal.schedule.getHandle(RECONCILE_SCHEDULE_ID).trigger(ScheduleOverlapPolicy.SKIP);
  await temporal.connection.close();
  return (
    (await sql('select 1 from object_moves')).length === 0 && (await filesOnDisk()).length === 0
  );
}

async function upload(index: number): Promise<number> {
  const clip = path.join(clips, `${index}.mp4`);
  await makeClip(clip, { seconds: 1, options: ['-vf', `hue=h=${index * 7}`] });
  const form = new FormData();
  form.set('video', await openAsBlob(clip), path.basename(clip));
  return Number((await ask('POST', '/videos/upload/', form))['id']);
}

async function ended(id: number): Promise<void> {
  const video = await untilEnded(id, 600_000);
  if (video['status'] !== 'completed') throw new Error(JSON.stringify(video));
}

async function listNamed(): Promise<readonly NamedObject[]> {
  const rows = await sql(
    `select 'videos/original/' || stored_name as key, original_size_bytes as size_bytes, original_sha256 as sha256 from videos
     union select object_key, size_bytes, sha256 from video_streams
     union select object_key, size_bytes, sha256 from thumbnails
     union select object_key, size_bytes, sha256 from pictures
     union select object_key, size_bytes, sha256 from pieces`,
  );
  return rows.map((row) => ({
    key: String(row['key']),
    sizeBytes: Number(row['size_bytes']),
    sha256: String(row['sha256']),
  }));
}

async function filesOnDisk(): Promise<readonly string[]> {
  const folder = path.join(stack.dataDir, 'media/videos');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

async function sql(statement: string, values: readonly unknown[] = []) {
  const client = new Client({ connectionString: readStackFile(stack.dataDir)?.databaseUrl });
  await client.connect();
  try {
    return (await client.query(statement, [...values])).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

function pidOf(part: string): number {
  const pid = pidOrNone(part);
  if (pid === undefined) throw new Error(`${part} does not run`);
  return pid;
}

function pidOrNone(part: string): number | undefined {
  return readIdentity(path.join(stack.dataDir, 'run', `${part}.pid`))?.pid;
}

function sumText(objects: readonly NamedObject[]): string {
  return `${objects.length} objects, ${mb(objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))}`;
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
