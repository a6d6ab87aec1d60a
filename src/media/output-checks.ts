import { type FrameRate, framesPerSecond } from '../domain/frame-rate.ts';
import { checkFailed } from './check-failed.ts';
import type { InspectedVideo, OutputInspection } from './inspect-output.ts';
import { type Mp4Structure, readMp4Structure } from './mp4-boxes.ts';

/** One function for each property of a finished file. Every one throws `output-check-failed` with its name in `details.check`. */

/** Of a frame: how far a frame may lie from its place. Joins round to microseconds, and a long video has hundreds. */
const OFF_GRID_FRAMES = 0.1;
/** Two ticks of 1/90000 s, one for each end of the gap, and what printed microseconds lose. A join without exact durations is ten times as far off. */
const UNEVEN_SECONDS = 25e-6;
/** More is seen on lips; less cannot be had of AAC, whose frames last 21 ms and whose encoder begins one frame early. */
const SOUND_DIFFERENCE_SECONDS = 0.1;
/** Headers count in milliseconds in places. */
const HEADER_SECONDS = 0.01;

export function requirePicture(
  found: OutputInspection,
  expected: { widthPx: number; heightPx: number },
): InspectedVideo {
  const video = found.videoStreams[0];
  if (video === undefined || video.codec !== 'h264') {
    throw checkFailed('picture-codec', 'There is no H.264 picture.', {
      details: { codec: video?.codec ?? null },
    });
  }
  if (video.widthPx !== expected.widthPx || video.heightPx !== expected.heightPx) {
    throw checkFailed('picture-size', 'The picture has another size than planned.', {
      details: {
        expected: `${expected.widthPx}x${expected.heightPx}`,
        found: `${video.widthPx}x${video.heightPx}`,
      },
    });
  }
  if (!video.isSquarePixels || video.isRotated)
    throw checkFailed('picture-shape', 'The picture is stretched or turned.');
  return video;
}

export function requireStreams(
  found: OutputInspection,
  { hasVideo = true, hasAudio }: { hasVideo?: boolean; hasAudio: boolean },
): void {
  const audio = found.audioStreams;
  const isRight =
    found.videoStreams.length === (hasVideo ? 1 : 0) &&
    found.otherStreams === 0 &&
    audio.length === (hasAudio ? 1 : 0) &&
    audio.every(({ codec }) => codec === 'aac');
  if (isRight) return;
  throw checkFailed('streams', 'The file has other streams than planned.', {
    details: {
      video: found.videoStreams.length,
      audio: audio.map(({ codec }) => codec),
      other: found.otherStreams,
    },
  });
}

/**
 * Every frame at its place from zero on, all gaps alike, and a key frame at the beginning of every group and nowhere else.
 *
 * The places follow from the plan alone, so renditions of one plan that have the same number of frames have the same key frames.
 */
export function requireGrid(
  { frameTimes, keyFrames }: OutputInspection,
  { frameRate, gopFrames }: { frameRate: FrameRate; gopFrames: number },
): void {
  const rate = framesPerSecond(frameRate);
  const astray = frameTimes.findIndex((seconds, frame) => {
    const gap = frame === 0 ? 1 / rate : seconds - (frameTimes[frame - 1] ?? 0);
    return (
      Math.abs(seconds * rate - frame) > OFF_GRID_FRAMES ||
      Math.abs(gap - 1 / rate) > UNEVEN_SECONDS
    );
  });
  if (astray >= 0) {
    throw checkFailed('frame-interval', 'A frame is not at its time.', {
      details: { frame: astray, atSeconds: frameTimes[astray] ?? null },
    });
  }
  const isAligned =
    keyFrames.length === Math.ceil(frameTimes.length / gopFrames) &&
    keyFrames.every((frame, group) => frame === group * gopFrames);
  if (!isAligned) {
    throw checkFailed('key-frames', 'The key frames are not where they belong.', {
      details: { gopFrames, keyFrames: keyFrames.slice(0, 20) },
    });
  }
}

/** What the headers say of the length; players show it before they have read the frames. */
export function requirePictureLength(video: InspectedVideo, expectedSeconds: number): void {
  if (Math.abs(video.durationSeconds - expectedSeconds) <= HEADER_SECONDS) return;
  throw checkFailed('picture-length', 'The picture has another length than its frames.', {
    details: { foundSeconds: video.durationSeconds, expectedSeconds },
  });
}

/** @param expectedSeconds  of the picture that the sound belongs to */
export function requireSoundLength(found: OutputInspection, expectedSeconds: number): void {
  const sound = found.audioStreams[0];
  if (sound === undefined) return;
  if (Math.abs(sound.durationSeconds - expectedSeconds) <= SOUND_DIFFERENCE_SECONDS) return;
  throw checkFailed('sound-length', 'The sound is not as long as the picture.', {
    details: { soundSeconds: sound.durationSeconds, pictureSeconds: expectedSeconds },
  });
}

export function requireFastStart({ isFastStart }: Mp4Structure): void {
  if (!isFastStart) throw checkFailed('fast-start', 'The index stands after the media.');
}

export async function readStructure(file: string): Promise<Mp4Structure> {
  try {
    return await readMp4Structure(file);
  } catch (cause) {
    throw checkFailed('structure', 'The file is no whole MP4.', { cause });
  }
}
