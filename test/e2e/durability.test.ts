import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeClip } from '../support/make-clip.ts';
import { onlyRunning } from '../support/processes.ts';
import { type RunningStack, startStack } from '../support/stack.ts';
import { createStackClient, type StackClient } from '../support/stack-client.ts';
import { writeSlowFfmpeg } from '../support/stub-ffmpeg.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Of three chunks. */
const LASTING_SECONDS = 65;

/** The product as a user runs it, while things are killed around it. */
describe('a running product', () => {
  let folder: string;
  let stack: RunningStack;
  let client: StackClient;

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'steadyreel-clips-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** @param speed seconds of video that an encoder makes in a second at most */
  async function start(speed: number, settings: NodeJS.ProcessEnv = {}): Promise<void> {
    const ffmpeg = await writeSlowFfmpeg(folder, speed);
    stack = await startStack({ FFMPEG_PATH: ffmpeg, ...settings });
    client = createStackClient(stack);
  }

  const clipOf = (seconds: number): Promise<string> =>
    makeClip(path.join(folder, `${seconds}s.mp4`), { seconds });

  async function upload(clip: string): Promise<number> {
    return Number((await client.upload(clip))['id']);
  }

  describe('that works on one piece at a time', () => {
    beforeAll(() => start(8, { MAX_VIDEO_PROCESSING_TASKS: '1' }), 90_000);
    afterAll(() => stack?.stop(), 60_000);

    it('rules 12 and 26: a worker that is stopped hands over, one that is killed leaves no encoder, and the video completes once', async () => {
      const id = await upload(await clipOf(LASTING_SECONDS));
      const pieces = () =>
        client.sql('select name, object_key from pieces where video_id = $1 order by id', [id]);
      const finished = await waitUntil(
        pieces,
        (made) => made.some(({ name }) => String(name).startsWith('chunk/')),
        120_000,
        200,
      );
      await client.freezeEncoder();
      process.kill(client.pidOf('worker'), 'SIGTERM');
      await client.noTools();
      // Only a new worker can encode now.
      await client.freezeEncoder();
      expect((await pieces()).slice(0, finished.length)).toEqual(finished);
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
      await client.cleanedUp(id);
      expect(client.mediaBelow(`videos/streams/${id}`)).toHaveLength(2);
    }, 240_000);
  });

  describe('that works on two pieces at a time', () => {
    beforeAll(() => start(2, { MAX_VIDEO_PROCESSING_TASKS: '2' }), 90_000);
    afterAll(() => stack?.stop(), 60_000);

    it('the cap holds: six uploads at once, never a third heavy process, all complete', async () => {
      const small = { widthPx: 320, heightPx: 180, seconds: 3, audio: false };
      const clip = await makeClip(path.join(folder, 'small.mp4'), small);
      let most = 0;
      let isSampling = true;
      const sampler = (async () => {
        while (isSampling) {
          const encoders = await onlyRunning('ffmpeg', await client.tools('-filter_complex'));
          most = Math.max(most, encoders.length);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      })();
      const ids = await Promise.all(Array.from({ length: 6 }, () => upload(clip)));
      const videos = await Promise.all(ids.map((id) => client.ended(id)));
      isSampling = false;
      await sampler;
      expect(videos.map(({ status }) => status)).toEqual(
        Array.from({ length: 6 }, () => 'completed'),
      );
      expect(most).toBe(2);
    }, 240_000);

    it('a supervisor that is killed takes nothing with it: the next start goes on where it was', async () => {
      const id = await upload(await clipOf(8));
      await client.freezeEncoder();
      const lock = JSON.parse(readFileSync(path.join(stack.dataDir, 'stack.lock'), 'utf8')) as {
        pid: number;
      };
      for (const pid of [lock.pid, client.pidOf('api'), client.pidOf('worker')])
        process.kill(pid, 'SIGKILL');
      await client.noTools();
      await stack.restart();
      expect(await client.ended(id)).toMatchObject({ status: 'completed', version: 1 });
      await client.cleanedUp(id);
    }, 240_000);
  });

  describe('that may work for a second on each piece', () => {
    beforeAll(() => start(0.5, { VIDEO_PROCESSING_TIMEOUT: '1' }), 90_000);
    afterAll(() => stack?.stop(), 60_000);

    it('rule 16: VIDEO_PROCESSING_TIMEOUT ends the work and keeps the original byte by byte', async () => {
      const clip = await clipOf(4);
      const video = await client.ended(await upload(clip));
      expect(video).toMatchObject({ status: 'failed', failure: { code: 'processing-timeout' } });
      expect(await client.tools()).toEqual([]);
      const originals = client.mediaBelow('videos/original');
      const hash = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
      expect(originals.map(hash)).toEqual([hash(clip)]);
    }, 120_000);
  });
});
