import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { makeClip } from '../support/make-clip.ts';
import { onlyRunning } from '../support/processes.ts';
import { type RunningStack, startStack } from '../support/stack.ts';
import { createStackClient, type StackClient } from '../support/stack-client.ts';
import { waitUntil } from '../support/wait-until.ts';

/** The product as a user runs it, while things are killed around it. */
describe('a running product', () => {
  let clips: string;
  let short: string;
  let long: string;
  /** In three chunks. */
  let lasting: string;
  let stack: RunningStack;
  let client: StackClient;

  beforeAll(async () => {
    clips = mkdtempSync(path.join(tmpdir(), 'steadyreel-clips-'));
    short = await makeClip(path.join(clips, 'short.mp4'), {
      widthPx: 640,
      heightPx: 360,
      seconds: 3,
    });
    long = await makeClip(path.join(clips, 'long.mp4'), {
      widthPx: 1280,
      heightPx: 720,
      seconds: 12,
    });
    lasting = await makeClip(path.join(clips, 'lasting.mp4'), {
      widthPx: 640,
      heightPx: 360,
      seconds: 65,
    });
  }, 120_000);

  afterEach(() => stack.stop());
  afterAll(() => rmSync(clips, { recursive: true, force: true }));

  async function start(settings: NodeJS.ProcessEnv): Promise<void> {
    stack = await startStack(settings);
    client = createStackClient(stack);
  }

  async function upload(file: string): Promise<number> {
    return Number((await client.upload(file))['id']);
  }

  it('rules 12 and 26: a worker that is stopped hands over, one that is killed leaves no encoder, and the video completes once', async () => {
    // Slow enough for each encode to be seen.
    await start({ VIDEO_PRESET: 'medium', MAX_VIDEO_PROCESSING_TASKS: '1' });
    const id = await upload(lasting);
    const finished = await waitUntil(
      () => client.sql('select name, object_key from pieces order by id'),
      (pieces) => pieces.some(({ name }) => String(name).startsWith('chunk/')),
      120_000,
    );
    await client.encoding();
    process.kill(client.pidOf('worker'), 'SIGTERM');
    await client.noTools(30);
    // Only a new worker can encode now.
    await client.encoding();
    const kept = await client.sql('select name, object_key from pieces order by id');
    expect(kept.slice(0, finished.length)).toEqual(finished);
    expect(
      await client.sql(
        `select max(unended_starts) as starts, sum(encoder_faults + kills)::int as faults,
           count(platform_fault_since)::int as waits from piece_attempts`,
      ),
    ).toEqual([{ starts: 1, faults: 0, waits: 0 }]);

    process.kill(client.pidOf('worker'), 'SIGKILL');
    await client.noTools();
    const video = await client.ended(id);
    expect(video).toMatchObject({ status: 'completed', version: 1, failure: null });
    const stored = (kind: string) =>
      client.mediaBelow('videos').filter((file) => file.includes(`/${kind}/`));
    expect(stored('streams')).toHaveLength(2);
    await waitUntil(
      () => stored('videos/work'),
      (pieces) => pieces.length === 0,
    );
    expect(client.filesBelow('work')).toEqual([]);
    expect(client.filesBelow('process')).toEqual([]);
  }, 240_000);

  it('the cap holds: six uploads at once, never a third heavy process, all complete', async () => {
    await start({ MAX_VIDEO_PROCESSING_TASKS: '2' });
    let most = 0;
    let isSampling = true;
    const sampler = (async () => {
      while (isSampling) {
        const encoders = await onlyRunning('ffmpeg', await client.tools('-filter_complex'));
        most = Math.max(most, encoders.length);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const ids = await Promise.all(Array.from({ length: 6 }, () => upload(short)));
    const videos = await Promise.all(ids.map((id) => client.ended(id)));
    isSampling = false;
    await sampler;
    expect(videos.map(({ status }) => status)).toEqual(
      Array.from({ length: 6 }, () => 'completed'),
    );
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(2);
  }, 240_000);

  it('rule 16: VIDEO_PROCESSING_TIMEOUT ends the work and keeps the original byte by byte', async () => {
    await start({ VIDEO_PROCESSING_TIMEOUT: '1', VIDEO_PRESET: 'slow' });
    const id = await upload(long);
    const video = await client.ended(id);
    expect(video).toMatchObject({ status: 'failed', failure: { code: 'processing-timeout' } });
    expect(await client.tools()).toEqual([]);
    const originals = client.mediaBelow('videos/original');
    const hash = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
    expect(originals.map(hash)).toEqual([hash(long)]);
  }, 120_000);

  it('a supervisor that is killed takes nothing with it: the next start goes on where it was', async () => {
    await start({ VIDEO_PRESET: 'medium' });
    const id = await upload(long);
    await client.encoding();
    const lock = JSON.parse(readFileSync(path.join(stack.dataDir, 'stack.lock'), 'utf8')) as {
      pid: number;
    };
    for (const pid of [lock.pid, client.pidOf('api'), client.pidOf('worker')])
      process.kill(pid, 'SIGKILL');
    await client.noTools();
    await stack.restart();
    expect(await client.ended(id)).toMatchObject({ status: 'completed', version: 1 });
    expect(client.filesBelow('work')).toEqual([]);
  }, 240_000);
});
