import { describe, expect, it } from '@jest/globals';
import { planEncoding } from '../../../src/domain/encoding-plan.ts';
import type {
  AudioStreamInfo,
  MediaInfo,
  VideoStreamInfo,
} from '../../../src/domain/media-info.ts';
import type { RunSource } from '../../../src/domain/run-source.ts';
import type { RunSettings } from '../../../src/domain/run-settings.ts';

const SETTINGS: RunSettings = {
  profile: 'ladder',
  crf: 22,
  preset: 'veryfast',
  timeoutSeconds: 600,
  maxDurationSeconds: 21_600,
  thumbnailTimestamps: null,
  onTruncated: 'fail',
  platformFaultPatienceSeconds: 86_400,
  ffmpegMemoryMb: 8000,
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
  source?: RunSource['kind'];
}) {
  const info: MediaInfo = {
    formatNames: ['mov', 'mp4'],
    majorBrand: 'isom',
    durationSeconds: 10,
    packetsEndSeconds: null,
    startSeconds: 0,
    sizeBytes: 1_000_000,
    droppedAudio: 0,
    streamCount: 2,
    ...changes.info,
    video: { ...VIDEO, ...changes.video },
    audio: changes.audio === null ? null : { ...AUDIO, ...changes.audio },
  };
  return planEncoding(info, { ...SETTINGS, ...changes.settings }, changes.source);
}

