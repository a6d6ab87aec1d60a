import type { EncodeThreads } from '../domain/encoding-memory.ts';
import type { RateControl } from '../domain/encoding-profile.ts';
import { type FrameRate, framesPerSecond } from '../domain/frame-rate.ts';
import type { ColorMatrix } from '../domain/media-info.ts';
import {
  AAC,
  type FfmpegCommand,
  formatSeconds,
  NO_METADATA,
  SIZE_FLOOR_BYTES,
} from './ffmpeg-command.ts';
import { UPLOAD_INPUT_FLAGS } from './input-flags.ts';

/**
 * The timestamps of a file that is read. They are kept as they are (`-copyts`): with `-start_at_zero` ffmpeg takes the first one
 * of the streams that are mapped for zero in some formats, so that sound and picture would lose their places.
 */
export interface SourceClock {
  /** The first one of any stream: seeking counts from there. */
  readonly firstSeconds: number;
  /** The one that `originSeconds` counts from. */
  readonly zeroSeconds: number;
}

/** One piece of the picture, all renditions at once: one decode, scaled in a cascade. */
export interface EncodeChunk {
  readonly sourcePath: string;
  readonly clock: SourceClock;
  readonly videoStreamIndex: number;
  /** The constant rate of every output. */
  readonly frameRate: FrameRate;
  /** Where the output's zero lies on the clock. */
  readonly originSeconds: number;
  /** On the grid of the output, counted from its beginning. */
  readonly firstFrame: number;
  /** Exclusive. */
  readonly endFrame: number;
  /** Frames between key frames. */
  readonly gopFrames: number;
  readonly interlaced: boolean;
  readonly toneMap: boolean;
  readonly colorMatrix: ColorMatrix;
  readonly preset: string;
  /** Tallest first. */
  readonly renditions: readonly EncodeRendition[];
  /** Undefined leaves the choice to decoder, filters and encoders. */
  readonly threads?: EncodeThreads;
}

export interface EncodeRendition {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rateControl: RateControl;
  readonly outputPath: string;
}

/** Decoded before a chunk's first frame and dropped: deinterlacers and open GOPs need what came before. */
const RUN_UP_SECONDS = 1;
const MARGIN_SECONDS = 1;
/** An encoder that keeps to its cap never comes near this; a file that grows past it is a fault. */
const SIZE_SAFETY = 3;

/**
 * Frames are placed on the grid of the whole video (`fps` on the source's own clock) and cut by their number, so that the
 * pieces are the same frames, whoever makes them and however many there are.
 * The first piece repeats its first picture back to zero where the sound begins earlier.
 */
export function encodeChunkArgs(chunk: EncodeChunk): FfmpegCommand {
  const rate = framesPerSecond(chunk.frameRate);
  const seconds = (chunk.endFrame - chunk.firstFrame) / rate;
  const { firstSeconds, zeroSeconds } = chunk.clock;
  const beginSeconds = zeroSeconds + chunk.originSeconds + chunk.firstFrame / rate;
  const seekSeconds = Math.max(0, beginSeconds - RUN_UP_SECONDS - firstSeconds);
  const leadSeconds = Math.max(0, beginSeconds - firstSeconds - seekSeconds);
  const input = {
    options: [
      ...UPLOAD_INPUT_FLAGS,
      ...decodingThreads(chunk.threads),
      '-copyts',
      ...(seekSeconds > 0 ? ['-ss', formatSeconds(seekSeconds)] : []),
      '-t',
      formatSeconds(leadSeconds + seconds + MARGIN_SECONDS),
    ],
    path: chunk.sourcePath,
  };
  return {
    inputs: [input],
    filterGraph: chunkFilterGraph(chunk),
    outputs: chunk.renditions.map((rendition, index) => ({
      options: [
        '-map',
        `[v${index}]`,
        '-an',
        '-sn',
        '-dn',
        ...NO_METADATA,
        ...x264Options(chunk, rendition),
        '-video_track_timescale',
        '90000',
        '-fs',
        String(sizeLimitBytes(rendition.rateControl, seconds)),
        '-f',
        'mp4',
      ],
      path: rendition.outputPath,
    })),
  };
}

/**
 * Left alone, a decoder takes a thread for each core of the machine and one more, each with pictures of its own: 50 MB of 4K HDR on
 * two cores, and more with every core.
 */
function decodingThreads(threads: EncodeThreads | undefined): readonly string[] {
  if (threads === undefined) return [];
  const count = String(threads.decode);
  return ['-threads', count, '-filter_complex_threads', count];
}

