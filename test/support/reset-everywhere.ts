import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AppError } from '../../src/domain/errors.ts';
import type { RunIdentity, VideoId } from '../../src/domain/ids.ts';
import { makeClip } from './make-clip.ts';
import { type Pipeline, startPipeline } from './pipeline.ts';
import { awaitRun, findFlaws, identifyRun, listResetPoints, resetRun } from './resets.ts';
import startServices from './start-services.ts';
import stopServices from './stop-services.ts';

/**
 * Resets a completed, a failed and a running run to every point that a run can be reset to, one after the other, and looks whether
 * each video is whole afterwards: `npm run reset-everywhere`. Ends with 1 when one is not. A sample of it is in `npm test`.
 */

/** What the encoder does next: waits for `release`, fails, or works. */
let gate: 'open' | 'failing' | Promise<void> = 'open';
let release: () => void = () => undefined;
let flawed = 0;
let resets = 0;

const clips = await mkdtemp(path.join(tmpdir(), 'steadyreel-clips-'));
await startServices();
try {
  const clip = await makeClip(path.join(clips, 'clip.mp4'), { seconds: 5, options: ['-g', '50'] });
  const pipeline = await startPipeline({
    replace: ({ ffmpeg }) => ({
      ffmpeg: {
        ...ffmpeg,
        async run(command, limits) {
          const isEncode = command.outputs.some(({ options }) => options.includes('libx264'));
          if (isEncode && gate === 'failing') throw new AppError('processing-timeout');
          if (isEncode) await Promise.race([gate, aborted(limits.signal)]);
          return ffmpeg.run(command, limits);
        },
      },
    }),
  });
  try {
    await ofCompleted(pipeline, clip);
    await ofFailed(pipeline, clip);
    await ofRunning(pipeline, clip);
  } finally {
    await pipeline.close();
  }
} finally {
  await stopServices();
  await rm(clips, { recursive: true, force: true });
}
process.stdout.write(`${resets} resets, ${flawed} of them flawed\n`);
process.exitCode = flawed > 0 ? 1 : 0;

async function ofCompleted(pipeline: Pipeline, clip: string): Promise<void> {
  const id = await pipeline.submit(clip);
  const run = await identifyRun(pipeline, id);
  await awaitRun(pipeline, run);
  for (const point of await listResetPoints(pipeline, run))
    await judge(
      pipeline,
      id,
      `completed run, event ${point}`,
      await resetRun(pipeline, run, point),
    );
}

async function ofFailed(pipeline: Pipeline, clip: string): Promise<void> {
  const failed = async (): Promise<{ id: VideoId; run: RunIdentity }> => {
    gate = 'failing';
    const id = await pipeline.submit(clip);
    const run = await identifyRun(pipeline, id);
    await awaitRun(pipeline, run);
    gate = 'open';
    return { id, run };
  };
  const points = await listResetPoints(pipeline, (await failed()).run);
  for (const index of points.keys()) {
    const { id, run } = await failed();
    // A run has the same steps each time, but not always the same events.
    const point = (await listResetPoints(pipeline, run))[index];
    if (point === undefined) continue;
    const next = await resetRun(pipeline, run, point);
    // After the failure was recorded there is nothing left to do but to end as before.
    await judge(pipeline, id, `failed run, event ${point}`, next, { mayFail: true });
  }
}

async function ofRunning(pipeline: Pipeline, clip: string): Promise<void> {
  const encoding = async (): Promise<{ id: VideoId; run: RunIdentity }> => {
    gate = new Promise((resolve) => (release = resolve));
    const id = await pipeline.submit(clip);
    await pipeline.until('the encode has begun', async () => {
      const { raw } = await pipeline.client.workflow.getHandle(`process-video-${id}`).describe();
      return (raw.pendingActivities ?? []).some(
        ({ activityType, lastHeartbeatTime }) =>
          activityType?.name === 'compressChunk' && lastHeartbeatTime,
      );
    });
    return { id, run: await identifyRun(pipeline, id) };
  };
  for (let index = 0; ; index += 1) {
    const { id, run } = await encoding();
    const point = (await listResetPoints(pipeline, run))[index];
    if (point === undefined) {
      release();
      await awaitRun(pipeline, run);
      return;
    }
    const next = await resetRun(pipeline, run, point);
    release();
    gate = 'open';
    await judge(pipeline, id, `running run, event ${point}`, next);
  }
}

async function judge(
  pipeline: Pipeline,
  id: VideoId,
  what: string,
  next: RunIdentity,
  { mayFail = false } = {},
): Promise<void> {
  const failure = await awaitRun(pipeline, next);
  const { status } = await pipeline.video(id);
  const isSettled = mayFail && failure !== undefined && status === 'failed';
  const flaws = isSettled ? [] : await findFlaws(pipeline, id);
  if (failure !== undefined && !isSettled) flaws.push(failure);
  resets += 1;
  flawed += flaws.length > 0 ? 1 : 0;
  const verdict = flaws.length > 0 ? flaws.join('; ') : isSettled ? 'failed as before' : 'whole';
  process.stdout.write(`${what}: ${verdict}\n`);
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) =>
    signal?.addEventListener('abort', () => resolve(), { once: true }),
  );
}
