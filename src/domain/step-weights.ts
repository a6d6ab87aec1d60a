import { estimateFrameCpuSeconds, SLOW_HOST } from './encoding-cost.ts';
import type { EncodingPlan } from './encoding-plan.ts';
import type { RunSettings } from './run-settings.ts';

/**
 * What the steps beside the encode take, in seconds of the machine that `encoding-cost.ts` speaks of; measured with tools in
 * their sandbox. Only their ratio to the encode matters here.
 */
const PROBE_SECONDS = 0.4;
/** A claim on a slot, a look at the ledger. */
const STEP_SECONDS = 0.1;
/** Two looks at one file, its hash, its row. */
const CHECK_SECONDS = 0.2;
const COPY_PER_SECOND = 0.01;
const AUDIO_PER_SECOND = 0.025;
/** Join, packaging, check, hash. */
const RENDITION_SECONDS = 0.5;
const RENDITION_PER_MEGABIT = 0.003;
const PICTURE_SECONDS = 0.2;
/** Key frames of the smallest rendition alone are decoded. */
const STORYBOARD_PER_SECOND = 0.01;
const PUBLISH_SECONDS = 0.3;
/** Joins run two at a time. */
const JOIN_LANES = 2;

/** One step of a run. */
export interface StepWeight {
  /** By which its attempts are counted: `probe`, `copy`, `indexed-copy`, `chunk/0`, `audio`, `rendition/720p`, `thumbnails`. */
  readonly name: string;
  /** Percent of the whole job. */
  readonly weight: number;
}

/**
 * What each step of a run weighs: its share of the whole job's working time.
 *
 * What is missing to 100 is publishing, so that nothing else ends there. CPU seconds count as shared among all lanes and threads
 * that a lone video gets; how fast that really is, the run learns.
 */
export function weighSteps(
  plan: EncodingPlan,
  settings: Pick<RunSettings, 'preset' | 'lanes' | 'threads'>,
): readonly StepWeight[] {
  const seconds = new Map<string, number>([
    ['probe', PROBE_SECONDS],
    [
      'copy',
      STEP_SECONDS + (plan.conversion === 'copy' ? plan.durationSeconds * COPY_PER_SECOND : 0),
    ],
  ]);
  if (plan.needsIndex) {
    seconds.set('indexed-copy', STEP_SECONDS + plan.durationSeconds * COPY_PER_SECOND);
  }
  const lanes = Math.max(1, settings.lanes);
  const abreast = Math.min(lanes, plan.chunks.length);
  const frameSeconds = frameCpuSeconds(plan, settings.preset) / Math.max(1, settings.threads);
  for (const { index, firstFrame, endFrame } of plan.chunks) {
    const checks = plan.renditions.length * CHECK_SECONDS;
    const encode = (endFrame - firstFrame) * frameSeconds;
    seconds.set(`chunk/${index}`, (STEP_SECONDS + encode + checks) / abreast);
  }
  if (plan.audio !== null) {
    seconds.set('audio', (STEP_SECONDS + plan.durationSeconds * AUDIO_PER_SECOND) / lanes);
  }
  for (const { quality, rateControl } of plan.renditions) {
    const megabits = (rateControl.maxrateBps * plan.durationSeconds) / 1e6;
    const joined = RENDITION_SECONDS + megabits * RENDITION_PER_MEGABIT;
    seconds.set(`rendition/${quality}`, joined / Math.min(lanes, JOIN_LANES));
  }
  seconds.set('storyboard', STEP_SECONDS + plan.durationSeconds * STORYBOARD_PER_SECOND);
  seconds.set('thumbnails', STEP_SECONDS + plan.thumbnailTimes.length * PICTURE_SECONDS);

  const total = [...seconds.values()].reduce((sum, each) => sum + each, PUBLISH_SECONDS);
  return [...seconds].map(([name, each]) => ({ name, weight: (each / total) * 100 }));
}

/** On the machine that was measured, not on the slow one that budgets reckon with. */
function frameCpuSeconds({ video, renditions }: EncodingPlan, preset: string): number {
  const { widthPx, heightPx, toneMap } = video;
  const sourcePixels = widthPx * heightPx;
  return estimateFrameCpuSeconds({ sourcePixels, renditions, toneMap, preset }) / SLOW_HOST;
}