function chunkFilterGraph(chunk: EncodeChunk): string {
  const { num, den } = chunk.frameRate;
  const prepare = [
    ...(chunk.interlaced ? ['bwdif=mode=send_frame'] : []),
    `setpts=PTS-${formatSeconds(chunk.clock.zeroSeconds + chunk.originSeconds)}/TB`,
    `fps=fps=${num}/${den}${chunk.firstFrame === 0 ? ':start_time=0' : ''}`,
    `trim=start_pts=${chunk.firstFrame}:end_pts=${chunk.endFrame}`,
    `setpts=N/(${num}/${den})/TB`,
  ];
  const chains: string[] = [];
  let from = `[0:${chunk.videoStreamIndex}]${prepare.join(',')},`;
  chunk.renditions.forEach((rendition, index) => {
    const scaled = index === 0 ? firstScale(chunk, rendition) : scale(rendition);
    const isSmallest = index === chunk.renditions.length - 1;
    chains.push(`${from}${scaled}${isSmallest ? `[v${index}]` : `,split=2[v${index}][x${index}]`}`);
    from = `[x${index}]`;
  });
  return chains.join(';');
}

/** The tallest rendition's: brings colours to BT.709, limited range, 8 bit, once and for all. */
function firstScale(chunk: EncodeChunk, rendition: EncodeRendition): string {
  if (chunk.toneMap) return `${scale(rendition)},${TONE_MAP}`;
  const matrix = chunk.colorMatrix === 'tagged' ? '' : `:in_color_matrix=${chunk.colorMatrix}`;
  return `${scale(rendition, `${matrix}:out_color_matrix=bt709:out_range=tv`)},format=yuv420p`;
}

/** Costs more than the encode of the frame, so it comes after scaling. Without it HDR looks grey. */
const TONE_MAP = [
  'zscale=t=linear:npl=100',
  'format=gbrpf32le',
  'zscale=p=bt709',
  'tonemap=hable:desat=0',
  'zscale=t=bt709:m=bt709:r=tv',
  'format=yuv420p',
].join(',');

function scale({ widthPx, heightPx }: EncodeRendition, more = ''): string {
  return `scale=${widthPx}:${heightPx}:flags=bicubic${more},setsar=1`;
}

function x264Options(chunk: EncodeChunk, { rateControl }: EncodeRendition): readonly string[] {
  return [
    '-c:v',
    'libx264',
    '-preset',
    chunk.preset,
    '-profile:v',
    'high',
    '-pix_fmt',
    'yuv420p',
    ...(rateControl.kind === 'abr'
      ? ['-b:v', String(rateControl.bitrateBps)]
      : ['-crf', String(rateControl.crf)]),
    '-maxrate',
    String(rateControl.maxrateBps),
    '-bufsize',
    String(rateControl.bufsizeBps),
    '-g',
    String(chunk.gopFrames),
    '-keyint_min',
    String(chunk.gopFrames),
    '-sc_threshold',
    '0',
    '-color_primaries',
    'bt709',
    '-color_trc',
    'bt709',
    '-colorspace',
    'bt709',
    '-color_range',
    'tv',
    ...(chunk.threads === undefined ? [] : ['-threads:v', String(chunk.threads.encode)]),
  ];
}

function sizeLimitBytes(rateControl: RateControl, seconds: number): number {
  return SIZE_FLOOR_BYTES + Math.ceil((rateControl.maxrateBps / 8) * seconds * SIZE_SAFETY);
}

/** The sound of the whole video, once for all renditions. */
export interface EncodeAudio {
  readonly sourcePath: string;
  readonly audioStreamIndex: number;
  readonly clock: SourceClock;
  readonly originSeconds: number;
  /** Of the picture: sound lasts as long. */
  readonly durationSeconds: number;
  readonly outputPath: string;
}

/**
 * AAC, stereo, 48 kHz, 128 kb/s. A late start and an early end are filled with silence, so that sound and picture share their
 * zero and their length: players differ in what they do when one of them ends first.
 */
export function encodeAudioArgs(audio: EncodeAudio): FfmpegCommand {
  return {
    inputs: [{ options: [...UPLOAD_INPUT_FLAGS, '-copyts'], path: audio.sourcePath }],
    outputs: [
      {
        options: [
          '-map',
          `0:${audio.audioStreamIndex}`,
          '-vn',
          '-sn',
          '-dn',
          ...NO_METADATA,
          '-af',
          `asetpts=PTS-${formatSeconds(audio.clock.zeroSeconds + audio.originSeconds)}/TB,aresample=async=1:first_pts=0,apad`,
          ...AAC,
          '-t',
          formatSeconds(audio.durationSeconds),
          '-f',
          'mp4',
        ],
        path: audio.outputPath,
      },
    ],
  };
}
