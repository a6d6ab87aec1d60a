import { AppError } from '../domain/errors.ts';
import type { FrameRate } from '../domain/frame-rate.ts';
import type {
  AudioStreamInfo,
  MediaInfo,
  Rotation,
  VideoStreamInfo,
} from '../domain/media-info.ts';
import { LARGEST_SIDE_PX } from './input-flags.ts';

/** The part of `ffprobe -of json` that is read here. Numbers come as strings, and any field may be missing. */
export interface ProbeOutput {
  readonly format?: ProbeFormat;
  readonly streams?: readonly ProbeStream[];
}

interface ProbeFormat {
  readonly format_name?: string;
  readonly start_time?: string;
  readonly duration?: string;
  readonly size?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

interface ProbeStream {
  readonly index: number;
  readonly codec_type?: string;
  readonly codec_name?: string;
  readonly profile?: string;
  readonly width?: number;
  readonly height?: number;
  readonly pix_fmt?: string;
  readonly bits_per_raw_sample?: string;
  readonly sample_aspect_ratio?: string;
  readonly avg_frame_rate?: string;
  readonly r_frame_rate?: string;
  readonly start_time?: string;
  readonly duration?: string;
  readonly nb_frames?: string;
  readonly field_order?: string;
  readonly color_range?: string;
  readonly color_space?: string;
  readonly color_transfer?: string;
  readonly color_primaries?: string;
  readonly bit_rate?: string;
  readonly channels?: number;
  readonly sample_rate?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly disposition?: Readonly<Record<string, number>>;
  readonly side_data_list?: readonly { readonly rotation?: number }[];
}

/** What counting the packets gave. Times are those of the container. */
export interface PacketScan {
  /** Of the picture, those that an edit list hides left out. */
  readonly frames: number;
  /** Of the picture; null where its packets carry no times. */
  readonly durationSeconds: number | null;
  /** Where the last picture ends; null like `durationSeconds`. */
  readonly pictureEndSeconds: number | null;
  /** Where the last packet of any stream ends; null like `durationSeconds`. */
  readonly endSeconds: number | null;
}

/**
 * Turns ffprobe's JSON into `MediaInfo`. Pure.
 *
 * Picture: the first video stream that is not cover art. Sound: the default track, else the first, among those with a known
 * codec and channels.
 * @param scan  counted packets; they fill what the headers do not tell
 * @throws `source-has-no-video`, `source-unreadable`, `source-codec-unsupported`, `source-too-large-picture`
 */
export function parseProbe(probe: ProbeOutput, scan?: PacketScan): MediaInfo {
  const { format, streams = [] } = probe;
  if (format?.format_name === undefined) throw new AppError('source-unreadable');
  refuseFalseClaims(streams, finite(format.size) ?? Number.POSITIVE_INFINITY);
  const audio = chooseAudio(streams);
  return {
    formatNames: format.format_name.split(','),
    majorBrand: format.tags?.['major_brand']?.trim() ?? null,
    durationSeconds: toldDuration(format, scan),
    packetsEndSeconds: scan?.endSeconds ?? null,
    startSeconds: finite(format.start_time) ?? 0,
    sizeBytes: finite(format.size) ?? 0,
    video: parseVideo(chooseVideo(streams), format, scan),
    audio: audio === undefined ? null : parseAudio(audio),
    droppedAudio: streams.filter(
      (stream) => stream.codec_type === 'audio' && !isDecodableAudio(stream),
    ).length,
    streamCount: streams.length,
  };
}

/** Of a bare stream the prober guesses the length by its bytes. */
function toldDuration(format: ProbeFormat, scan: PacketScan | undefined): number | null {
  const told = format.format_name === 'mpegvideo' ? null : positive(format.duration);
  return told ?? scan?.durationSeconds ?? null;
}

/** The least that one packet has; of sound some formats count samples, two of which may share a byte. */
const PACKETS_PER_BYTE = { video: 1, audio: 2 } as const;

/** A header of 700 bytes can claim millions of packets, and every reader would make room for all of them: 24 bytes each. */
function refuseFalseClaims(streams: readonly ProbeStream[], sizeBytes: number): void {
  for (const { codec_type, nb_frames } of streams) {
    const perByte = codec_type === 'audio' ? PACKETS_PER_BYTE.audio : PACKETS_PER_BYTE.video;
    if ((positive(nb_frames) ?? 0) <= sizeBytes * perByte) continue;
    throw new AppError('source-unreadable', {
      detail: 'The header of the file claims more than the file can hold.',
      sizeBytes,
      packets: nb_frames ?? null,
    });
  }
}

function chooseVideo(streams: readonly ProbeStream[]): ProbeStream {
  const pictures = streams.filter(
    ({ codec_type, disposition }) =>
      codec_type === 'video' &&
      disposition?.['attached_pic'] !== 1 &&
      disposition?.['timed_thumbnails'] !== 1,
  );
  const chosen = pictures.find((stream) => hasKnownCodec(stream)) ?? pictures[0];
  if (chosen === undefined) throw new AppError('source-has-no-video');
  if (!hasKnownCodec(chosen)) {
    throw new AppError('source-codec-unsupported', {
      detail: 'The picture is coded in an unknown way.',
    });
  }
  return chosen;
}

function chooseAudio(streams: readonly ProbeStream[]): ProbeStream | undefined {
  const decodable = streams.filter((stream) => isDecodableAudio(stream));
  return decodable.find((stream) => stream.disposition?.['default'] === 1) ?? decodable[0];
}

function isDecodableAudio(stream: ProbeStream): boolean {
  return stream.codec_type === 'audio' && hasKnownCodec(stream) && (stream.channels ?? 0) > 0;
}

function hasKnownCodec({ codec_name }: ProbeStream): boolean {
  return codec_name !== undefined && codec_name !== 'none' && codec_name !== 'unknown';
}

function parseVideo(stream: ProbeStream, format: ProbeFormat, scan?: PacketScan): VideoStreamInfo {
  const codedWidthPx = stream.width ?? 0;
  const codedHeightPx = stream.height ?? 0;
  refuseImpossibleSize(codedWidthPx, codedHeightPx);

  const startSeconds = finite(stream.start_time) ?? finite(format.start_time) ?? 0;
  const durationSeconds = scan?.durationSeconds ?? streamDuration(stream, format, startSeconds);
  const frameCount = scan?.frames ?? positive(stream.nb_frames);
  const averageFrameRate = parseRate(stream.avg_frame_rate);
  const nominalFrameRate = parseRate(stream.r_frame_rate);
  const rotationDegrees = parseRotation(stream);
  const sampleAspectRatio = parseAspect(stream.sample_aspect_ratio);
  const shownWidthPx = Math.round((codedWidthPx * sampleAspectRatio.num) / sampleAspectRatio.den);
  const isTurned = rotationDegrees === 90 || rotationDegrees === 270;
  return {
    index: stream.index,
    codec: stream.codec_name ?? 'unknown',
    profile: known(stream.profile),
    pixelFormat: known(stream.pix_fmt),
    bitDepth: parseBitDepth(stream),
    codedWidthPx,
    codedHeightPx,
    displayWidthPx: isTurned ? codedHeightPx : shownWidthPx,
    displayHeightPx: isTurned ? shownWidthPx : codedHeightPx,
    rotationDegrees,
    sampleAspectRatio,
    averageFrameRate,
    nominalFrameRate,
    frameCount,
    startSeconds,
    durationSeconds,
    fieldOrder: ['tt', 'bb', 'tb', 'bt'].includes(stream.field_order ?? '')
      ? 'interlaced'
      : 'progressive',
    transfer: known(stream.color_transfer),
    primaries: known(stream.color_primaries),
    colorSpace: known(stream.color_space),
    fullRange: stream.color_range === 'pc' || (stream.pix_fmt ?? '').startsWith('yuvj'),
    bitrateBps: positive(stream.bit_rate),
  };
}

function refuseImpossibleSize(widthPx: number, heightPx: number): void {
  if (widthPx < 1 || heightPx < 1) {
    throw new AppError('source-unreadable', { detail: 'The size of the picture cannot be told.' });
  }
  if (Math.max(widthPx, heightPx) > LARGEST_SIDE_PX) {
    throw new AppError('source-too-large-picture', {
      detail: `The picture is ${widthPx}x${heightPx}; a side may have ${LARGEST_SIDE_PX} pixels.`,
    });
  }
}

function parseAudio(stream: ProbeStream): AudioStreamInfo {
  const startSeconds = finite(stream.start_time) ?? 0;
  return {
    index: stream.index,
    codec: stream.codec_name ?? 'unknown',
    profile: known(stream.profile),
    channels: stream.channels ?? 0,
    sampleRateHz: finite(stream.sample_rate) ?? 0,
    startSeconds,
    durationSeconds: positive(stream.duration) ?? taggedDuration(stream, startSeconds),
  };
}

function streamDuration(
  stream: ProbeStream,
  { format_name }: ProbeFormat,
  startSeconds: number,
): number | null {
  if (format_name === 'mpegvideo') return null;
  return positive(stream.duration) ?? taggedDuration(stream, startSeconds);
}

/** Matroska's `DURATION` tag (`00:00:02.005000000`) is where the stream ends, not how long it is. */
function taggedDuration({ tags }: ProbeStream, startSeconds: number): number | null {
  const match = /^(\d+):(\d\d):(\d\d(?:\.\d+)?)$/.exec(tags?.['DURATION'] ?? '');
  if (match === null) return null;
  const endSeconds = Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3]);
  const seconds = endSeconds - Math.max(0, startSeconds);
  return seconds > 0 ? Number(seconds.toFixed(6)) : null;
}

