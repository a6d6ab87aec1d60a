import type { Redo } from './redo.ts';
import type { OnTruncated, Profile, Quality } from './video.ts';

/** Which finished renditions are decoded to their end before they count: the smallest, or each of them. */
export type DecodeCheck = 'smallest' | 'all';

/**
 * What a run needs to know of the settings, taken when it is claimed and kept in its history.
 *
 * A workflow cannot read the environment, and a run must not change its mind in the middle.
 */
export interface RunSettings {
  readonly profile: Profile;
  readonly crf: number;
  readonly preset: string;
  /** Budget of one piece of work: tool time only, queueing and transfers not counted. */
  readonly timeoutSeconds: number;
  readonly maxDurationSeconds: number;
  /** Asked for by the uploader; null means 0, 25, 50 and 75 %. */
  readonly thumbnailTimestamps: readonly number[] | null;
  /** What becomes of a source that ends before it says so. */
  readonly onTruncated: OnTruncated;
  readonly platformFaultPatienceSeconds: number;
  /** Pieces of work that a worker does at the same time. */
  readonly lanes: number;
  /** Encoder threads of each piece: the cores, shared among the lanes. */
  readonly threads: number;
  /** For all encoders of a worker together. */
  readonly ffmpegMemoryMb: number;
  readonly decodeCheck: DecodeCheck;
  /** Where false, the original goes once the version is published. Older snapshots lack it: they keep. */
  readonly keepOriginal?: boolean;
  /** Renditions that are left out because somebody asked for that. */
  readonly skip?: readonly Quality[];
  /** Finished work that is made anew because somebody asked for that. */
  readonly redo?: Redo;
}
