import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createEncoderAdmission } from '../src/activities/encoder-admission.ts';
import type { Chunk } from '../src/domain/chunk-grid.ts';
import { type EncodeThreads, estimateEncodeMemoryMb } from '../src/domain/encoding-memory.ts';
import { type EncodingPlan, planEncoding } from '../src/domain/encoding-plan.ts';
import { AppError } from '../src/domain/errors.ts';
import type { MediaInfo } from '../src/domain/media-info.ts';
import type { RunSettings } from '../src/domain/run-settings.ts';
import { encodeChunkArgs } from '../src/media/encode-args.ts';
import { createFfmpeg } from '../src/media/ffmpeg.ts';
import { probeFile } from '../src/media/ffprobe.ts';
import { type BenchSource, makeSources } from './make-sources.ts';
import { measurePeak } from './peak-memory.ts';

/**
 * Prints what encodes of the product take in memory beside what `domain/encoding-memory.ts` says, and what the admission of
 * encoders makes of two videos at once: `npm run bench:memory`. Files given as arguments are measured too.
 */
const LANES = 2;
/** Of a machine of 2 GB. */
const DROPLET_BUDGET_MB = 819;
/** Encoder and decoder. */
const SPREADS: readonly EncodeThreads[] = [
  { encode: 1, decode: 1 },
  { encode: 1, decode: 2 },
  { encode: 2, decode: 2 },
];
const LONGEST_SECONDS = 2;
const OTHER_PRESETS = ['ultrafast', 'superfast', 'faster', 'fast', 'medium', 'slow'];
const PAIRS = ['SDR 1080p30 H.264', 'SDR 1080p30 HEVC', 'HDR10 1080p30 HEVC', 'HDR10 2160p60 HEVC'];

interface Job {
  readonly source: BenchSource;
  readonly info: MediaInfo;
  readonly plan: EncodingPlan;
  readonly settings: RunSettings;
}

/** Every encode writes files of its own. */
let outputs = 0;

