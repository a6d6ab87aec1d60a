import type { RenditionPlan } from './rendition-ladder.ts';

/**
 * What one encode of a chunk takes in memory at its peak: proportional set size of its ffmpeg, in MB of 1024² bytes.
 *
 * Measured with ffmpeg 5.1 by `npm run bench:memory`, which prints this table's figures beside what it sees. Frame rate does not
 * matter: everything that is kept is counted in frames.
 */
export interface EncodeMemoryInput {
  /** Of one frame as it is coded. */
  readonly sourcePixels: number;
  readonly bitDepth: number;
  readonly toneMap: boolean;
  readonly renditions: readonly Pick<RenditionPlan, 'widthPx' | 'heightPx'>[];
  readonly preset: string;
  readonly threads: EncodeThreads;
}

/** How one ffmpeg is spread over cores. */
export interface EncodeThreads {
  /** Of each rendition's encoder. */
  readonly encode: number;
  /** Of the decoder, and of the filters. */
  readonly decode: number;
}

/** Program, libraries and what does not grow with the picture. */
const BASE_MB = 70;
const MORE_THREADS_BASE_MB = 5;
/** An uncoded 4:2:0 picture of 8 bit. */
const BYTES_PER_PIXEL = 1.5;
/** Pictures that the decoder and the filters hold: references, reordering, and some for each thread. */
const DECODED_FRAMES = 7;
const DECODED_FRAMES_PER_THREAD = 1.5;
/** Tone mapping works on three 32-bit planes of the tallest rendition, and each of its steps keeps one. */
const TONE_MAP_BYTES_PER_PIXEL = 36;
/**
 * What x264 keeps for a pixel of a rendition: pictures looked ahead, references, B-frames. The last two presets are reckoned, not
 * measured: ten pictures ahead are 35 bytes, a reference is 5.
 */
const ENCODER_BYTES_PER_PIXEL: Readonly<Record<string, number>> = {
  ultrafast: 16,
  superfast: 54,
  veryfast: 80,
  faster: 116,
  fast: 151,
  medium: 188,
  slow: 228,
  slower: 280,
  veryslow: 360,
};
/** With more than one thread the lookahead has one of its own, and a queue; each thread has pictures in work. */
const LOOKAHEAD_THREAD_BYTES_PER_PIXEL = 20;
const BYTES_PER_PIXEL_PER_MORE_THREAD = 7.5;
/** Above what was measured: contents and versions differ. */
const MARGIN = 1.04;

/** MB at the peak, a little above what was measured. */
export function estimateEncodeMemoryMb(input: EncodeMemoryInput): number {
  const pixels = input.renditions.map(({ widthPx, heightPx }) => widthPx * heightPx);
  const encoded = pixels.reduce((sum, count) => sum + count, 0);
  const more = input.threads.encode - 1;
  const bytes =
    decodingBytes(input) +
    (input.toneMap ? Math.max(0, ...pixels) * TONE_MAP_BYTES_PER_PIXEL : 0) +
    encoded * encoderBytesPerPixel(input.preset, more);
  return Math.ceil((BASE_MB + more * MORE_THREADS_BASE_MB + bytes / 1024 ** 2) * MARGIN);
}

function decodingBytes({ sourcePixels, bitDepth, threads }: EncodeMemoryInput): number {
  const frames = DECODED_FRAMES + threads.decode * DECODED_FRAMES_PER_THREAD;
  return frames * sourcePixels * BYTES_PER_PIXEL * (bitDepth > 8 ? 2 : 1);
}

function encoderBytesPerPixel(preset: string, moreThreads: number): number {
  const slowest = Math.max(...Object.values(ENCODER_BYTES_PER_PIXEL));
  const alone = ENCODER_BYTES_PER_PIXEL[preset] ?? slowest;
  if (moreThreads === 0) return alone;
  return alone + LOOKAHEAD_THREAD_BYTES_PER_PIXEL + moreThreads * BYTES_PER_PIXEL_PER_MORE_THREAD;
}
