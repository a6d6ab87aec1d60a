import { enterSteps } from '../db/progress.ts';
import type { EntityManager } from '../db/orm.ts';
import { listRenditions, recordPiece } from '../db/pieces.ts';
import { type Run, savePlan } from '../db/runs.ts';
import { type EncodingPlan, planEncoding } from '../domain/encoding-plan.ts';
import { AppError } from '../domain/errors.ts';
import { framesPerSecond } from '../domain/frame-rate.ts';
import { findInheritable } from '../domain/inherit-renditions.ts';
import type { MediaInfo } from '../domain/media-info.ts';
import { isSameSource } from '../domain/run-source.ts';
import { weighSteps } from '../domain/step-weights.ts';
import { PROBE_TOOL_SECONDS } from '../domain/tool-time.ts';
import { probeFile } from '../media/ffprobe.ts';
import type { ProbeSummary, VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { asActiveRun } from './fence.ts';
import { doHeavyWork, type HeavySpec, type HeavyWork } from './heavy-work.ts';
import { chooseDivision } from './choose-division.ts';
import { reserveDisk } from './reserve-disk.ts';
import { fetchSource, ledgerOf } from './pieces.ts';

/**
 * Reads what the source is and plans what is made of it, and reserves the disk for it. The plan stays with the run; only what an
 * encode finds out of the source changes it (`explain-shortfall.ts`).
 * @throws the source's codes: `source-has-no-video`, `source-unreadable`, `source-too-long` …; `waiting-for-disk`
 */
export function probe(deps: ActivityDeps, { videoId }: VideoRef): Promise<ProbeSummary> {
  const spec: HeavySpec = { videoId, stage: 'probe', piece: 'probe', onProcessingQueue: false };
  return doHeavyWork(deps, spec, async (attempt) => {
    const plan = attempt.run.plan ?? (await makePlan(deps, attempt));
    await reserveDisk(deps, attempt, plan);
    return summarize(plan);
  });
}

async function makePlan(deps: ActivityDeps, attempt: HeavyWork): Promise<EncodingPlan> {
  const info = await probeFile(await fetchSource(deps, attempt), {
    ...attempt.probeLimits(),
    timeoutMs: PROBE_TOOL_SECONDS * 1000,
  });
  const { settings, source } = attempt.run;
  const plan = await chooseDivision(deps, attempt.run, planEncoding(info, settings, source.kind));
  await asActiveRun(deps, attempt.video.id, async (tx, run) => {
    // An attempt that outlived its run must not plan for a file that is no longer read.
    if (!isSameSource(run.source, attempt.run.source)) throw new AppError('piece-missing');
    await savePlan(tx, run, info, plan);
    if (run.source.kind === 'processed') await inheritRenditions(tx, run, { info, plan });
    const steps = weighSteps(plan, run.settings).map((step) =>
      step.name === 'probe' ? { ...step, isDone: true } : step,
    );
    await enterSteps(tx, run.id, steps, { begin: false });
  });
  return plan;
}

/** Enters what need not be made again under the source that is read now. */
async function inheritRenditions(
  tx: EntityManager,
  run: Run,
  { info, plan }: { info: MediaInfo; plan: EncodingPlan },
): Promise<void> {
  const { settings, source } = run;
  const known = await listRenditions(tx, run.videoId);
  // Older than any run: what is to be made anew is not inherited.
  const ledger = { ...ledgerOf(run), version: 0 };
  for (const { piece, from } of findInheritable({ plan, settings, info, source }, known))
    await recordPiece(tx, ledger, piece, from);
}

function summarize(plan: EncodingPlan): ProbeSummary {
  const { widthPx, heightPx } = plan.video;
  const rate = Number(framesPerSecond(plan.frameRate).toFixed(3));
  const renditions = plan.renditions.map(({ quality }) => quality).join(' ');
  const sound = plan.audio === null ? ', no sound' : '';
  return {
    durationSeconds: plan.durationSeconds,
    text: `${widthPx}x${heightPx}, ${rate} fps, ${plan.durationSeconds.toFixed(1)} s${sound} → ${renditions}`,
  };
}
