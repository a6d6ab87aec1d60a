import type { FrameRate } from './frame-rate.ts';

/**
 * Where players find the fragments of a packaged rendition: byte ranges of one file, from which playlists are written.
 *
 * Kept in the database as it is. Fragments are tuples, since six hours have ten thousand of them.
 */
export interface FragmentIndex {
  readonly video: VideoFragments;
  /** Null where the video has no sound. */
  readonly audio: AudioFragments | null;
}

export interface TrackFragments {
  /** RFC 6381, e.g. `avc1.64001f`. */
  readonly codec: string;
  /** Ticks in a second. */
  readonly timescale: number;
  /** What a decoder needs before any fragment. */
  readonly init: ByteSpan;
  /** In the order in which they are shown, without gaps, from zero on. */
  readonly fragments: readonly Fragment[];
}

export interface VideoFragments extends TrackFragments {
  readonly frameRate: FrameRate;
}

export interface AudioFragments extends TrackFragments {
  readonly channels: number;
  readonly sampleRateHz: number;
}

export type ByteSpan = readonly [offsetBytes: number, sizeBytes: number];
export type Fragment = readonly [offsetBytes: number, sizeBytes: number, durationTicks: number];

/** What all fragments last, in seconds. */
export function fragmentedSeconds({ fragments, timescale }: TrackFragments): number {
  return fragments.reduce((sum, [, , ticks]) => sum + ticks, 0) / timescale;
}

/** The longest fragment, in seconds. */
export function longestFragmentSeconds({ fragments, timescale }: TrackFragments): number {
  return Math.max(0, ...fragments.map(([, , ticks]) => ticks)) / timescale;
}

/** Bits in a second over the whole track. */
export function averageBitrateBps(track: TrackFragments): number {
  const bytes = track.fragments.reduce((sum, [, size]) => sum + size, 0);
  return bitrate(bytes, fragmentedSeconds(track));
}

/**
 * The largest bit rate of any run of neighbouring fragments that lasts between 0.5 and 1.5 times the longest fragment, so that
 * a last fragment of one frame does not count for itself. Source: RFC 8216 §4.1.
 */
export function peakBitrateBps(track: TrackFragments): number {
  const target = longestFragmentSeconds(track);
  let peak = averageBitrateBps(track);
  for (const [first] of track.fragments.entries()) {
    let bytes = 0;
    let ticks = 0;
    for (const [, size, duration] of track.fragments.slice(first, first + LONGEST_RUN)) {
      bytes += size;
      ticks += duration;
      const seconds = ticks / track.timescale;
      if (seconds > 1.5 * target) break;
      if (seconds >= 0.5 * target) peak = Math.max(peak, bitrate(bytes, seconds));
    }
  }
  return peak;
}

/** Fragments are of one length but for the last, so that a run has one or two. */
const LONGEST_RUN = 3;

function bitrate(bytes: number, seconds: number): number {
  return seconds > 0 ? Math.ceil((bytes * 8) / seconds) : 0;
}
