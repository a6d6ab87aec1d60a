import type { RateControl } from '../domain/encoding-profile.ts';
import { type FrameRate, framesPerSecond } from '../domain/frame-rate.ts';
import type { ColorMatrix } from '../domain/media-info.ts';
import { OWN_INPUT_FLAGS, UPLOAD_INPUT_FLAGS } from './input-flags.ts';

/**
 * From intents to ffmpeg's arguments. Pure: what is asked for, in; which words are said to ffmpeg, out.
 *
 * Paths are absolute and of our own making, never a user's name. Input options stand before their `-i`, output options before
 * their file, as ffmpeg wants it.
 */
export interface FfmpegCommand {
  readonly inputs: readonly FfmpegFile[];
  readonly filterGraph?: string;
  readonly outputs: readonly FfmpegFile[];
}

export interface FfmpegFile {
  readonly options: readonly string[];
  readonly path: string;
}

/** One piece of the picture, all renditions at once: one decode, scaled in a cascade. */
export interface EncodeChunk {
  readonly sourcePath: string;
  readonly videoStreamIndex: number;
  /** The constant rate of every output. */
  readonly frameRate: FrameRate;
  /** Where the output's zero lies after the source's first timestamp. */
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
  /** Of each encoder; 0 leaves the choice to x264. */
  readonly threads: number;
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
const SIZE_FLOOR_BYTES = 64 * 1024 * 1024;

const NO_METADATA = ['-map_metadata', '-1', '-map_chapters', '-1'];

/**
 * Frames are placed on the grid of the whole video (`fps` on the source's own clock) and cut by their number, so that the
 * pieces are the same frames, whoever makes them and however many there are.
 * The first piece repeats its first picture back to zero where the sound begins earlier.
 */
export function encodeChunkArgs(chunk: EncodeChunk): FfmpegCommand {
  const rate = framesPerSecond(chunk.frameRate);
  const seconds = (chunk.endFrame - chunk.firstFrame) / rate;
  const seekSeconds = Math.max(0, chunk.firstFrame / rate + chunk.originSeconds - RUN_UP_SECONDS);
  const leadSeconds = chunk.firstFrame / rate + chunk.originSeconds - seekSeconds;
  const input = {
    options: [
      ...UPLOAD_INPUT_FLAGS,
      '-copyts',
      '-start_at_zero',
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

function chunkFilterGraph(chunk: EncodeChunk): string {
  const { num, den } = chunk.frameRate;
  const prepare = [
    ...(chunk.interlaced ? ['bwdif=mode=send_frame'] : []),
    `setpts=PTS-${formatSeconds(chunk.originSeconds)}/TB`,
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
    ...(chunk.threads > 0 ? ['-threads:v', String(chunk.threads)] : []),
  ];
}

function sizeLimitBytes(rateControl: RateControl, seconds: number): number {
  return SIZE_FLOOR_BYTES + Math.ceil((rateControl.maxrateBps / 8) * seconds * SIZE_SAFETY);
}

/** The sound of the whole video, once for all renditions. */
export interface EncodeAudio {
  readonly sourcePath: string;
  readonly audioStreamIndex: number;
  readonly originSeconds: number;
  /** Of the picture: sound does not go on after it. */
  readonly durationSeconds: number;
  readonly outputPath: string;
}

/** AAC, stereo, 48 kHz, 128 kb/s. A late start is filled with silence, so that sound and picture share their zero. */
export function encodeAudioArgs(audio: EncodeAudio): FfmpegCommand {
  return {
    inputs: [
      { options: [...UPLOAD_INPUT_FLAGS, '-copyts', '-start_at_zero'], path: audio.sourcePath },
    ],
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
          `asetpts=PTS-${formatSeconds(audio.originSeconds)}/TB,aresample=async=1:first_pts=0`,
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

const AAC = ['-c:a', 'aac', '-b:a', '128k', '-ac', '2', '-ar', '48000'];

/** The picture of a source that is H.264 already, in an MP4 that starts to play at once. */
export interface CopyToMp4 {
  readonly sourcePath: string;
  readonly videoStreamIndex: number;
  /** `copyable`: AAC-LC with at most two channels; other sound becomes AAC. */
  readonly audio: { readonly streamIndex: number; readonly copyable: boolean } | null;
  /** Of the source: a copy cannot be much larger. */
  readonly sizeBytes: number;
  readonly outputPath: string;
}

export function copyToMp4Args(copy: CopyToMp4): FfmpegCommand {
  const sound =
    copy.audio === null
      ? ['-an']
      : [
          '-map',
          `0:${copy.audio.streamIndex}`,
          ...(copy.audio.copyable ? ['-c:a', 'copy'] : ['-af', 'aresample=async=1', ...AAC]),
        ];
  return {
    inputs: [{ options: [...UPLOAD_INPUT_FLAGS, '-fflags', '+genpts'], path: copy.sourcePath }],
    outputs: [
      {
        options: [
          '-map',
          `0:${copy.videoStreamIndex}`,
          '-c:v',
          'copy',
          ...sound,
          '-sn',
          '-dn',
          ...NO_METADATA,
          '-movflags',
          '+faststart',
          '-fs',
          String(SIZE_FLOOR_BYTES + copy.sizeBytes * 2),
          '-f',
          'mp4',
        ],
        path: copy.outputPath,
      },
    ],
  };
}

/** Joins a rendition's pieces and the sound, by copy. */
export interface MuxRendition {
  /** What `concatList` gave, written to a file beside the pieces. */
  readonly listPath: string;
  readonly audioPath: string | null;
  readonly outputPath: string;
}

export function muxRenditionArgs(mux: MuxRendition): FfmpegCommand {
  const pieces = {
    options: [...OWN_INPUT_FLAGS, '-f', 'concat', '-safe', '0'],
    path: mux.listPath,
  };
  const sound = mux.audioPath === null ? [] : [{ options: OWN_INPUT_FLAGS, path: mux.audioPath }];
  return {
    inputs: [pieces, ...sound],
    outputs: [
      {
        options: [
          '-map',
          '0:v:0',
          ...(mux.audioPath === null ? ['-an'] : ['-map', '1:a:0']),
          '-c',
          'copy',
          ...NO_METADATA,
          '-video_track_timescale',
          '90000',
          '-movflags',
          '+faststart',
          '-f',
          'mp4',
        ],
        path: mux.outputPath,
      },
    ],
  };
}

export interface ConcatPiece {
  readonly path: string;
  readonly frames: number;
}

/** The list of pieces for `muxRenditionArgs`. Without the exact durations there is a step of 0.3 ms at each join. */
export function concatList(pieces: readonly ConcatPiece[], frameRate: FrameRate): string {
  const lines = pieces.map(({ path, frames }) => {
    const quoted = path.replaceAll("'", String.raw`'\''`);
    return `file '${quoted}'\nduration ${formatSeconds(frames / framesPerSecond(frameRate))}\n`;
  });
  return `ffconcat version 1.0\n${lines.join('')}`;
}

/** One picture of a finished rendition. */
export interface Thumbnail {
  readonly sourcePath: string;
  /** `last`: the very last picture, wherever that is. */
  readonly atSeconds: number | 'last';
  /** Takes the most telling one of the next two seconds' pictures, looking at every nth; null takes the one at `atSeconds`. */
  readonly chooseEvery: number | null;
  /** Where there is a choice, black pictures are none; nothing comes out where all are black. */
  readonly avoidBlack?: boolean;
  readonly outputPath: string;
}

/** A picture whose pixels are nearly all darker than a dark night: titles on black are none. */
const NOT_BLACK =
  'blackframe=amount=0:threshold=32,metadata=mode=select:key=lavfi.blackframe.pblack:value=98:function=less';

export function thumbnailArgs({
  sourcePath,
  atSeconds,
  chooseEvery,
  avoidBlack = false,
  outputPath,
}: Thumbnail): FfmpegCommand {
  const seek = atSeconds === 'last' ? ['-sseof', '-2'] : ['-ss', formatSeconds(atSeconds)];
  const reach = chooseEvery === null ? [] : ['-t', '2'];
  const lit = avoidBlack ? `${NOT_BLACK},` : '';
  const choice =
    chooseEvery === null ? [] : ['-vf', `select=not(mod(n\\,${chooseEvery})),${lit}thumbnail=n=20`];
  return {
    inputs: [
      {
        options: [...OWN_INPUT_FLAGS, ...seek, ...reach],
        path: sourcePath,
      },
    ],
    outputs: [
      {
        options: [
          '-map',
          '0:v:0',
          '-an',
          ...NO_METADATA,
          ...choice,
          // Of the last two seconds each picture overwrites the one before.
          ...(atSeconds === 'last' ? [] : ['-frames:v', '1']),
          '-q:v',
          '3',
          '-update',
          '1',
          '-f',
          'image2',
        ],
        path: outputPath,
      },
    ],
  };
}

/** Microseconds, never an exponent. */
function formatSeconds(seconds: number): string {
  return String(Number(seconds.toFixed(6)));
}
