import { stat } from 'node:fs/promises';

import { AppError } from '../domain/errors.ts';
import { checkFailed } from './check-failed.ts';
import { classifyFailure } from './classify-failure.ts';
import { OWN_INPUT_FLAGS } from './input-flags.ts';
import { ProcessFailure } from './process-failure.ts';
import { FFPROBE_LIMITS } from './process-limits.ts';
import { runProcess } from './run-process.ts';
import { type ToolLauncher, unconfinedLauncher } from './tool-launcher.ts';

export interface InspectTools {
  /** Absolute. */
  readonly ffprobePath: string;
  /** Default: no sandbox, only ties to this process and bounds. */
  readonly launcher?: ToolLauncher | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What a file of ours holds, as measured; nothing is judged here. */
export interface OutputInspection {
  readonly sizeBytes: number;
  readonly durationSeconds: number;
  readonly videoStreams: readonly InspectedVideo[];
  readonly audioStreams: readonly { readonly codec: string; readonly durationSeconds: number }[];
  readonly otherStreams: number;
  /** Of the first video stream, in seconds, in the order they are shown. */
  readonly frameTimes: readonly number[];
  /** Positions in `frameTimes`. */
  readonly keyFrames: readonly number[];
}

export interface InspectedVideo {
  readonly codec: string;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly isSquarePixels: boolean;
  readonly isRotated: boolean;
  readonly durationSeconds: number;
}

interface Headers {
  readonly format?: { readonly duration?: string };
  readonly streams?: readonly {
    readonly codec_type?: string;
    readonly codec_name?: string;
    readonly width?: number;
    readonly height?: number;
    readonly sample_aspect_ratio?: string;
    readonly duration?: string;
    readonly side_data_list?: readonly { readonly rotation?: number }[];
  }[];
}

/** Reads the headers of a file of ours and every packet of its picture; nothing is decoded. @throws `output-check-failed` */
export async function inspectOutput(file: string, tools: InspectTools): Promise<OutputInspection> {
  const { size } = await stat(file);
  const headers = await readHeaders(file, tools);
  const streams = headers.streams ?? [];
  const frames = streams.some(({ codec_type }) => codec_type === 'video')
    ? await readFrames(file, tools)
    : [];
  return {
    sizeBytes: size,
    durationSeconds: Number(headers.format?.duration ?? 0),
    videoStreams: streams
      .filter(({ codec_type }) => codec_type === 'video')
      .map((stream) => ({
        codec: stream.codec_name ?? 'unknown',
        widthPx: stream.width ?? 0,
        heightPx: stream.height ?? 0,
        isSquarePixels: (stream.sample_aspect_ratio ?? '1:1') === '1:1',
        isRotated: (stream.side_data_list ?? []).some(
          ({ rotation }) => rotation !== undefined && rotation !== 0,
        ),
        durationSeconds: Number(stream.duration ?? 0),
      })),
    audioStreams: streams
      .filter(({ codec_type }) => codec_type === 'audio')
      .map((stream) => ({
        codec: stream.codec_name ?? 'unknown',
        durationSeconds: Number(stream.duration ?? 0),
      })),
    otherStreams: streams.filter(
      ({ codec_type }) => codec_type !== 'video' && codec_type !== 'audio',
    ).length,
    frameTimes: frames.map(({ seconds }) => seconds),
    keyFrames: frames.flatMap(({ isKey }, position) => (isKey ? [position] : [])),
  };
}

async function readHeaders(file: string, tools: InspectTools): Promise<Headers> {
  const entries =
    'format=duration:stream=codec_type,codec_name,width,height,sample_aspect_ratio,duration:stream_side_data=rotation';
  const stdout = await probe(
    file,
    [...OWN_INPUT_FLAGS, '-show_entries', entries, '-of', 'json', '-i', file],
    tools,
  );
  return JSON.parse(stdout) as Headers;
}

interface Frame {
  readonly seconds: number;
  readonly isKey: boolean;
}

async function readFrames(file: string, tools: InspectTools): Promise<readonly Frame[]> {
  const frames: Frame[] = [];
  const onStdoutLine = (line: string): void => {
    const [time, flags] = line.split(',');
    const seconds = Number.parseFloat(time ?? '');
    if (Number.isFinite(seconds) && flags?.includes('D') !== true) {
      frames.push({ seconds, isKey: flags?.includes('K') === true });
    }
  };
  await probe(
    file,
    [
      ...OWN_INPUT_FLAGS,
      '-select_streams',
      'v:0',
      '-show_entries',
      'packet=pts_time,flags',
      '-of',
      'csv=p=0',
      '-i',
      file,
    ],
    tools,
    onStdoutLine,
  );
  return frames.sort((a, b) => a.seconds - b.seconds);
}

async function probe(
  file: string,
  args: readonly string[],
  { ffprobePath, launcher, timeoutMs, signal }: InspectTools,
  onStdoutLine?: (line: string) => void,
): Promise<string> {
  const { prefix, env } = (launcher ?? (await unconfinedLauncher())).launch(
    { reads: [file], writes: [] },
    FFPROBE_LIMITS,
  );
  try {
    const run = await runProcess({
      command: ffprobePath,
      args: ['-v', 'error', ...args],
      launchPrefix: prefix,
      env,
      signal,
      deadline: { budgetMs: timeoutMs },
      onStdoutLine,
    });
    return run.stdout;
  } catch (error) {
    throw error instanceof ProcessFailure ? classifyInspectFailure(error) : error;
  }
}

/** What we have made ourselves and cannot read is no fault of the source's. */
function classifyInspectFailure(failure: ProcessFailure): Error {
  const error = classifyFailure(failure, { hasFrames: true });
  if (error instanceof AppError && error.code === 'encoder-failed') {
    return checkFailed('structure', 'The file cannot be read.', {
      details: error.details,
      cause: failure,
    });
  }
  return error;
}
