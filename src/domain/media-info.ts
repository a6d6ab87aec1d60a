import type { FrameRate } from './frame-rate.ts';

/**
 * What a probe found in a source, in our own units; nobody else reads the prober's fields.
 *
 * Times are seconds on the container's clock, which need not begin at 0. A file without a usable picture has no `MediaInfo`.
 */
export interface MediaInfo {
  /** Every name of the container's format, e.g. `mov, mp4, m4a, 3gp, 3g2, mj2`. */
  readonly formatNames: readonly string[];
  /** Of the MP4 family only; `qt` is QuickTime. */
  readonly majorBrand: string | null;
  /** The longest stream's, as the container tells it. */
  readonly durationSeconds: number | null;
  /** Where the last packet of any stream ends; null where packets were not counted. */
  readonly packetsEndSeconds: number | null;
  /** The container's first timestamp; may be negative. */
  readonly startSeconds: number;
  readonly sizeBytes: number;
  readonly video: VideoStreamInfo;
  readonly audio: AudioStreamInfo | null;
  /** Sound tracks that cannot be decoded (no known codec, or no channels). */
  readonly droppedAudio: number;
  readonly streamCount: number;
}

export interface VideoStreamInfo {
  readonly index: number;
  readonly codec: string;
  readonly profile: string | null;
  readonly pixelFormat: string | null;
  readonly bitDepth: number;
  readonly codedWidthPx: number;
  readonly codedHeightPx: number;
  /** As a player shows it: sample aspect ratio applied, then turned upright; may be odd. */
  readonly displayWidthPx: number;
  readonly displayHeightPx: number;
  /** Clockwise turn that makes the coded picture upright. */
  readonly rotationDegrees: Rotation;
  readonly sampleAspectRatio: { readonly num: number; readonly den: number };
  readonly averageFrameRate: FrameRate | null;
  readonly nominalFrameRate: FrameRate | null;
  /** Frames in the file. Those that an edit list hides count too, so it is no promise of what is shown. */
  readonly frameCount: number | null;
  readonly startSeconds: number;
  readonly durationSeconds: number | null;
  readonly fieldOrder: 'progressive' | 'interlaced';
  /** Colour tags as ffprobe spells them (`smpte2084`, `bt709`, …); null where the file does not say. */
  readonly transfer: string | null;
  readonly primaries: string | null;
  readonly colorSpace: string | null;
  /** Luma from 0 to 255 rather than 16 to 235; phones do that. */
  readonly fullRange: boolean;
  readonly bitrateBps: number | null;
}

export interface AudioStreamInfo {
  readonly index: number;
  readonly codec: string;
  readonly profile: string | null;
  readonly channels: number;
  readonly sampleRateHz: number;
  readonly startSeconds: number;
  readonly durationSeconds: number | null;
}

export type Rotation = 0 | 90 | 180 | 270;

/** `tagged`: the frames say themselves how their colours are coded. */
export type ColorMatrix = 'tagged' | 'bt601' | 'bt709';

/**
 * How to read the colours of a picture. Where the file does not say, players take BT.709 for high definition and BT.601 below;
 * ffmpeg's scaler would take BT.601 for all of them and so shift the greens of most HD files.
 */
export function colorMatrixOf(
  video: Pick<VideoStreamInfo, 'colorSpace' | 'codedWidthPx' | 'codedHeightPx'>,
): ColorMatrix {
  if (video.colorSpace !== null) return 'tagged';
  return video.codedWidthPx >= 1280 || video.codedHeightPx > 576 ? 'bt709' : 'bt601';
}
