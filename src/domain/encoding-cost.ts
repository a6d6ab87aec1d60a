import type { RenditionPlan } from './rendition-ladder.ts';

/**
 * What an encode costs, from measurements of ffmpeg 5.1 with x264 veryfast on one core of a 2.6 GHz server.
 *
 * Only good to a factor of two, which is what the planner needs: it keeps a piece within a quarter of its time budget. Costs
 * are CPU time per pixel of one frame.
 */
const DECODE_NS = 6;
const ENCODE_NS = 15;
const SCALE_NS = 2;
/**
 * Tone mapping works on the tallest rendition's pixels. HLG at 1080p, all five renditions with one thread, was measured at 149 ms
 * a frame in all; this table says 155.
 */
const TONE_MAP_NS = 36;
/** A shared virtual CPU is this much slower than the machine above. */
export const SLOW_HOST = 2;
/** Slower presets of x264 against veryfast. */
const PRESET_FACTORS: Readonly<Record<string, number>> = {
  ultrafast: 0.6,
  superfast: 0.8,
  veryfast: 1,
  faster: 1.5,
  fast: 1.8,
  medium: 2.1,
  slow: 3.5,
  slower: 7,
  veryslow: 12,
};

export interface CostInput {
  /** Of one frame as it is coded. */
  readonly sourcePixels: number;
  readonly renditions: readonly Pick<RenditionPlan, 'widthPx' | 'heightPx'>[];
  readonly toneMap: boolean;
  readonly preset: string;
}

/** CPU seconds for one frame in all renditions, on a slow host. */
export function estimateFrameCpuSeconds(input: CostInput): number {
  const pixels = input.renditions.map(({ widthPx, heightPx }) => widthPx * heightPx);
  const encoded = pixels.reduce((sum, count) => sum + count, 0);
  const tallest = Math.max(0, ...pixels);
  const encodeNs = ENCODE_NS * (PRESET_FACTORS[input.preset] ?? 2.5);
  const nanoseconds =
    input.sourcePixels * (DECODE_NS + SCALE_NS) +
    encoded * (encodeNs + SCALE_NS) +
    (input.toneMap ? tallest * TONE_MAP_NS : 0);
  return (nanoseconds * SLOW_HOST) / 1e9;
}

export interface JobInput {
  readonly frames: number;
  readonly frameCpuSeconds: number;
  readonly durationSeconds: number;
  readonly renditions: readonly Pick<RenditionPlan, 'rateControl'>[];
  readonly hasAudio: boolean;
  /** Of the source, where it is copied into the version as well. */
  readonly copiedBytes: number;
}

/** What a whole job is estimated to cost. */
export interface JobEstimate {
  /** On a slow host; good to a factor of two. */
  readonly cpuSeconds: number;
  /** Of the finished version; the work in between needs as much again. */
  readonly storedBytes: number;
}

/** Sound (0.7 s for 30 s of video), joining, checks and pictures, for one second of video. */
const OTHER_CPU_SECONDS = 0.06;
/** Of the cap: films and camera clips were measured between 0.6 and 0.85 of it. */
const SPENT_SHARE = 0.8;
const AUDIO_BPS = 128_000;

export function estimateJob(job: JobInput): JobEstimate {
  const pictureBps = job.renditions.reduce(
    (sum, { rateControl }) =>
      sum +
      (rateControl.kind === 'abr' ? rateControl.bitrateBps : rateControl.maxrateBps * SPENT_SHARE),
    0,
  );
  const soundBps = job.hasAudio ? job.renditions.length * AUDIO_BPS : 0;
  return {
    cpuSeconds: Math.ceil(
      job.frames * job.frameCpuSeconds + job.durationSeconds * OTHER_CPU_SECONDS * SLOW_HOST,
    ),
    storedBytes: Math.ceil(((pictureBps + soundBps) / 8) * job.durationSeconds + job.copiedBytes),
  };
}
