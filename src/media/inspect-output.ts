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

/** Reads the headers of a file of ours and every packet in one pass; nothing is decoded. @throws `output-check-failed` */
export async function inspectOutput(file: string, tools: InspectTools): Promise<OutputInspection> {
  const { size } = await stat(file);
  const { streams, frames, durationSeconds } = await readSections(file, tools);
  const ofType = (type: string) => streams.filter((stream) => stream.get('codec_type') === type);
  const pictures = ofType('video');
  const sounds = ofType('audio');
  const first = pictures[0]?.get('index');
  const shown = frames
    .filter((frame) => frame.stream === first)
    .toSorted((a, b) => a.seconds - b.seconds);
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
    frameTimes: shown.map(({ seconds }) => seconds),
    keyFrames: shown.flatMap(({ isKey }, position) => (isKey ? [position] : [])),
  };
}

interface Packet {
  readonly stream: string;
  readonly seconds: number;
  readonly isKey: boolean;
}

interface Sections {
  readonly streams: readonly ReadonlyMap<string, string>[];
  /** Of all streams, in the order of the file. */
  readonly frames: readonly Packet[];
  readonly durationSeconds: number;
}

const ENTRIES =
  'packet=stream_index,pts_time,flags:format=duration:' +
  'stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,duration:stream_side_data=rotation';

/** One line for each packet, then for each stream, then for the file: `kind|name=value|name=value`. */
async function readSections(file: string, tools: InspectTools): Promise<Sections> {
  const streams: ReadonlyMap<string, string>[] = [];
  const frames: Packet[] = [];
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
    frames.push({ stream: fields.get('stream_index') ?? '', seconds, isKey: flags.includes('K') });
  };
  await probe(
    file,
    [...OWN_INPUT_FLAGS, '-show_entries', ENTRIES, '-of', 'compact', '-i', file],
    tools,
    takeLine,
  );
  return { streams, frames, durationSeconds };
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