/** ffprobe counts anticlockwise; the old `rotate` tag counts clockwise. Slanted matrices go to the nearest right angle. */
function parseRotation({ side_data_list, tags }: ProbeStream): Rotation {
  const matrix = side_data_list?.find((data) => data.rotation !== undefined)?.rotation;
  const clockwise = matrix === undefined ? (finite(tags?.['rotate']) ?? 0) : -matrix;
  const quarters = ((Math.round(clockwise / 90) % 4) + 4) % 4;
  return ([0, 90, 180, 270] as const)[quarters] ?? 0;
}

/** Square where it is missing or absurd. */
function parseAspect(text: string | undefined): { num: number; den: number } {
  const ratio = parseFraction(text, ':');
  if (ratio === null) return { num: 1, den: 1 };
  const value = ratio.num / ratio.den;
  return value >= 0.1 && value <= 10 ? ratio : { num: 1, den: 1 };
}

function parseRate(text: string | undefined): FrameRate | null {
  return parseFraction(text, '/');
}

function parseFraction(
  text: string | undefined,
  separator: string,
): { num: number; den: number } | null {
  const [num, den] = (text ?? '').split(separator).map(Number);
  if (num === undefined || den === undefined || !(num > 0) || !(den > 0)) return null;
  return { num, den };
}

/** True for a rate that a camera or a screen recording can have: 1 to 120. */
export function isPlausible(rate: FrameRate | null): boolean {
  return rate !== null && rate.num / rate.den >= 1 && rate.num / rate.den <= 120;
}

function parseBitDepth({ bits_per_raw_sample, pix_fmt }: ProbeStream): number {
  const named = /(?:p|gray|gbrp?|p0)(9|10|12|14|16)(?:le|be)?$/.exec(pix_fmt ?? '')?.[1];
  return finite(named) ?? positive(bits_per_raw_sample) ?? 8;
}

function known(text: string | undefined): string | null {
  return text === undefined || text === 'unknown' || text === 'reserved' ? null : text;
}

function finite(text: string | undefined): number | null {
  if (text === undefined || text.trim() === '') return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

function positive(text: string | undefined): number | null {
  const value = finite(text);
  return value !== null && value > 0 ? value : null;
}
