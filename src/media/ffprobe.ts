import { stat } from 'node:fs/promises';
import path from 'node:path';

import { AppError } from '../domain/errors.ts';
import type { MediaInfo } from '../domain/media-info.ts';
import { classifyFailure } from './classify-failure.ts';
import { UPLOAD_INPUT_FLAGS } from './input-flags.ts';
import { FFPROBE_LIMITS } from './process-limits.ts';
import { isPlausible, type PacketScan, parseProbe, type ProbeOutput } from './parse-probe.ts';
import { ProcessFailure } from './process-failure.ts';
import { runProcess } from './run-process.ts';
import { type ToolLauncher, unconfinedLauncher } from './tool-launcher.ts';

export interface ProbeOptions {
  /** Absolute. */
  readonly ffprobePath: string;
  /** Default: no sandbox, only ties to this process and bounds. */
  readonly launcher?: ToolLauncher | undefined;
  /** Time for ffprobe itself. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Only what `parseProbe` reads: a title of megabytes never comes here. */
const SHOWN_ENTRIES = [
  'format=format_name,start_time,duration,size',
  'format_tags=major_brand',
  'stream=index,codec_type,codec_name,profile,width,height,pix_fmt,bits_per_raw_sample,sample_aspect_ratio,avg_frame_rate,' +
    'r_frame_rate,start_time,duration,nb_frames,field_order,color_range,color_space,color_transfer,color_primaries,bit_rate,' +
    'channels,sample_rate',
  'stream_tags=rotate,DURATION',
  'stream_disposition=default,attached_pic,timed_thumbnails',
  'stream_side_data=rotation',
].join(':');

/** A video with so few bytes for its length is counted: it may be a gap between two frames. */
const SPARSE_SECONDS = 600;
const SPARSE_BYTES_PER_SECOND = 1000;

const CHECK_MS = 20_000;

/** Whether a program says of itself that it is ffprobe. Any other reads nothing out of a file, and the file would be blamed. */
export async function isFfprobe(ffprobePath: string): Promise<boolean> {
  const bare = (await unconfinedLauncher()).launch({ reads: [], writes: [] }, FFPROBE_LIMITS);
  try {
    const { stdout } = await runProcess({
      command: ffprobePath,
      args: ['-version'],
      launchPrefix: bare.prefix,
      env: bare.env,
      deadline: { budgetMs: CHECK_MS },
    });
    return stdout.startsWith('ffprobe version');
  } catch (error) {
    if (error instanceof ProcessFailure && error.exitCode !== null) return false;
    throw error;
  }
}

/**
 * Reads what a source is, treating it as hostile. The file must be complete; its name is one of ours, absolute.
 *
 * Where the headers do not tell the length or a plausible rate of the picture, its packets are counted.
 * @throws `source-empty`, `source-unreadable`, `source-format-not-allowed`, `source-too-many-streams`,
 *   `source-too-large-picture`, `source-has-no-video`, `source-codec-unsupported`, `processing-timeout`
 */
export async function probeFile(file: string, options: ProbeOptions): Promise<MediaInfo> {
  if (!path.isAbsolute(file)) throw new Error(`tools get absolute paths only: ${file}`);
  const { size } = await stat(file);
  if (size === 0) throw new AppError('source-empty');

  const startedAt = performance.now();
  const probe = await readHeaders(file, options);
  const info = parseProbe(probe);
  if (!needsScan(info)) return info;

  const timeoutMs = options.timeoutMs - (performance.now() - startedAt);
  try {
    const scan = await countPackets(file, info.video.index, { ...options, timeoutMs });
    return scan.frames === 0 ? info : parseProbe(probe, scan);
  } catch (error) {
    // Counting reads the whole file. Too large for the time: what the headers say has to do.
    if (isTimeout(error) && info.durationSeconds !== null) return info;
    throw error;
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof AppError && error.code === 'processing-timeout';
}

function needsScan({ video, audio, durationSeconds, sizeBytes }: MediaInfo): boolean {
  if (durationSeconds === null) return true;
  // The container's length may be that of the sound.
  if (video.durationSeconds === null && audio !== null) return true;
  if (
    !isPlausible(video.averageFrameRate) &&
    !isPlausible(video.nominalFrameRate) &&
    video.frameCount === null
  )
    return true;
  const isSparse =
    durationSeconds > SPARSE_SECONDS && sizeBytes / durationSeconds < SPARSE_BYTES_PER_SECOND;
  return isSparse && video.frameCount === null;
}

async function readHeaders(file: string, options: ProbeOptions): Promise<ProbeOutput> {
  const { stdout } = await runProbe({
    file,
    args: [
      '-v',
      'error',
      ...UPLOAD_INPUT_FLAGS,
      '-show_entries',
      SHOWN_ENTRIES,
      '-of',
      'json',
      '-i',
      file,
    ],
    ...options,
  });
  try {
    return JSON.parse(stdout) as ProbeOutput;
  } catch (cause) {
    throw new AppError('source-unreadable', {}, { cause });
  }
}

/**
 * Reads the whole file and counts its packets, without decoding anything.
 * @param videoIndex  of the picture
 */
export async function countPackets(
  file: string,
  videoIndex: number,
  options: ProbeOptions,
): Promise<PacketScan> {
  let frames = 0;
  let firstSeconds = Number.POSITIVE_INFINITY;
  let endSeconds = Number.NEGATIVE_INFINITY;
  let lastSeconds = Number.NEGATIVE_INFINITY;
  let lastLengthSeconds = 0;
  const onStdoutLine = (line: string): void => {
    const [stream, shownAt, decodedAt, length, flags] = line.split(',');
    // `D`: hidden by an edit list.
    if (flags?.includes('D') === true) return;
    const isPicture = firstNumber(stream) === videoIndex;
    if (isPicture) frames += 1;
    const seconds = firstNumber(shownAt, decodedAt);
    if (seconds === undefined) return;
    const lengthSeconds = firstNumber(length) ?? 0;
    endSeconds = Math.max(endSeconds, seconds + lengthSeconds);
    if (!isPicture) return;
    firstSeconds = Math.min(firstSeconds, seconds);
    if (seconds < lastSeconds) return;
    lastSeconds = seconds;
    lastLengthSeconds = lengthSeconds;
  };
  await runProbe({
    file,
    args: [
      '-v',
      'error',
      ...UPLOAD_INPUT_FLAGS,
      '-show_entries',
      'packet=stream_index,pts_time,dts_time,duration_time,flags',
      '-of',
      'csv=p=0',
      '-i',
      file,
    ],
    onStdoutLine,
    ...options,
  });
  const spanSeconds = lastSeconds - firstSeconds;
  const meanSeconds = frames > 1 ? spanSeconds / (frames - 1) : 0;
  const shownSeconds = lastLengthSeconds > 0 ? lastLengthSeconds : meanSeconds;
  const isTimed = Number.isFinite(spanSeconds) && spanSeconds + shownSeconds > 0;
  if (!isTimed) return { frames, durationSeconds: null, pictureEndSeconds: null, endSeconds: null };
  const pictureEndSeconds = lastSeconds + shownSeconds;
  return {
    frames,
    durationSeconds: pictureEndSeconds - firstSeconds,
    pictureEndSeconds,
    endSeconds: Math.max(endSeconds, pictureEndSeconds),
  };
}

function firstNumber(...texts: readonly (string | undefined)[]): number | undefined {
  return texts.map((text) => Number.parseFloat(text ?? '')).find((value) => !Number.isNaN(value));
}

interface ProbeRun extends ProbeOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly onStdoutLine?: (line: string) => void;
}

async function runProbe({
  file,
  args,
  onStdoutLine,
  ffprobePath,
  launcher,
  timeoutMs,
  signal,
}: ProbeRun): Promise<{ stdout: string }> {
  const { prefix, env } = (launcher ?? (await unconfinedLauncher())).launch(
    { reads: [file], writes: [] },
    FFPROBE_LIMITS,
  );
  try {
    return await runProcess({
      command: ffprobePath,
      args,
      launchPrefix: prefix,
      env,
      onStdoutLine,
      signal,
      deadline: { budgetMs: timeoutMs },
    });
  } catch (error) {
    throw error instanceof ProcessFailure ? classifyProbeFailure(error) : error;
  }
}

/** ffprobe that fails for no reason of the host's has met a file it cannot read. */
function classifyProbeFailure(failure: ProcessFailure): Error {
  const error = classifyFailure(failure, { hasFrames: false });
  if (!(error instanceof AppError)) return error;
  if (error.code === 'encoder-failed')
    return new AppError('source-unreadable', error.details, { cause: failure });
  // Its own bound was met, not the host's: an honest file of any length stays far below.
  const isBounded = error.code === 'encoder-out-of-memory' && failure.exitCode === 1;
  if (!isBounded) return error;
  const detail = 'The headers of the file claim more than can be held in memory.';
  return new AppError('source-unreadable', { detail, ...error.details }, { cause: failure });
}
