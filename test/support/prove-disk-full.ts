import { openAsBlob } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatBytes } from '../../src/domain/disk-space.ts';
import { makeClip } from './make-clip.ts';
import { spacesVariables, startS3Server } from './s3-server.ts';
import { canMountDisks, mountSmallDisk, type SmallDisk } from './small-disk.ts';
import { type RunningStack, startStack } from './stack.ts';

/**
 * `npm run prove:disk-full`: the whole product on a disk of 300 MB. More is uploaded than fits; what is refused with 507 is sent
 * again; in the middle the disk is filled to its last block. Whenever nothing goes on by itself any more, the oldest finished video
 * is deleted. Ends with 0 when every file was taken and every video was completed, and none ever failed.
 *
 * With `-- --s3` media lie in an S3 server, and the disk holds only what is worked with: less than all sources, so that the
 * cache has to give way. Nothing may be refused then.
 */
const onS3 = process.argv.includes('--s3');
const BIG_FILES = 12;
const LONG_FILES = 4;
const FILES = BIG_FILES + LONG_FILES;
/** Between two tries to send what was refused. */
const SEND_AGAIN_MS = 3000;
const PATIENCE_MS = 6 * 60_000;
/** So long nothing has changed: then nothing goes on by itself. A run that waits asks every 10 s. */
const STILL_MS = 20_000;

let isStopped = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    isStopped = true;
  });

interface Video {
  readonly id: number;
  readonly status: string;
  readonly stage: string | null;
  readonly progressPercent: number;
  readonly waitingFor: string | null;
}

if (!canMountDisks()) process.exit(1);
const folder = await mkdtemp(path.join(tmpdir(), 'steadyreel-prove-'));
const disk = mountSmallDisk(300);
try {
  const clips = await makeClips(folder);
  const s3 = onS3 ? await startS3Server() : undefined;
  try {
    const settings = s3 === undefined ? {} : spacesVariables(s3);
    const stack = await startStack(settings, { ownServers: true, parent: disk.folder });
    try {
      process.exitCode = (await prove(stack, clips)) ? 0 : 1;
    } finally {
      await stack.stop();
    }
  } finally {
    await s3?.close();
  }
} finally {
  disk.unmount();
  await rm(folder, { recursive: true, force: true });
}

/** Some that are large themselves, among them some that may become large: 60 s at 720p reserve 98 MB. */
async function makeClips(parent: string): Promise<readonly string[]> {
  const rate = ['-b:v', '20M', '-maxrate', '20M', '-bufsize', '20M'];
  const noise = ['-vf', 'noise=alls=60:allf=t', ...rate];
  const big = await makeClip(path.join(parent, 'big.mp4'), { seconds: 10, options: noise });
  const long = await makeClip(path.join(parent, 'long.mp4'), {
    widthPx: 1280,
    heightPx: 720,
    framesPerSecond: 5,
    seconds: 60,
  });
  return Array.from({ length: FILES }, (_, index) =>
    index < 2 * LONG_FILES && index % 2 === 0 ? long : big,
  );
}

async function prove(stack: RunningStack, clips: readonly string[]): Promise<boolean> {
  const seen = { refused: 0, waits: new Set<string>(), deleted: 0, filled: false };
  const finished = new Set<number>();
  const waiting = [...clips];
  let sendAgainAt = 0;
  let last = '';
  let changedAt = performance.now();
  for (
    const giveUpAt = performance.now() + PATIENCE_MS;
    performance.now() < giveUpAt && !isStopped;
  ) {
    for (const clip of performance.now() < sendAgainAt ? [] : [...waiting]) {
      if (await upload(stack, clip)) {
        waiting.shift();
        continue;
      }
      seen.refused += 1;
      sendAgainAt = performance.now() + SEND_AGAIN_MS;
      break;
    }
    const videos = await listVideos(stack);
    for (const video of videos) {
      if (video.status === 'failed') return fail(`video ${video.id} failed`, video);
      if (video.status === 'completed') finished.add(video.id);
      if (video.stage === 'waiting-for-disk') seen.waits.add(String(video.waitingFor));
    }
    const state = JSON.stringify(videos.map(({ id, status, stage }) => [id, status, stage]));
    if (state !== last) {
      process.stdout.write(`${formatBytes(disk.freeBytes())} free  ${summarize(videos)}\n`);
      changedAt = performance.now();
      last = state;
    }
    if (finished.size === FILES) return report(seen, finished.size);
    if (!seen.filled && videos.some(({ stage }) => stage === 'compress')) {
      await fillForAWhile(disk);
      seen.filled = true;
    }
    const isMoving = videos.some(
      ({ status, progressPercent, stage }) =>
        status === 'processing' && progressPercent > 0 && stage !== 'waiting-for-disk',
    );
    if (!isMoving && performance.now() - changedAt > STILL_MS) {
      const oldest = videos.filter(({ status }) => status === 'completed').at(-1);
      if (oldest === undefined) return fail('nothing goes on and nothing is finished', videos);
      await ask(stack, `/videos/${oldest.id}`, { method: 'DELETE' });
      process.stdout.write(`deleted video ${oldest.id}\n`);
      seen.deleted += 1;
      changedAt = performance.now();
    }
    await sleep(500);
  }
  return fail(isStopped ? 'stopped' : 'it took too long', await listVideos(stack));
}

/** The servers' files lie on this disk too, so that it is filled for a moment only. */
async function fillForAWhile(small: SmallDisk): Promise<void> {
  small.fill();
  process.stdout.write('the disk is full to its last block\n');
  await sleep(5000);
  small.free();
  process.stdout.write('and has room again\n');
}

/** @returns whether it was taken */
async function upload(stack: RunningStack, clip: string): Promise<boolean> {
  const form = new FormData();
  form.set('video', await openAsBlob(clip), 'clip.mp4');
  const { status, body } = await ask(stack, '/videos/upload/', { method: 'POST', body: form });
  const { code, detail } = body as { code?: string; detail?: string };
  process.stdout.write(`upload: ${status} ${detail ?? ''}\n`);
  if (status === 201) return true;
  if (status === 507 && code === 'disk-full') return false;
  throw new Error(`an upload was answered ${status} ${code}`);
}

async function listVideos(stack: RunningStack): Promise<readonly Video[]> {
  const { body } = await ask(stack, '/videos?limit=100');
  return (body as { data: readonly Video[] }).data;
}

async function ask(stack: RunningStack, route: string, init: RequestInit = {}) {
  const headers = { Authorization: `Bearer ${stack.apiKey}` };
  const response = await fetch(stack.url + route, { ...init, headers });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as object };
}

function summarize(videos: readonly Video[]): string {
  const names = videos.map(({ id, status, stage }) => `${id}:${stage ?? status}`);
  return names.toReversed().join(' ');
}

function report(
  seen: { refused: number; waits: ReadonlySet<string>; deleted: number },
  finished: number,
): boolean {
  const waits = [...seen.waits].map((text) => text.replace(/, next try.*/, ''));
  process.stdout.write(
    `\n${finished} of ${FILES} videos completed, none failed\n${seen.refused} uploads refused with 507 and sent again\n` +
      `${seen.deleted} finished videos deleted to make room\nwaits seen:\n${[...new Set(waits)].map((text) => `  ${text}\n`).join('')}`,
  );
  return onS3 ? seen.refused === 0 : seen.refused > 0 && waits.length > 0;
}

function fail(why: string, what: unknown): false {
  process.stderr.write(`${why}: ${JSON.stringify(what, null, 2)}\n`);
  return false;
}
