import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { colorMatrixOf } from '../../../src/domain/media-info.ts';
import { parseProbe, type ProbeOutput } from '../../../src/media/parse-probe.ts';

function load(name: string): ProbeOutput {
  const file = new URL(`../../fixtures/probe/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as ProbeOutput;
}

/** The whole fixture with some fields of its first video stream changed. */
function withVideo(changes: object): ProbeOutput {
  const probe = load('ordinary-1080p24-surround');
  const streams = probe.streams?.map((stream) =>
    stream.codec_type === 'video' ? { ...stream, ...changes } : stream,
  );
  return { ...probe, streams: streams ?? [] };
}

describe('parseProbe', () => {
  it('reads an ordinary clip', () => {
    const info = parseProbe(load('ordinary-1080p24-surround'));
    expect(info).toMatchObject({
      formatNames: ['mov', 'mp4', 'm4a', '3gp', '3g2', 'mj2'],
      majorBrand: 'isom',
      durationSeconds: 8.084,
      startSeconds: 0,
      droppedAudio: 0,
      streamCount: 2,
    });
    expect(info.video).toMatchObject({
      index: 0,
      codec: 'h264',
      profile: 'High',
      bitDepth: 8,
      displayWidthPx: 1920,
      displayHeightPx: 1080,
      rotationDegrees: 0,
      averageFrameRate: { num: 24, den: 1 },
      frameCount: 194,
      durationSeconds: 8.083333,
      fieldOrder: 'progressive',
      colorSpace: null,
      fullRange: false,
    });
    expect(info.audio).toMatchObject({
      index: 1,
      codec: 'aac',
      profile: 'LC',
      channels: 6,
      sampleRateHz: 48000,
    });
  });

  it('turns a phone clip upright', () => {
    const { video } = parseProbe(load('portrait-rotated-4k60'));
    expect(video).toMatchObject({
      codedWidthPx: 3840,
      codedHeightPx: 2160,
      displayWidthPx: 2160,
      displayHeightPx: 3840,
      rotationDegrees: 90,
      fullRange: true,
    });
  });

  it('leaves a picture alone that is stored upright', () => {
    const { video } = parseProbe(load('hdr10-av1-portrait-upright'));
    expect(video).toMatchObject({ displayWidthPx: 720, displayHeightPx: 1280, rotationDegrees: 0 });
    expect(video).toMatchObject({ transfer: 'smpte2084', bitDepth: 10, codec: 'av1' });
  });

  it.each([
    [90, undefined, 270],
    [-90, undefined, 90],
    [-180, undefined, 180],
    [-89, undefined, 90],
    [undefined, '270', 270],
    [undefined, undefined, 0],
  ])('reads the turn of a matrix of %s and a tag of %s as %s', (rotation, rotate, degrees) => {
    const side_data_list = rotation === undefined ? [] : [{}, { rotation }];
    const tags = rotate === undefined ? {} : { rotate };
    expect(parseProbe(withVideo({ side_data_list, tags })).video.rotationDegrees).toBe(degrees);
  });

  it('finds the streams wherever they stand', () => {
    const audioFirst = parseProbe(load('audio-track-first'));
    expect([audioFirst.video.index, audioFirst.audio?.index]).toEqual([1, 0]);
    const dataFirst = parseProbe(load('data-track-first'));
    expect([dataFirst.video.index, dataFirst.audio?.index, dataFirst.streamCount]).toEqual([
      2, 1, 3,
    ]);
  });

  it('tells QuickTime from MP4 by its brand', () => {
    const info = parseProbe(load('quicktime-dolby-vision'));
    expect(info.majorBrand).toBe('qt');
    expect(info.video).toMatchObject({
      transfer: 'arib-std-b67',
      primaries: 'bt2020',
      colorSpace: 'bt2020nc',
    });
  });

  it('does not believe an average of 1000 frames a second', () => {
    const { video } = parseProbe(load('average-rate-1000'));
    expect(video).toMatchObject({
      averageFrameRate: { num: 1000, den: 1 },
      nominalFrameRate: { num: 60, den: 1 },
    });
  });

  it('counts frames where neither rate is plausible', () => {
    const probe = withVideo({ avg_frame_rate: '0/0', r_frame_rate: '90000/1' });
    const scan = { frames: 200, durationSeconds: 8, pictureEndSeconds: 8.1, endSeconds: 8.2 };
    const info = parseProbe(probe, scan);
    expect(info.video).toMatchObject({ frameCount: 200, durationSeconds: 8 });
    expect(info.packetsEndSeconds).toBe(8.2);
    expect(parseProbe(probe).packetsEndSeconds).toBeNull();
  });

  it('keeps a natural variable rate as the file tells it', () => {
    const { video } = parseProbe(load('variable-rate-full-range'));
    expect(video.averageFrameRate).toEqual({ num: 2_505_000, den: 83_831 });
    expect(video).toMatchObject({ displayWidthPx: 518, displayHeightPx: 488 });
  });

  it('drops a track of unknown codec and says so', () => {
    const info = parseProbe(load('audio-without-codec'));
    expect(info.audio).toBeNull();
    expect(info.droppedAudio).toBe(1);
  });

  it('takes the default track of several, else the first that can be decoded', () => {
    const probe = load('ordinary-1080p24-surround');
    const [video, audio] = probe.streams ?? [];
    if (video === undefined || audio === undefined) throw new Error('the fixture has two streams');
    const track = (index: number, changes: object) => ({
      ...audio,
      index,
      disposition: { default: 0 },
      ...changes,
    });
    const choose = (...tracks: (typeof audio)[]) =>
      parseProbe({ ...probe, streams: [video, ...tracks] }).audio?.index;
    expect(choose(track(1, {}), track(2, { disposition: { default: 1 } }))).toBe(2);
    expect(choose(track(1, { channels: 0, disposition: { default: 1 } }), track(2, {}))).toBe(2);
    expect(choose(track(1, { codec_name: 'none' }), track(2, {}), track(3, {}))).toBe(2);
  });

  it('leaves a missing length of a stream open', () => {
    const info = parseProbe(load('no-stream-duration'));
    expect(info.video.durationSeconds).toBeNull();
    expect(info.durationSeconds).toBe(3.002);
    expect(info.video.bitDepth).toBe(10);
  });

  it("reads Matroska's length from its tag", () => {
    expect(parseProbe(load('duration-in-tag')).video.durationSeconds).toBe(0.999);
    const tags = { DURATION: '00:01:02.023000000' };
    expect(
      parseProbe(withVideo({ tags, duration: undefined, start_time: '0.023' })).video
        .durationSeconds,
    ).toBe(62);
  });

  it('keeps times on the clock of the container', () => {
    const info = parseProbe(load('starts-late-transport-stream'));
    expect(info.startSeconds).toBeCloseTo(1.422456, 6);
    expect(info.video.startSeconds).toBeCloseTo(1.433367, 6);
  });

  it('stretches pixels that are not square', () => {
    const pal = { width: 720, height: 576, sample_aspect_ratio: '64:45' };
    expect(parseProbe(withVideo(pal)).video).toMatchObject({
      displayWidthPx: 1024,
      displayHeightPx: 576,
    });
    const turned = { ...pal, side_data_list: [{ rotation: -90 }] };
    expect(parseProbe(withVideo(turned)).video).toMatchObject({
      displayWidthPx: 576,
      displayHeightPx: 1024,
    });
  });

  it.each(['0:1', 'N/A', '1:1000', undefined])(
    'takes pixels as square for an aspect of %s',
    (sample_aspect_ratio) => {
      expect(parseProbe(withVideo({ sample_aspect_ratio })).video.displayWidthPx).toBe(1920);
    },
  );

  it.each(['tt', 'bb', 'tb', 'bt'])('takes field order %s as interlaced', (field_order) => {
    expect(parseProbe(withVideo({ field_order })).video.fieldOrder).toBe('interlaced');
  });

  it('has no picture in a file of sound', () => {
    expect(() => parseProbe(load('audio-only'))).toThrow(
      expect.objectContaining({ code: 'source-has-no-video' }),
    );
    expect(() => parseProbe(withVideo({ disposition: { attached_pic: 1 } }))).toThrow(
      expect.objectContaining({ code: 'source-has-no-video' }),
    );
  });

  it.each([
    [{ codec_name: 'none' }, 'source-codec-unsupported'],
    [{ width: 8194 }, 'source-too-large-picture'],
    [{ width: 0, height: 0 }, 'source-unreadable'],
    [{ nb_frames: '40000000' }, 'source-unreadable'],
  ])('refuses %j', (changes, code) => {
    expect(() => parseProbe(withVideo(changes))).toThrow(expect.objectContaining({ code }));
  });

  it('refuses an answer without a format', () => {
    expect(() => parseProbe({})).toThrow(expect.objectContaining({ code: 'source-unreadable' }));
  });
});

describe('colorMatrixOf', () => {
  it('guesses as players do where the file does not say', () => {
    expect(colorMatrixOf({ colorSpace: 'bt2020nc', codedWidthPx: 1920, codedHeightPx: 1080 })).toBe(
      'tagged',
    );
    expect(colorMatrixOf({ colorSpace: null, codedWidthPx: 1920, codedHeightPx: 1080 })).toBe(
      'bt709',
    );
    expect(colorMatrixOf({ colorSpace: null, codedWidthPx: 720, codedHeightPx: 576 })).toBe(
      'bt601',
    );
  });
});
