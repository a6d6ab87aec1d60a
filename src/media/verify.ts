import { AppError, type ErrorDetails } from '../domain/errors.ts';
import { type FrameRate, framesPerSecond } from '../domain/frame-rate.ts';
import { allowedMissingSeconds } from '../domain/source-facts.ts';
import {
  type InspectedVideo,
  inspectOutput,
  type InspectTools,
  type OutputInspection,
} from './inspect-output.ts';
import { type Mp4Structure, readMp4Structure } from './mp4-boxes.ts';

/** What is known of a file that passed its check. */
export interface OutputFacts {
  readonly sizeBytes: number;
  readonly frames: number;
  readonly durationSeconds: number;
  readonly bitrateBps: number;
  /** RFC 6381, e.g. `avc1.64001f,mp4a.40.2`. */
  readonly codecs: string;
  readonly hasAudio: boolean;
  readonly widthPx: number;
  readonly heightPx: number;
}

export interface ExpectedChunk {
  /** Planned for this piece. */
  readonly frames: number;
  readonly frameRate: FrameRate;
  readonly gopFrames: number;
  /** Only the last piece may be short: a source's length is known to a frame or two. */
  readonly isLast: boolean;
  /** Planned for the whole video. */
  readonly totalFrames: number;
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

/** The last packets of AAC, in addition to what the picture may lack. */
const SOUND_OVERHANG_SECONDS = 0.1;
/** Of a frame: timestamps are rounded to 1/90000 s. */
const OFF_GRID_FRAMES = 0.1;

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

function refuseFrames(frames: number, expected: ExpectedChunk): void {
  const missing = expected.frames - frames;
  const rate = framesPerSecond(expected.frameRate);
  const allowed = Math.ceil(allowedMissingSeconds(expected.totalFrames / rate) * rate);
  if (expected.isLast && frames > 0 && missing > 0 && missing <= allowed) return;
  throw new AppError('chunk-frames-wrong', {
    detail: 'The piece has another number of frames than planned.',
    expectedFrames: expected.frames,
    frames,
  });
}

/**
 * Checks a finished rendition: streams, size, every frame on the grid, key frames where they belong, index in front.
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
    throw checkFailed('The rendition has another number of frames than its pieces.', {
      expectedFrames: expected.frames,
      frames: found.frameTimes.length,
    });
  }
  requireGrid(found, expected);
  const frameSeconds = 1 / framesPerSecond(expected.frameRate);
  requireNear(
    'The picture has another length than its frames.',
    video.durationSeconds,
    expected.frames * frameSeconds,
    {
      within: frameSeconds,
    },
  );
  const soundSeconds = found.audioStreams[0]?.durationSeconds ?? 0;
  if (
    soundSeconds >
    video.durationSeconds + allowedMissingSeconds(video.durationSeconds) + SOUND_OVERHANG_SECONDS
  ) {
    throw checkFailed('The sound goes on after the picture.', {
      soundSeconds,
      pictureSeconds: video.durationSeconds,
    });
  }
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
  if (video?.codec !== 'h264') throw checkFailed('The copy has no H.264 picture.', {});
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

function requirePicture(
  found: OutputInspection,
  expected: { widthPx: number; heightPx: number },
): InspectedVideo {
  const video = found.videoStreams[0];
  if (video === undefined || video.codec !== 'h264') {
    throw checkFailed('There is no H.264 picture.', { codec: video?.codec ?? null });
  }
  if (video.widthPx !== expected.widthPx || video.heightPx !== expected.heightPx) {
    throw checkFailed('The picture has another size than planned.', {
      expected: `${expected.widthPx}x${expected.heightPx}`,
      found: `${video.widthPx}x${video.heightPx}`,
    });
  }
  if (!video.isSquarePixels || video.isRotated)
    throw checkFailed('The picture is stretched or turned.', {});
  return video;
}

function requireStreams(found: OutputInspection, { hasAudio }: { hasAudio: boolean }): void {
  const audio = found.audioStreams;
  const isRight =
    found.videoStreams.length === 1 &&
    found.otherStreams === 0 &&
    audio.length === (hasAudio ? 1 : 0) &&
    audio.every(({ codec }) => codec === 'aac');
  if (isRight) return;
  throw checkFailed('The file has other streams than planned.', {
    video: found.videoStreams.length,
    audio: audio.map(({ codec }) => codec),
    other: found.otherStreams,
  });
}

/** Every frame at its place from zero on, and a key frame at the beginning of every group. */
function requireGrid(
  found: OutputInspection,
  { frameRate, gopFrames }: { frameRate: FrameRate; gopFrames: number },
): void {
  const rate = framesPerSecond(frameRate);
  const astray = found.frameTimes.findIndex(
    (seconds, frame) => Math.abs(seconds * rate - frame) > OFF_GRID_FRAMES,
  );
  if (astray >= 0) {
    throw checkFailed('A frame is not at its time.', {
      frame: astray,
      atSeconds: found.frameTimes[astray] ?? null,
    });
  }
  const groups = Math.ceil(found.frameTimes.length / gopFrames);
  const isAligned =
    found.keyFrames.length === groups &&
    found.keyFrames.every((frame, group) => frame === group * gopFrames);
  if (!isAligned) {
    throw checkFailed('The key frames are not where they belong.', {
      gopFrames,
      keyFrames: found.keyFrames.slice(0, 20),
    });
  }
}

function requireNear(
  detail: string,
  found: number,
  expected: number,
  { within }: { within: number },
): void {
  if (Math.abs(found - expected) > within) throw checkFailed(detail, { found, expected });
}

function requireFastStart({ isFastStart }: Mp4Structure): void {
  if (!isFastStart) throw checkFailed('The index stands after the media.', {});
}

async function readStructure(file: string): Promise<Mp4Structure> {
  try {
    return await readMp4Structure(file);
  } catch (cause) {
    throw new AppError('output-check-failed', { detail: 'The file is no whole MP4.' }, { cause });
  }
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
    hasAudio: found.audioStreams.length > 0,
    widthPx: video.widthPx,
    heightPx: video.heightPx,
  };
}

function checkFailed(detail: string, details: ErrorDetails): AppError {
  return new AppError('output-check-failed', { detail, ...details });
}
