import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
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
import { waitUntil } from '../support/wait-until.ts';

const NAMESPACE = 'default';
const DAY_SECONDS = 24 * 3600;

/** The product with its own PostgreSQL and Temporal, which are killed, frozen and emptied under it. */
describe('a product whose servers fail', () => {
  let clips: string;
  let short: string;
  let long: string;
  let stack: RunningStack;
  let client: StackClient;
  let temporal: Client;

  beforeAll(async () => {
    clips = mkdtempSync(path.join(tmpdir(), 'steadyreel-clips-'));
    short = await makeClip(path.join(clips, 'short.mp4'), { seconds: 2 });
    long = await makeClip(path.join(clips, 'long.mp4'), {
      widthPx: 1280,
      heightPx: 720,
      seconds: 10,
    });
  }, 60_000);

  beforeEach(async () => {
    stack = await startStack({ VIDEO_PRESET: 'medium' }, { ownServers: true });
    client = createStackClient(stack);
    const address = readStackFile(stack.dataDir)?.temporalAddress ?? '';
    temporal = openTemporalClient({ address, namespace: NAMESPACE });
  }, 90_000);

  afterEach(async () => {
    await temporal?.connection.close();
    await stack?.stop();
  }, 60_000);
  afterAll(() => rmSync(clips, { recursive: true, force: true }));

  async function uploadLong(): Promise<number> {
    return Number((await client.upload(long))['id']);
  }

  /** One version, made by one run, and nothing left of the work. */
  async function expectCompletedOnce(video: VideoAnswer): Promise<void> {
    expect(video).toMatchObject({ status: 'completed', version: 1, failure: null });
    expect(
      await client.sql('select state from video_runs where video_id = $1', [video['id']]),
    ).toEqual([{ state: 'completed' }]);
    await expectNothingLeft(video);
  }

  async function expectNothingLeft(video: VideoAnswer): Promise<void> {
    const stored = (kind: string) =>
      client.mediaBelow('videos').filter((file) => file.includes(`/videos/${kind}/`));
    await waitUntil(
      () => stored('work'),
      (pieces) => pieces.length === 0,
    );
    expect(stored('streams')).toHaveLength((video['streams'] as unknown[]).length);
    expect(await client.tools()).toEqual([]);
    expect(client.filesBelow('work')).toEqual([]);
    expect(client.filesBelow('process')).toEqual([]);
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
    await expectCompletedOnce(video);
  }, 180_000);

  it('Temporal killed in the middle of an encode: the video completes, once', async () => {
    const id = await uploadLong();
    await client.encoding();
    process.kill(client.pidOf('temporal'), 'SIGKILL');
    const video = await client.ended(id);
    expect(stack.output()).toContain('temporal ended (signal SIGKILL)');
    await expectCompletedOnce(video);
  }, 180_000);

  it('rule 11: Temporal frozen during an upload: it is accepted within five seconds, and processed after', async () => {
    const pid = client.pidOf('temporal');
    process.kill(pid, 'SIGSTOP');
    try {
      const startedAt = performance.now();
      const accepted = await client.upload(short);
      expect(performance.now() - startedAt).toBeLessThan(5000);
      expect(accepted).toMatchObject({ status: 'pending' });
      process.kill(pid, 'SIGCONT');
      await expectCompletedOnce(await client.ended(Number(accepted['id']), 60));
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  }, 120_000);

  it('rule 24: Temporal that lost its database is set up again, and what it ran is started again', async () => {
    await expectServerSide(20);
    const id = await uploadLong();
    await client.encoding();
    wipeTemporal();
    await client.noTools(60);
    expect(stack.output()).toContain('temporal ended (signal SIGKILL)');
    await expectServerSide(90);
    await waitUntil(
      async () => {
        await reconcile();
        return client.sql('select state from video_runs where video_id = $1 order by id', [id]);
      },
      ([first]) => first?.['state'] === 'lost',
      60_000,
      2000,
    );
    const video = await client.ended(id);
    expect(video).toMatchObject({ status: 'completed', failure: null });
    expect(
      await client.sql('select state from video_runs where video_id = $1 order by id', [id]),
    ).toEqual([{ state: 'lost' }, { state: 'completed' }]);
    await expectNothingLeft(video);
  }, 300_000);

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
