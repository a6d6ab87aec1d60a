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
  readonly frameTimes: Float64Array;
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

/** Reads the headers of a file of ours and every packet in one pass; nothing is decoded. @throws `output-check-failed` */
export async function inspectOutput(file: string, tools: InspectTools): Promise<OutputInspection> {
  const { size } = await stat(file);
  const { streams, packets, durationSeconds } = await readSections(file, tools);
  const ofType = (type: string) => streams.filter((stream) => stream.get('codec_type') === type);
  const pictures = ofType('video');
  const sounds = ofType('audio');
  const first = packets.get(pictures[0]?.get('index') ?? '');
  const frameTimes = Float64Array.from(first?.times ?? []).toSorted();
  return {
    sizeBytes: size,
    durationSeconds,
    videoStreams: pictures.map((stream) => ({
      codec: stream.get('codec_name') ?? 'unknown',
      widthPx: Number(stream.get('width') ?? 0),
      heightPx: Number(stream.get('height') ?? 0),
      isSquarePixels: (stream.get('sample_aspect_ratio') ?? '1:1') === '1:1',
      isRotated: Number(stream.get('rotation') ?? 0) !== 0,
      durationSeconds: Number(stream.get('duration') ?? 0),
    })),
    audioStreams: sounds.map((stream) => ({
      codec: stream.get('codec_name') ?? 'unknown',
      durationSeconds: Number(stream.get('duration') ?? 0),
    })),
    otherStreams: streams.length - pictures.length - sounds.length,
    frameTimes,
    keyFrames: findPositions(first?.keyTimes ?? [], frameTimes),
  };
}

/** Where some of the sorted times stand among all of them. */
function findPositions(some: readonly number[], sorted: Float64Array): readonly number[] {
  let position = 0;
  return Array.from(Float64Array.from(some).toSorted(), (time) => {
    while ((sorted[position] ?? time) < time) position += 1;
    return position;
  });
}

/** Plain numbers, in the order of the file: six hours have millions. */
interface Packets {
  readonly times: number[];
  readonly keyTimes: number[];
}

interface Sections {
  readonly streams: readonly ReadonlyMap<string, string>[];
  /** What is shown of each stream, by its index. */
  readonly packets: ReadonlyMap<string, Packets>;
  readonly durationSeconds: number;
}

const ENTRIES =
  'packet=stream_index,pts_time,flags:format=duration:' +
  'stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,duration:stream_side_data=rotation';

/** One line for each packet, then for each stream, then for the file: `kind|name=value|name=value`. */
async function readSections(file: string, tools: InspectTools): Promise<Sections> {
  const streams: ReadonlyMap<string, string>[] = [];
  const packets = new Map<string, Packets>();
  let durationSeconds = 0;
  const takeLine = (line: string): void => {
    const [kind, ...pairs] = line.split('|');
    const fields = new Map(pairs.map((pair) => pair.split('=', 2) as [string, string]));
    if (kind === 'stream') streams.push(fields);
    if (kind === 'format') durationSeconds = Number(fields.get('duration') ?? 0);
    if (kind !== 'packet') return;
    const seconds = Number.parseFloat(fields.get('pts_time') ?? '');
    const flags = fields.get('flags') ?? '';
    if (!Number.isFinite(seconds) || flags.includes('D')) return;
    const stream = fields.get('stream_index') ?? '';
    const known = packets.get(stream) ?? { times: [], keyTimes: [] };
    packets.set(stream, known);
    known.times.push(seconds);
    if (flags.includes('K')) known.keyTimes.push(seconds);
  };
  await probe(
    file,
    [...OWN_INPUT_FLAGS, '-show_entries', ENTRIES, '-of', 'compact', '-i', file],
    tools,
    takeLine,
  );
  return { streams, packets, durationSeconds };
}

async function probe(
  file: string,
  args: readonly string[],
  { ffprobePath, launcher, timeoutMs, signal }: InspectTools,
  onStdoutLine: (line: string) => void,
): Promise<void> {
  const { prefix, env } = (launcher ?? (await unconfinedLauncher())).launch(
    { reads: [file], writes: [] },
    FFPROBE_LIMITS,
  );
  try {
    await runProcess({
      command: ffprobePath,
      args: ['-v', 'error', ...args],
      launchPrefix: prefix,
      env,
      signal,
      deadline: { budgetMs: timeoutMs },
      onStdoutLine,
    });
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
