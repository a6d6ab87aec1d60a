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
  readonly interlaced: boolean;
  readonly toneMap: boolean;
  readonly renditions: readonly Pick<RenditionPlan, 'widthPx' | 'heightPx'>[];
  readonly preset: string;
  /** Of the decoder and of each encoder. */
  readonly threads: number;
}

/** What x264's presets keep: pictures looked ahead, B-frames in a row, reference frames (x264 r3095, `x264 --fullhelp`). */
interface KeptFrames {
  readonly lookahead: number;
  readonly bFrames: number;
  readonly references: number;
}

const KEPT_FRAMES: Readonly<Record<string, KeptFrames>> = {
  ultrafast: { lookahead: 0, bFrames: 0, references: 1 },
  superfast: { lookahead: 0, bFrames: 3, references: 1 },
  veryfast: { lookahead: 10, bFrames: 3, references: 1 },
  faster: { lookahead: 20, bFrames: 3, references: 2 },
  fast: { lookahead: 30, bFrames: 3, references: 2 },
  medium: { lookahead: 40, bFrames: 3, references: 3 },
  slow: { lookahead: 50, bFrames: 3, references: 5 },
  slower: { lookahead: 60, bFrames: 3, references: 8 },
  veryslow: { lookahead: 60, bFrames: 8, references: 16 },
};
const MOST_KEPT: KeptFrames = { lookahead: 60, bFrames: 8, references: 16 };

/** Program, libraries and what does not grow with the picture. */
const BASE_MB = 40;
/** An uncoded 4:2:0 picture. */
const BYTES_PER_PIXEL = 1.5;
/** Pictures that the decoder holds: references, reordering, and those on their way through the graph. */
const DECODED_FRAMES = 8;
const DEINTERLACED_FRAMES = 4;
/** Tone mapping works on three 32-bit planes, and each of its steps keeps some. */
const TONE_MAP_BYTES_PER_PIXEL = 60;
/** x264's copy of a picture that waits, with its halved copies for the lookahead. */
const WAITING_BYTES_PER_PIXEL = 3.2;
/** A reference picture with its planes for fractional motion. */
const REFERENCE_BYTES_PER_PIXEL = 5.5;

/** MB at the peak, a little above what was measured. */
export function estimateEncodeMemoryMb(input: EncodeMemoryInput): number {
  const pixels = input.renditions.map(({ widthPx, heightPx }) => widthPx * heightPx);
  const encoded = pixels.reduce((sum, count) => sum + count, 0);
  const bytes =
    decodingBytes(input) +
    (input.toneMap ? Math.max(0, ...pixels) * TONE_MAP_BYTES_PER_PIXEL : 0) +
    encoded * encoderBytesPerPixel(input.preset, input.threads);
  return Math.ceil(BASE_MB + bytes / 1024 ** 2);
}

function decodingBytes({ sourcePixels, bitDepth, interlaced, threads }: EncodeMemoryInput): number {
  const frameBytes = sourcePixels * BYTES_PER_PIXEL * (bitDepth > 8 ? 2 : 1);
  const frames = DECODED_FRAMES + (threads - 1) + (interlaced ? DEINTERLACED_FRAMES : 0);
  return frames * frameBytes;
}

/** Frame threads each have a picture in work; with more than one, the lookahead has a thread of its own and a queue before it. */
function encoderBytesPerPixel(preset: string, threads: number): number {
  const { lookahead, bFrames, references } = KEPT_FRAMES[preset] ?? MOST_KEPT;
  const queue = threads > 1 && lookahead > 0 ? bFrames + 1 : 0;
  const waiting = Math.max(bFrames, lookahead) + queue + threads + 3;
  const kept = references + threads + 2;
  return waiting * WAITING_BYTES_PER_PIXEL + kept * REFERENCE_BYTES_PER_PIXEL;
}