const quiet = { debug: () => undefined };
const tools = {
  ffmpegPath: process.env['FFMPEG_PATH'] ?? '/usr/bin/ffmpeg',
  ffprobePath: process.env['FFPROBE_PATH'] ?? '/usr/bin/ffprobe',
};
const ffmpeg = await createFfmpeg({ ffmpegPath: tools.ffmpegPath, logger: quiet });
const folder = await mkdtemp(path.join(tmpdir(), 'steadyreel-bench-'));
try {
  print(`${ffmpeg.version}\n${availableParallelism()} cores; sources are being made …`);
  const made = await makeSources(folder);
  const given = process.argv.slice(2).map((file) => ({
    name: path.basename(file),
    path: path.resolve(file),
  }));
  await measureEstimates([...made, ...given]);
  await measurePairs(made);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measureEstimates(sources: readonly BenchSource[]): Promise<void> {
  print('\n| source | preset | threads | estimate MB | measured MB | ratio |');
  print('| --- | --- | --- | --- | --- | --- |');
  for (const source of sources) {
    const presets = source === sources[0] ? ['veryfast', ...OTHER_PRESETS] : ['veryfast'];
    for (const preset of presets) {
      const job = await prepare(source, preset);
      for (const threads of preset === 'veryfast' ? SPREADS : SPREADS.slice(0, 1)) {
        const estimate = estimateMb(job, threads);
        const { memoryMb } = await measurePeak(() => encode(job, job.plan.chunks[0], threads));
        const ratio = (estimate / memoryMb).toFixed(2);
        print(
          `| ${source.name} | ${preset} | ${say(threads)} | ${estimate} | ${memoryMb.toFixed(0)} | ${ratio} |`,
        );
      }
    }
  }
}

/** Two videos of a kind arrive together at a worker of two slots on a machine of 2 GB. */
async function measurePairs(sources: readonly BenchSource[]): Promise<void> {
  print(
    `\n| two at once, ${DROPLET_BUDGET_MB} MB | peak MB of all ffmpeg | encoders at once | threads |`,
  );
  print('| --- | --- | --- | --- |');
  for (const source of sources.filter(({ name }) => PAIRS.includes(name))) {
    const job = await prepare(source, 'veryfast');
    const threads: EncodeThreads[] = [];
    const { memoryMb, encoders } = await measurePeak(() => encodeTwice(job, threads));
    print(
      `| ${source.name} | ${memoryMb.toFixed(0)} | ${encoders} | ${threads.map(say).join(' ')} |`,
    );
  }
}

async function encodeTwice(job: Job, used: EncodeThreads[]): Promise<void> {
  const admission = createEncoderAdmission({
    budgetMb: DROPLET_BUDGET_MB,
    cores: availableParallelism(),
  });
  const waiting = job.plan.chunks.flatMap((chunk) => [1, 2].map((runId) => ({ runId, chunk })));
  const lane = async (): Promise<void> => {
    for (let piece = waiting.shift(); piece !== undefined; piece = waiting.shift()) {
      const { runId, chunk } = piece;
      const hasSiblings = waiting.some((other) => other.runId === runId);
      try {
        const room = admission.admit({
          runId,
          sharedThreads: job.settings.threads,
          hasSiblings,
          estimateMb: (threads) => estimateMb(job, threads),
        });
        used.push(room.threads);
        await encode(job, chunk, room.threads).finally(room.release);
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'waiting-for-memory') throw error;
        waiting.push(piece);
        await delay(200);
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

async function prepare(source: BenchSource, preset: string): Promise<Job> {
  const info = await probeFile(source.path, { ...tools, timeoutMs: 60_000 });
  const settings: RunSettings = {
    profile: 'ladder',
    crf: 22,
    preset,
    timeoutSeconds: 600,
    maxDurationSeconds: 3600,
    thumbnailTimestamps: null,
    onTruncated: 'fail',
    decodeCheck: 'smallest',
    platformFaultPatienceSeconds: 0,
    lanes: LANES,
    threads: Math.max(1, Math.floor(availableParallelism() / LANES)),
  };
  return { source, info, plan: planEncoding(info, settings), settings };
}

function estimateMb({ info, plan, settings }: Job, threads: EncodeThreads): number {
  const { codedWidthPx, codedHeightPx, bitDepth } = info.video;
  return estimateEncodeMemoryMb({
    sourcePixels: codedWidthPx * codedHeightPx,
    bitDepth,
    toneMap: plan.video.toneMap,
    renditions: plan.renditions,
    preset: settings.preset,
    threads,
  });
}

async function encode(job: Job, chunk: Chunk | undefined, threads: EncodeThreads): Promise<void> {
  if (chunk === undefined) throw new Error('the plan has no chunk');
  const { plan, settings, source } = job;
  const most = Math.round((LONGEST_SECONDS * plan.frameRate.num) / plan.frameRate.den);
  outputs += 1;
  const command = encodeChunkArgs({
    clock: { firstSeconds: plan.startSeconds, zeroSeconds: plan.startSeconds },
    sourcePath: source.path,
    videoStreamIndex: plan.video.streamIndex,
    frameRate: plan.frameRate,
    originSeconds: plan.originSeconds,
    firstFrame: chunk.firstFrame,
    endFrame: Math.min(chunk.endFrame, chunk.firstFrame + most),
    gopFrames: plan.gopFrames,
    interlaced: plan.video.interlaced,
    toneMap: plan.video.toneMap,
    colorMatrix: plan.video.colorMatrix,
    preset: settings.preset,
    renditions: plan.renditions.map((rendition) => ({
      ...rendition,
      outputPath: path.join(folder, `out-${outputs}-${rendition.quality}.mp4`),
    })),
    threads,
  });
  await ffmpeg.run(command, { budgetMs: 600_000, cwd: folder });
}

function say({ encode: encoder, decode }: EncodeThreads): string {
  return encoder === decode ? String(encoder) : `${encoder}, decoder ${decode}`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
