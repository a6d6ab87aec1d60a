import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { mkdtemp, readFile, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { PROJECT_ROOT } from '../../src/config/env.ts';
import { readStackFile } from '../../src/config/stack-file.ts';
import { createS3Store } from '../../src/storage/s3-store.ts';
import { openTemporalClient } from '../../src/temporal/client.ts';
import { TASK_QUEUES, WORKFLOW_TYPES } from '../../src/workflows/messages.ts';
import { makeClip } from './make-clip.ts';
import { spacesVariables, startS3Server } from './s3-server.ts';
import { createStackRequests } from './stack-requests.ts';
import { startStack } from './stack.ts';
import { waitUntil } from './wait-until.ts';

/**
 * Saves a product that works, by the lines of `docs/operations.md`, destroys it and restores it by the lines there:
 * `npm run prove:restore [-- --s3]`.
 *
 * There are finished videos, one of two versions, one with a poster of its own, a failed one, one at work, and one that is
 * deleted while the backup is taken. After the restore every original is compared, every stream decoded, the unfinished one waited for, and reconcile
 * has to find nothing. Then the database alone goes back in time while media stay: what was uploaded since is told, and what
 * comes now gets the names that it had. Ends with 1 at the first thing that is not so.
 */
const onS3 = process.argv.includes('--s3');
const LONG_SECONDS = 60;
const MEMBER = 'member@example.org';

interface Upload {
  readonly id: number;
  readonly name: string;
  readonly sha256: string;
}

const startedAt = performance.now();
const folder = await mkdtemp(path.join(tmpdir(), 'steadyreel-prove-'));
const backup = path.join(folder, 'backup');
const s3 = onS3 ? await startS3Server() : undefined;
const stack = await startStack(
  {
    RECONCILE_GRACE_SECONDS: '5',
    ALLOW_SIGN_UP: '',
    USE_SPACES: '',
    ...(s3 && spacesVariables(s3)),
  },
  { ownServers: true },
);
const { send, ask, untilEnded } = createStackRequests(stack);
try {
  await prove();
} finally {
  await stack.stop();
  await s3?.close();
  await rm(folder, { recursive: true, force: true });
}

async function prove(): Promise<void> {
  const tiny = await upload('tiny.mp4', { seconds: 2 });
  const stream = await upload('stream.ts', { seconds: 4, options: ['-vf', 'hue=h=40'] });
  const twice = await upload('twice.mp4', { seconds: 3, widthPx: 1280, heightPx: 720 });
  const doomed = await upload('doomed.mp4', { seconds: 5 });
  const broken = await upload('broken.mp4', {
    seconds: 6,
    options: ['-movflags', '+faststart', '-vf', 'noise=alls=40:allf=t'],
  });
  const done = [tiny, stream, twice, doomed];
  for (const { id } of done) await ended(id, 'completed');
  await ended(broken.id, 'failed');
  await ask('POST', `/videos/${twice.id}/reprocess`, { profile: '720p' });
  await ended(twice.id, 'completed');
  await putPoster(tiny.id);
  await user('add', MEMBER);
  const memberKey = (await user('key', MEMBER)).match(/\S{30,}/)?.[0] ?? '';
  const session = await logIn();
  // Long enough to be far from its end when the backup is taken.
  const atWork = await upload('at-work.mp4', {
    seconds: LONG_SECONDS,
    widthPx: 1280,
    heightPx: 720,
  });
  await waitUntil(
    () => ask('GET', `/videos/${atWork.id}`),
    ({ stage }) => stage === 'compress',
    60_000,
    200,
  );

  await takeBackup(doomed.id);
  const { status, progressPercent } = await ask('GET', `/videos/${atWork.id}`);
  if (status !== 'processing') throw new Error('the long video was finished too soon');
  say(`saved while video ${atWork.id} was at ${String(progressPercent)} %`);
  const later = await upload('later.mp4', { seconds: 3, options: ['-vf', 'hue=h=80'] });
  await ended(later.id, 'completed');
  await ended(atWork.id, 'completed');

  await stack.restart(async () => {
    await wipe();
    await runLines('Restore');
  });
  say('everything was wiped and restored; Temporal begins with nothing');
  const all = [...done, broken, atWork];
  await expectAbsent(later.id);
  await Promise.all([expectKey(stack.apiKey), expectKey(memberKey), expectSession(session)]);
  await logIn();
  await ended(atWork.id, 'completed');
  await ended(broken.id, 'failed');
  await judge(all);
  await expectReport([]);
  if (onS3) await moveIntoBucket(all);

  // The database goes back, and media stay. What was uploaded since then left names that are given out again.
  const second = onS3 ? path.join(folder, 'second') : backup;
  await backUp(second, ...(onS3 ? ['--without-media'] : []));
  const lost = await upload('lost.mp4', { seconds: 3, options: ['-vf', 'hue=h=120'] });
  await ended(lost.id, 'completed');
  stack.env['RECONCILE_GRACE_SECONDS'] = '3600'; // leftovers stay in the way
  await stack.restart(async () => {
    if (onS3) await rm(stack.dataDir, { recursive: true });
    await runLines(onS3 ? 'Restore' : 'Only the database', second);
  });
  await expectAbsent(lost.id);
  const next = await upload('next.mp4', { seconds: 4, options: ['-vf', 'hue=h=200'] });
  if (next.id !== lost.id) throw new Error(`video ${next.id} did not get the id of ${lost.id}`);
  await ended(next.id, 'completed');
  await judge([...all, next]);
  stack.env['RECONCILE_GRACE_SECONDS'] = '1';
  await stack.restart();
  await expectReport(['original-without-video']);
  await judge([...all, next]);
  say(`restored twice in ${Math.round((performance.now() - startedAt) / 1000)} s`);
}

/** The documented line; a video is deleted when the database has just been copied. */
async function takeBackup(doomed: number): Promise<void> {
  const [line = ''] = await linesOf('Save');
  const running = runLine(line, backup);
  let isDeleted: Promise<unknown> | undefined;
  running.child.stdout?.on('data', (chunk: Buffer) => {
    if (String(chunk).includes('database:')) isDeleted ??= ask('DELETE', `/videos/${doomed}`);
  });
  say((await running).stdout.trimEnd());
  if (isDeleted === undefined) throw new Error('nothing was said about the database');
  await isDeleted;
}

async function backUp(to: string, ...options: readonly string[]): Promise<void> {
  const [line = ''] = await linesOf('Save');
  say((await runLine([line, ...options].join(' '), to)).stdout.trimEnd());
}

/** Data folder with database and Temporal's file, and the bucket: a new machine has nothing. */
async function wipe(): Promise<void> {
  const record = await readFile(path.join(stack.dataDir, 'postgres.json'), 'utf8');
  const { directory } = JSON.parse(record) as { directory: string };
  await rm(path.dirname(directory), { recursive: true, force: true });
  await rm(stack.dataDir, { recursive: true, force: true });
  if (s3 === undefined) return;
  const bucket = createS3Store(s3.settings);
  const keys: string[] = [];
  for await (const { key } of bucket.list('videos/')) keys.push(key);
  await bucket.delete(keys);
  bucket.close();
}

/** The lines of a chapter, one after the other. */
async function runLines(chapter: string, from = backup): Promise<void> {
  for (const line of await linesOf(chapter)) {
    // The settings of this run are in its environment, and it is started below.
    if (/\.env|npm start/.test(line)) continue;
    await runLine(line, from);
    say(`$ ${line}`);
  }
}

async function linesOf(chapter: string): Promise<readonly string[]> {
  const text = await readFile(path.join(PROJECT_ROOT, 'docs/operations.md'), 'utf8');
  const [, after = ''] = text.split(`\n### ${chapter}\n`);
  const block = /```sh\n([^`]*)```/.exec(after)?.[1] ?? '';
  const lines = block.split('\n').map((line) => line.replace(/\s+#.*/, ''));
  if (block === '') throw new Error(`docs/operations.md has no lines under “${chapter}”`);
  return lines.filter((line) => line !== '');
}

function runLine(line: string, backupFolder: string) {
  const real = line
    .replaceAll('/backup/steadyreel', backupFolder)
    .replaceAll(/(?<=[\s])data(?=[\s/]|$)/g, stack.dataDir);
  const { PATH = '' } = process.env;
  const env = { ...stack.env, PATH: `${path.dirname(process.execPath)}:${PATH}` };
  return promisify(execFile)('sh', ['-ec', real], { cwd: PROJECT_ROOT, env });
}

async function user(...args: readonly string[]): Promise<string> {
  const script = path.join(PROJECT_ROOT, 'src/cli/user.ts');
  const run = promisify(execFile);
  return (await run(process.execPath, [script, ...args], { env: stack.env })).stdout;
}

/** Every original byte by byte, every stream and playlist decoded without a word. */
async function judge(uploads: readonly Upload[]): Promise<void> {
  let streams = 0;
  for (const { id, name, sha256 } of uploads) {
    const response = await get(`/videos/stream/${id}/original/`);
    const hash = createHash('sha256');
    for await (const chunk of Readable.fromWeb(response.body as never))
      hash.update(chunk as Buffer);
    if (hash.digest('hex') !== sha256) throw new Error(`${name}: its original is another one`);
    const video = (await ask('GET', `/videos/${id}`)) as unknown as VideoAnswer;
    if (video.status !== 'completed') continue;
    const routes = video.streams.map(({ quality }) => `/videos/stream/${id}/${quality}/`);
    for (const route of [...routes, `/videos/${id}/hls/master.m3u8`]) await decode(route);
    for (const { url } of video.thumbnails) await get(new URL(url, stack.url).pathname);
    streams += routes.length + 1;
  }
  say(`${uploads.length} originals equal by SHA-256, ${streams} streams and playlists decoded`);
}

interface VideoAnswer {
  readonly status: string;
  readonly streams: readonly { readonly quality: string }[];
  readonly thumbnails: readonly { readonly url: string }[];
}

async function decode(route: string): Promise<void> {
  const headers = `Authorization: Bearer ${stack.apiKey}\r\n`;
  const args = ['-v', 'error', '-nostdin', '-headers', headers, '-i', stack.url + route];
  const { stderr } = await promisify(execFile)('ffmpeg', [...args, '-f', 'null', '-']);
  if (stderr !== '') throw new Error(`${route}: ${stderr}`);
}

async function moveIntoBucket(uploads: readonly Upload[]): Promise<void> {
  const script = path.join(PROJECT_ROOT, 'src/cli/migrate-storage.ts');
  const run = promisify(execFile);
  await run(process.execPath, [script, 'local', 'spaces'], { env: stack.env });
  say('moved into the empty bucket');
  await judge(uploads);
  await expectReport([]);
}

/** What reconcile finds once nothing is at work any more. */
async function expectReport(codes: readonly string[]): Promise<void> {
  const address = readStackFile(stack.dataDir)?.temporalAddress ?? '';
  const temporal = openTemporalClient({ address, namespace: 'default' });
  const reconcile = async () => {
    await temporal.workflow.execute(WORKFLOW_TYPES.reconcileVideos, {
      taskQueue: TASK_QUEUES.orchestration,
      workflowId: `reconcile-${randomUUID()}`,
    });
    const { data } = await ask('GET', '/admin/reconcile?limit=1');
    return (data as { findings: { code: string }[]; counts: object }[])[0];
  };
  const codesOf = (report: Awaited<ReturnType<typeof reconcile>>) =>
    [...new Set(report?.findings.map(({ code }) => code))].toSorted().join();
  try {
    const isRight = (report: Awaited<ReturnType<typeof reconcile>>) =>
      codesOf(report) === codes.toSorted().join();
    const report = await waitUntil(reconcile, isRight, 30_000, 2000);
    say(`reconcile: ${JSON.stringify(report?.counts)}, found: ${codesOf(report) || 'nothing'}`);
  } finally {
    await temporal.connection.close();
  }
}

async function logIn(): Promise<string> {
  const response = await fetch(`${stack.url}/auth/log-in`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(stack.admin),
  });
  if (!response.ok) throw new Error(`log-in: ${response.status} ${await response.text()}`);
  return response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ');
}

async function expectKey(key: string): Promise<void> {
  await expectMe({ Authorization: `Bearer ${key}` });
}

async function expectSession(cookie: string): Promise<void> {
  await expectMe({ Cookie: cookie });
}

async function expectMe(headers: Record<string, string>): Promise<void> {
  const { status } = await fetch(`${stack.url}/auth/me`, { headers });
  if (status !== 200) throw new Error(`somebody who was known is not: ${status}`);
}

async function expectAbsent(id: number): Promise<void> {
  const headers = { Authorization: `Bearer ${stack.apiKey}` };
  const { status } = await fetch(`${stack.url}/videos/${id}`, { headers });
  if (status !== 404) throw new Error(`video ${id} is younger than the backup: ${status}`);
}

async function putPoster(id: number): Promise<void> {
  const picture = path.join(folder, 'poster.png');
  const source = ['-f', 'lavfi', '-i', 'testsrc2=s=640x360', '-frames:v', '1', picture];
  await promisify(execFile)('ffmpeg', ['-v', 'error', ...source]);
  await send('PUT', `/videos/${id}/poster`, await openAsBlob(picture));
}

async function upload(name: string, clip: Parameters<typeof makeClip>[1]): Promise<Upload> {
  const file = await makeClip(path.join(folder, name), clip);
  if (name.startsWith('broken')) await truncate(file, Math.floor((await stat(file)).size / 2));
  const form = new FormData();
  form.set('video', await openAsBlob(file), name);
  const id = Number((await ask('POST', '/videos/upload/', form))['id']);
  const sha256 = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  return { id, name, sha256 };
}

async function ended(id: number, wanted: 'completed' | 'failed'): Promise<void> {
  const video = await untilEnded(id, 300_000);
  if (video['status'] !== wanted) throw new Error(JSON.stringify(video));
}

function get(route: string): Promise<Response> {
  return send('GET', route);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