describe('planEncoding', () => {
  it('divides into pieces for two slots only where memory has room for two encoders', () => {
    const chunksAt = (ffmpegMemoryMb: number): number =>
      plan({ settings: { ffmpegMemoryMb } }).chunks.length;
    const { encoderMemoryMb } = plan({}).estimate;
    expect(chunksAt(2 * encoderMemoryMb)).toBe(2);
    expect(chunksAt(2 * encoderMemoryMb - 1)).toBe(1);
    expect(chunksAt(100)).toBe(1);
  });

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

  it('says that asked thumbnails lay beyond the end', () => {
    const asked = (thumbnailTimestamps: readonly number[]) =>
      plan({ settings: { thumbnailTimestamps } }).warnings.map(({ code }) => code);
    expect(asked([3, 99])).toEqual(['thumbnail-times-clamped']);
    expect(asked([3, 10])).toEqual([]);
  });

  it('says that pixels are not square', () => {
    const sampleAspectRatio = { num: 64, den: 45 };
    expect(plan({ video: { sampleAspectRatio } }).warnings.map(({ code }) => code)).toEqual([
      'odd-sample-aspect-ratio',
    ]);
    const nearly = { num: 23_104, den: 23_049 };
    expect(plan({ video: { sampleAspectRatio: nearly } }).warnings).toEqual([]);
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
      plan({
        video: { durationSeconds: null, frameCount: null },
        info: { durationSeconds: null },
      }),
    ).toThrow(expect.objectContaining({ code: 'source-unreadable' }));
    // Whatever else is wrong with it.
    for (const durationSeconds of [20_000, 72_000]) {
      expect(() => plan({ video: { durationSeconds, frameCount: 2 } })).toThrow(
        expect.objectContaining({ code: 'source-has-gaps' }),
      );
    }
  });

  it('reads formats without an index through a copy, where there is more than one chunk', () => {
    for (const formatNames of [['mpegts'], ['mpeg'], ['flv'], ['asf'], ['ogg'], ['mpegvideo']]) {
      const cut = plan({ info: { formatNames, majorBrand: null } });
      expect([cut.needsIndex, cut.chunks.length]).toEqual([true, 2]);
    }
    const short = { video: { durationSeconds: 1.5, frameCount: 38 } };
    expect(plan({ ...short, info: { formatNames: ['mpegts'] } })).toMatchObject({
      needsIndex: false,
      chunks: [{ index: 0, firstFrame: 0, endFrame: 38 }],
    });
    for (const formatNames of [['mov', 'mp4'], ['matroska', 'webm'], ['avi']])
      expect(plan({ info: { formatNames } }).needsIndex).toBe(false);
  });

  it('does not divide an animated GIF, nor pictures of which only the number is known', () => {
    const whole = [{ index: 0, firstFrame: 0, endFrame: 250 }];
    const gif = plan({ info: { formatNames: ['gif'], majorBrand: null } });
    expect(gif).toMatchObject({ chunks: whole, needsIndex: false, warnings: [] });
    const counted = plan({ video: { durationSeconds: null }, info: { durationSeconds: null } });
    expect(counted).toMatchObject({ chunks: whole, needsIndex: false, durationSeconds: 10 });
    expect(counted.warnings.map(({ code }) => code)).toEqual(['encoded-in-one-piece']);
  });

  it('knows a source that was cut off where its packets were counted', () => {
    const cut = {
      info: {
        formatNames: ['flv'],
        durationSeconds: 60,
        packetsEndSeconds: 10.4,
        startSeconds: 0.4,
      },
      video: { startSeconds: 0.4 },
      audio: { startSeconds: 0.4 },
    };
    expect(() => plan(cut)).toThrow(
      expect.objectContaining({
        code: 'source-truncated',
        message: 'The file says 60.0 s, but it ends after 10.0 s.',
      }),
    );
    const kept = plan({ ...cut, settings: { onTruncated: 'keep' } });
    expect(kept).toMatchObject({ frames: 250, warnings: [{ code: 'source-truncated' }] });
    // A second of silence at the end is not in the picture's packets, but in the file.
    expect(plan({ ...cut, info: { ...cut.info, packetsEndSeconds: 60.2 } }).warnings).toEqual([]);
    // Its length is only ever read off its end.
    expect(plan({ ...cut, info: { ...cut.info, formatNames: ['mpegts'] } }).warnings).toEqual([]);
    const mp4 = { ...cut, info: { ...cut.info, formatNames: ['mov', 'mp4'] } };
    expect(plan({ ...mp4, settings: { onTruncated: 'keep' } }).conversion).toBe('encode');
  });

  it('makes one file of a 720p upload, but keeps a processed version that it has to start from', () => {
    const settings = { profile: '720p' } as const;
    expect(plan({}).conversion).toBe('none');
    expect(plan({ settings })).toMatchObject({ conversion: 'encode', warnings: [] });
    expect(plan({ settings, source: 'processed' })).toMatchObject({
      conversion: 'none',
      warnings: [{ code: 'made-from-processed' }],
    });
  });

  it('tells what a job is estimated to cost', () => {
    const clip = {
      video: { durationSeconds: 30, frameCount: 720, averageFrameRate: { num: 24, den: 1 } },
    };
    const { cpuSeconds, storedBytes } = plan(clip).estimate;
    // Measured 55 to 60 on one fast core; a slow host takes twice that.
    expect(cpuSeconds).toBeGreaterThan(80);
    expect(cpuSeconds).toBeLessThan(160);
    // Five renditions, 26 to 35 MB measured.
    expect(storedBytes / 1e6).toBeGreaterThan(25);
    expect(storedBytes / 1e6).toBeLessThan(40);
    const copied = plan({ ...clip, info: { majorBrand: 'qt  ' } }).estimate;
    expect(copied.storedBytes - storedBytes).toBe(1_000_000);
    const hdr = plan({ ...clip, video: { ...clip.video, transfer: 'arib-std-b67' } }).estimate;
    // 149 ms a frame measured for HLG at 1080p with one thread.
    expect(hdr.cpuSeconds / 2 / 720).toBeCloseTo(0.149, 1);
  });

  it.each([
    ['a portrait phone at 4K60', '4k60', ['1080p', '720p', '480p', '360p', '240p'], 60],
    ['a film in 4K HDR', '4khdr', ['1080p', '720p', '480p', '360p', '240p'], 24],
  ] as const)('plans %s without surprise', (_title, kind, qualities, rate) => {
    const is60 = kind === '4k60';
    const planned = plan({
      video: {
        codec: is60 ? 'h264' : 'hevc',
        codedWidthPx: 3840,
        codedHeightPx: 2160,
        displayWidthPx: is60 ? 2160 : 3840,
        displayHeightPx: is60 ? 3840 : 2160,
        rotationDegrees: is60 ? 90 : 0,
        averageFrameRate: is60 ? { num: 810_000, den: 13_487 } : { num: 24, den: 1 },
        nominalFrameRate: { num: rate, den: 1 },
        transfer: is60 ? null : 'smpte2084',
      },
    });
    expect(planned.renditions.map(({ quality }) => quality)).toEqual(qualities);
    expect(planned.renditions[0]).toMatchObject(
      is60 ? { widthPx: 1080, heightPx: 1920 } : { widthPx: 1920, heightPx: 1080 },
    );
    expect(planned.frameRate).toEqual({ num: rate, den: 1 });
    expect(planned.renditions[0]?.rateControl.maxrateBps).toBe(is60 ? 7_500_000 : 5_000_000);
  });

  it('takes thumbnails at 0, 25, 50 and 75 %, or where asked, never beyond the last frame, each once', () => {
    expect(plan({}).thumbnailTimes).toEqual([0, 2.5, 5, 7.5]);
    expect(plan({ settings: { thumbnailTimestamps: [3, 99, 3, 100] } }).thumbnailTimes).toEqual([
      3, 9.96,
    ]);
    expect(plan({ video: { durationSeconds: 0.04, frameCount: 1 } }).thumbnailTimes).toEqual([0]);
  });
});
