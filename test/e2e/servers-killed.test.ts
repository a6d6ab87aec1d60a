import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Client, ScheduleOverlapPolicy } from '@temporalio/client';
import { readStackFile } from '../../src/config/stack-file.ts';
import { openTemporalClient } from '../../src/temporal/client.ts';
import {
  RECONCILE_SCHEDULE_ID,
  RETENTION_SCHEDULE_ID,
  SEARCH_ATTRIBUTES,
  WORKFLOW_TYPES,
} from '../../src/workflows/messages.ts';
import { makeClip } from '../support/make-clip.ts';
import { type RunningStack, startStack } from '../support/stack.ts';
import { createStackClient, type StackClient, type VideoAnswer } from '../support/stack-client.ts';
import { writeSlowFfmpeg } from '../support/stub-ffmpeg.ts';
import { waitUntil } from '../support/wait-until.ts';

const NAMESPACE = 'default';
const DAY_SECONDS = 24 * 3600;

/** The product with its own PostgreSQL and Temporal, which are killed, frozen and emptied under it. */
describe('a product whose servers fail', () => {
  let folder: string;
  let short: string;
  let long: string;
  let stack: RunningStack;
  let client: StackClient;
  let temporal: Client;

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'steadyreel-clips-'));
    const ffmpeg = await writeSlowFfmpeg(folder, 1);
    [stack, short, long] = await Promise.all([
      startStack({ FFMPEG_PATH: ffmpeg, RECONCILE_GRACE_SECONDS: '5' }, { ownServers: true }),
      makeClip(path.join(folder, 'short.mp4'), { seconds: 2 }),
      makeClip(path.join(folder, 'long.mp4'), { seconds: 10 }),
    ]);
    client = createStackClient(stack);
    const address = readStackFile(stack.dataDir)?.temporalAddress ?? '';
    temporal = openTemporalClient({ address, namespace: NAMESPACE });
  }, 120_000);

  afterAll(async () => {
    await temporal?.connection.close();
    await stack?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  async function uploadLong(): Promise<number> {
    return Number((await client.upload(long))['id']);
  }

  /** One version, made by these runs, and nothing left of the work. */
  async function expectCompleted(video: VideoAnswer, ...runs: readonly string[]): Promise<void> {
    expect(video).toMatchObject({ status: 'completed', failure: null });
    expect(await statesOfRuns(video['id'])).toEqual(runs);
    await client.cleanedUp(Number(video['id']));
    expect(client.mediaBelow(`videos/streams/${String(video['id'])}`)).toHaveLength(
      (video['streams'] as unknown[]).length,
    );
  }

  async function statesOfRuns(videoId: unknown): Promise<readonly unknown[]> {
    const runs = await client.sql('select state from video_runs where video_id = $1 order by id', [
      videoId,
    ]);
    return runs.map(({ state }) => state);
  }

  /** What every worker keeps in order on the server. */
  async function readServerSide() {
    const { config } = await temporal.workflowService.describeNamespace({ namespace: NAMESPACE });
    const { customAttributes } = await temporal.connection.operatorService.listSearchAttributes({
      namespace: NAMESPACE,
    });
    const schedules = [RECONCILE_SCHEDULE_ID, RETENTION_SCHEDULE_ID].map(async (id) => {
      const { state, action } = await temporal.schedule.getHandle(id).describe();
      return { paused: state.paused, workflowType: action.workflowType };
    });
    return {
      retentionSeconds: Number(config?.workflowExecutionRetentionTtl?.seconds),
      attributes: Object.keys(customAttributes ?? {}),
      schedules: await Promise.all(schedules),
    };
  }

  async function expectServerSide(withinSeconds: number): Promise<void> {
    const found = await waitUntil(
      // the Schedule is made last
      () => readServerSide().catch(() => undefined),
      (seen) => seen !== undefined,
      withinSeconds * 1000,
      500,
    );
    expect(found).toEqual({
      retentionSeconds: 30 * DAY_SECONDS,
      attributes: expect.arrayContaining(Object.values(SEARCH_ATTRIBUTES).map(({ name }) => name)),
      schedules: [WORKFLOW_TYPES.reconcileVideos, WORKFLOW_TYPES.applyRetention].map(
        (workflowType) => ({ paused: false, workflowType }),
      ),
    });
  }

  it('PostgreSQL killed in the middle of an encode: the video completes, once', async () => {
    const id = await uploadLong();
    await client.encoding();
    process.kill(client.pidOf('postgres'), 'SIGKILL');
    const video = await client.ended(id);
    expect(stack.output()).toContain('postgres ended (signal SIGKILL)');
    expect(video['version']).toBe(1);
    await expectCompleted(video, 'completed');
  }, 300_000);

  it('Temporal killed in the middle of an encode: the video completes, once', async () => {
    const id = await uploadLong();
    await client.encoding();
    process.kill(client.pidOf('temporal'), 'SIGKILL');
    const video = await client.ended(id);
    expect(stack.output()).toContain('temporal ended (signal SIGKILL)');
    expect(video['version']).toBe(1);
    await expectCompleted(video, 'completed');
  }, 300_000);

  it('rule 11: Temporal frozen during an upload: it is accepted while it is, and processed after', async () => {
    const pid = client.pidOf('temporal');
    process.kill(pid, 'SIGSTOP');
    try {
      const accepted = await client.upload(short);
      expect(accepted).toMatchObject({ status: 'pending' });
      process.kill(pid, 'SIGCONT');
      await expectCompleted(await client.ended(Number(accepted['id'])), 'completed');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  }, 300_000);

  it('rule 24: Temporal that lost its database is set up again, and what it ran is started again', async () => {
    await expectServerSide(60);
    const id = await uploadLong();
    await client.encoding();
    wipeTemporal();
    await client.noTools(90);
    expect(stack.output()).toContain('temporal ended (signal SIGKILL)');
    await expectServerSide(120);
    // It settles what is lost, and starts it again once that is old enough.
    const video = await waitUntil(
      async () => {
        await reconcile();
        return (await client.ask(`/videos/${id}`)).body;
      },
      ({ status }) => status === 'completed' || status === 'failed',
      240_000,
      2000,
    );
    await expectCompleted(video, 'lost', 'completed');
  }, 500_000);

  /** Frozen first, so that it cannot write while its files go. */
  function wipeTemporal(): void {
    const pid = client.pidOf('temporal');
    process.kill(pid, 'SIGSTOP');
    const files = client.filesBelow('temporal').filter((file) => file.includes('temporal.db'));
    expect(files).not.toEqual([]);
    for (const file of files) rmSync(file);
    process.kill(pid, 'SIGKILL');
  }

  /** Runs at once what the Schedule runs every few minutes. */
  async function reconcile(): Promise<void> {
    await temporal.schedule.getHandle(RECONCILE_SCHEDULE_ID).trigger(ScheduleOverlapPolicy.SKIP);
  }
});
