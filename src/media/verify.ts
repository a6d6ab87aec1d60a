import { AppError } from '../domain/errors.ts';
import { type FrameRate, framesPerSecond } from '../domain/frame-rate.ts';
import { allowedMissingSeconds } from '../domain/source-facts.ts';
import { checkFailed } from './check-failed.ts';
import {
  type InspectedVideo,
  inspectOutput,
  type InspectTools,
  type OutputInspection,
} from './inspect-output.ts';
import type { Mp4Structure } from './mp4-boxes.ts';
import {
  readStructure,
  requireFastStart,
  requireGrid,
  requirePicture,
  requirePictureLength,
  requireSoundLength,
  requireStreams,
} from './output-checks.ts';

/** What is known of a file that passed its check. */
export interface OutputFacts {
  readonly sizeBytes: number;
  readonly frames: number;
  readonly durationSeconds: number;
  readonly bitrateBps: number;
  /** RFC 6381, e.g. `avc1.64001f,mp4a.40.2`. */
  readonly codecs: string;
  /** What a decoder must know before the first frame; pieces with different ones cannot be joined. */
  readonly parameterSets: string;
  readonly hasAudio: boolean;
  readonly widthPx: number;
  readonly heightPx: number;
}

export interface ExpectedChunk {
  /** Planned for this piece. */
  readonly frames: number;
  readonly frameRate: FrameRate;
  readonly gopFrames: number;
  /** Only the last piece may be short, and only a little: a source's length is known to a frame or two. */
  readonly isLast: boolean;
  readonly widthPx: number;
  readonly heightPx: number;
}

export interface ExpectedRendition {
  /** What its pieces have in sum, as `verifyChunk` found. */
  readonly frames: number;
  readonly frameRate: FrameRate;
  readonly gopFrames: number;
  readonly hasAudio: boolean;
  readonly widthPx: number;
  readonly heightPx: number;
}

export interface ExpectedCopy {
  readonly durationSeconds: number;
  /** A source that ends before it says so is taken as it is. */
  readonly mayEndEarly: boolean;
  readonly hasAudio: boolean;
}

/**
 * Checks an encoded piece by its packets. Exit status 0 of the encoder proves nothing.
 * @throws `chunk-frames-wrong` (with `frames`, as found), `output-check-failed` for all else
 */
export async function verifyChunk(
  file: string,
  expected: ExpectedChunk,
  tools: InspectTools,
): Promise<OutputFacts> {
  const found = await inspectOutput(file, tools);
  const frames = found.frameTimes.length;
  if (frames !== expected.frames) refuseFrames(frames, expected);
  const video = requirePicture(found, expected);
  requireStreams(found, { hasAudio: false });
  requireGrid(found, expected);
  return toFacts({
    found,
    video,
    structure: await readStructure(file),
    frameRate: expected.frameRate,
  });
}

/** More than rounding explains is looked into, whatever the length of the video. */
const LAST_PIECE_SHORT_SECONDS = 0.5;

function refuseFrames(frames: number, expected: ExpectedChunk): void {
  const missing = expected.frames - frames;
  const rate = framesPerSecond(expected.frameRate);
  const allowed = Math.ceil(LAST_PIECE_SHORT_SECONDS * rate);
  if (expected.isLast && frames > 0 && missing > 0 && missing <= allowed) return;
  throw new AppError('chunk-frames-wrong', {
    detail: 'The piece has another number of frames than planned.',
    expectedFrames: expected.frames,
    frames,
  });
}

/**
 * Checks the encoded sound: nothing but that, and as long as the picture that it was made for.
 * @throws `output-check-failed`
 */
export async function verifySound(
  file: string,
  expected: { readonly durationSeconds: number },
  tools: InspectTools,
): Promise<{ readonly durationSeconds: number }> {
  const found = await inspectOutput(file, tools);
  requireStreams(found, { hasVideo: false, hasAudio: true });
  requireSoundLength(found, expected.durationSeconds);
  return { durationSeconds: found.durationSeconds };
}

/**
 * Checks a finished rendition: streams, size, every frame on the grid, key frames where they belong, sound as long as the
 * picture, index in front. Nothing is decoded: see `verifyDecodes`.
 * @throws `output-check-failed`
 */
export async function verifyRendition(
  file: string,
  expected: ExpectedRendition,
  tools: InspectTools,
): Promise<OutputFacts> {
  const found = await inspectOutput(file, tools);
  const video = requirePicture(found, expected);
  requireStreams(found, expected);
  if (found.frameTimes.length !== expected.frames) {
    throw checkFailed(
      'frame-count',
      'The rendition has another number of frames than its pieces.',
      {
        details: { expectedFrames: expected.frames, frames: found.frameTimes.length },
      },
    );
  }
  requireGrid(found, expected);
  requirePictureLength(video, expected.frames / framesPerSecond(expected.frameRate));
  requireSoundLength(found, video.durationSeconds);
  const structure = await readStructure(file);
  requireFastStart(structure);
  return toFacts({ found, video, structure, frameRate: expected.frameRate });
}

/**
 * Checks a stream copy: H.264 in an MP4 with the index in front, as long as the source.
 * @throws `source-truncated`, `output-check-failed`
 */
export async function verifyCopy(
  file: string,
  expected: ExpectedCopy,
  tools: InspectTools,
): Promise<OutputFacts> {
  const found = await inspectOutput(file, tools);
  const video = found.videoStreams[0];
  if (video?.codec !== 'h264') throw checkFailed('picture-codec', 'The copy has no H.264 picture.');
  requireStreams(found, expected);
  // Of the whole file: the picture's own length lacks what the sound begins earlier.
  const missing = expected.durationSeconds - found.durationSeconds;
  if (!expected.mayEndEarly && missing > allowedMissingSeconds(expected.durationSeconds)) {
    throw new AppError('source-truncated', {
      detail: `The file says ${expected.durationSeconds.toFixed(1)} s, but it ends after ${found.durationSeconds.toFixed(1)} s.`,
    });
  }
  const structure = await readStructure(file);
  requireFastStart(structure);
  return toFacts({ found, video, structure });
}

interface Checked {
  readonly found: OutputInspection;
  readonly video: InspectedVideo;
  readonly structure: Mp4Structure;
  readonly frameRate?: FrameRate;
}

function toFacts({ found, video, structure, frameRate }: Checked): OutputFacts {
  const frames = found.frameTimes.length;
  const durationSeconds =
    frameRate === undefined ? found.durationSeconds : frames / framesPerSecond(frameRate);
  return {
    sizeBytes: found.sizeBytes,
    frames,
    durationSeconds,
    bitrateBps: durationSeconds > 0 ? Math.round((found.sizeBytes * 8) / durationSeconds) : 0,
    codecs: structure.codecs,
    parameterSets: structure.parameterSets,
    hasAudio: found.audioStreams.length > 0,
    widthPx: video.widthPx,
    heightPx: video.heightPx,
  };
}
