import { describe, expect, it } from '@jest/globals';
import { planEncoding } from '../../../src/domain/encoding-plan.ts';
import type {
  AudioStreamInfo,
  MediaInfo,
  VideoStreamInfo,
} from '../../../src/domain/media-info.ts';
import type { RunSettings } from '../../../src/domain/run-settings.ts';

const SETTINGS: RunSettings = {
  profile: 'ladder',
  crf: 22,
  preset: 'veryfast',
  timeoutSeconds: 600,
  maxDurationSeconds: 21_600,
  thumbnailTimestamps: null,
  platformFaultPatienceSeconds: 86_400,
  lanes: 2,
  threads: 1,
  decodeCheck: 'smallest',
};

const VIDEO: VideoStreamInfo = {
  index: 0,
  codec: 'h264',
  profile: 'High',
  pixelFormat: 'yuv420p',
  bitDepth: 8,
  codedWidthPx: 1920,
  codedHeightPx: 1080,
  displayWidthPx: 1920,
  displayHeightPx: 1080,
  rotationDegrees: 0,
  sampleAspectRatio: { num: 1, den: 1 },
  averageFrameRate: { num: 25, den: 1 },
  nominalFrameRate: { num: 25, den: 1 },
  frameCount: 250,
  startSeconds: 0,
  durationSeconds: 10,
  fieldOrder: 'progressive',
  transfer: null,
  primaries: null,
  colorSpace: null,
  fullRange: false,
  bitrateBps: null,
};

const AUDIO: AudioStreamInfo = {
  index: 1,
  codec: 'aac',
  profile: 'LC',
  channels: 2,
  sampleRateHz: 48_000,
  startSeconds: 0,
  durationSeconds: 10,
};

function plan(changes: {
  video?: Partial<VideoStreamInfo>;
  audio?: Partial<AudioStreamInfo> | null;
  info?: Partial<MediaInfo>;
  settings?: Partial<RunSettings>;
}) {
  const info: MediaInfo = {
    formatNames: ['mov', 'mp4'],
    majorBrand: 'isom',
    durationSeconds: 10,
    startSeconds: 0,
    sizeBytes: 1_000_000,
    droppedAudio: 0,
    streamCount: 2,
    ...changes.info,
    video: { ...VIDEO, ...changes.video },
    audio: changes.audio === null ? null : { ...AUDIO, ...changes.audio },
  };
  return planEncoding(info, { ...SETTINGS, ...changes.settings });
}

describe('planEncoding', () => {
  it('plans frames on a constant grid with a key frame every two seconds', () => {
    expect(plan({})).toMatchObject({
      frames: 250,
      gopFrames: 50,
      durationSeconds: 10,
      originSeconds: 0,
    });
    expect(plan({ video: { averageFrameRate: { num: 30000, den: 1001 } } })).toMatchObject({
      frames: 300,
      gopFrames: 60,
    });
  });

  it.each([
    ['is MP4/H.264 already', {}, 'none'],
    ['is H.264 in QuickTime', { info: { majorBrand: 'qt  ' } }, 'copy'],
    [
      'is H.264 in Matroska',
      { info: { formatNames: ['matroska', 'webm'], majorBrand: null } },
      'copy',
    ],
    ['is HEVC', { video: { codec: 'hevc' } }, 'encode'],
    ['is H.264 with 10 bits', { video: { pixelFormat: 'yuv420p10le', bitDepth: 10 } }, 'encode'],
  ])('knows how to convert a source that %s', (_title, changes, conversion) => {
    expect(plan(changes).conversion).toBe(conversion);
  });

  it('copies only sound that any player takes', () => {
    expect(plan({}).audio).toEqual({ streamIndex: 1, copyable: true });
    expect(plan({ audio: { channels: 6 } }).audio?.copyable).toBe(false);
    expect(plan({ audio: null }).audio).toBeNull();
  });

  it('begins where the picture begins, or where sound begins that is well before it', () => {
    expect(
      plan({
        video: { startSeconds: 1.4 },
        audio: { startSeconds: 1.35 },
        info: { startSeconds: 1.35 },
      }).originSeconds,
    ).toBeCloseTo(0.05);
    const led = plan({ video: { startSeconds: 0.5 }, info: { startSeconds: 0 } });
    expect(led).toMatchObject({ originSeconds: 0, frames: 263 });
  });

  it('tone-maps HDR and says so', () => {
    const hdr = plan({ video: { codec: 'hevc', transfer: 'smpte2084' } });
    expect(hdr.video.toneMap).toBe(true);
    expect(hdr.warnings.map(({ code }) => code)).toEqual(['hdr-tone-mapped']);
  });

  it('warns when the only sound cannot be read', () => {
    expect(
      plan({ audio: null, info: { droppedAudio: 1 } }).warnings.map(({ code }) => code),
    ).toEqual(['audio-dropped']);
  });

  it('refuses what is too long, has no length, or is a gap with two pictures', () => {
    expect(() => plan({ video: { durationSeconds: 30_000 } })).toThrow(
      expect.objectContaining({ code: 'source-too-long' }),
    );
    expect(() =>
      plan({ video: { durationSeconds: null }, info: { durationSeconds: null } }),
    ).toThrow(expect.objectContaining({ code: 'source-unreadable' }));
    // Whatever else is wrong with it.
    for (const durationSeconds of [20_000, 72_000]) {
      expect(() => plan({ video: { durationSeconds, frameCount: 2 } })).toThrow(
        expect.objectContaining({ code: 'source-has-gaps' }),
      );
    }
  });

  it('takes thumbnails at 0, 25, 50 and 75 %, or where asked, never beyond the last frame, each once', () => {
    expect(plan({}).thumbnailTimes).toEqual([0, 2.5, 5, 7.5]);
    expect(plan({ settings: { thumbnailTimestamps: [3, 99, 3, 100] } }).thumbnailTimes).toEqual([
      3, 9.96,
    ]);
    expect(plan({ video: { durationSeconds: 0.04, frameCount: 1 } }).thumbnailTimes).toEqual([0]);
  });
});
