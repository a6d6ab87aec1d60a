import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createFfmpeg, type Ffmpeg } from '../../src/media/ffmpeg.ts';
import { probeFile } from '../../src/media/ffprobe.ts';
import { encodeClip } from '../support/encode-clip.ts';
import { makeTempFolder } from '../support/make-clip.ts';
import { findRealClips } from '../support/real-clips.ts';

const folder = findRealClips('media-real-clips');
const describeReal = folder === undefined ? describe.skip : describe;

const tools = {
  ffprobePath: process.env['FFPROBE_PATH'] ?? '/usr/bin/ffprobe',
  timeoutMs: 120_000,
};
const clip = (name: string): string => path.join(folder ?? '', `real-${name}`);

describeReal('probing real clips', () => {
  it.each([
    ['android-slowmo.mp4', '1280x720', 0.525, 'h264', null],
    ['bbb-1080p24-8s.mp4', '1920x1080', 8.083, 'h264', 'aac'],
    ['dolbyvision-iphone.mov', '720x1280', 0.107, 'hevc', 'aac'],
    ['h263-176x144.3gp', '176x144', 1, 'h263', null],
    ['h264.flv', '1080x720', 0.968, 'h264', 'aac'],
    ['hdr10-av1-portrait.mp4', '720x1280', 4.238, 'av1', 'aac'],
    ['hdr10-hevc-1080p.mp4', '1920x1080', 1.017, 'hevc', 'aac'],
    ['hevc-data-track-first.mp4', '1080x1920', 0.1, 'hevc', 'aac'],
    ['hlg-hevc-audio-first.mp4', '1920x1080', 0.3, 'hevc', 'aac'],
    ['hlg-hevc-editlist-rotated.mp4', '1080x1920', 2.548, 'hevc', 'aac'],
    ['long-6min-1080p.mp4', '1920x1080', 362.767, 'h264', 'aac'],
    ['malformed-mdat-too-long.mp4', '1080x720', 1.001, 'h264', 'aac'],
    ['malformed-missing-stsd.mp4', '1080x720', 1.001, 'h264', null],
    ['mpeg2-mp2.ts', '640x426', 0.1, 'mpeg2video', 'mp2'],
    ['mpeg4-mp3.avi', '960x400', 4.087, 'mpeg4', 'mp3'],
    ['portrait-4k60-rotated.mp4', '2160x3840', 0.3, 'h264', 'aac'],
    ['vfr-fullrange-518x488.mp4', '518x488', 5.589, 'h264', 'aac'],
    ['vp8-vorbis51-1080p60.webm', '1920x1080', 0.999, 'vp8', 'vorbis'],
    ['vp9-10bit.webm', '426x240', 3.002, 'vp9', null],
    ['vp9-odd-161x121.webm', '161x121', 1.001, 'vp9', null],
  ])('%s', async (name, size, seconds, videoCodec, audioCodec) => {
    const info = await probeFile(clip(name), tools);
    expect(`${info.video.displayWidthPx}x${info.video.displayHeightPx}`).toBe(size);
    expect(info.video.durationSeconds ?? info.durationSeconds).toBeCloseTo(seconds, 2);
    expect([info.video.codec, info.audio?.codec ?? null]).toEqual([videoCodec, audioCodec]);
  });

  it('refuses the one without a picture', async () => {
    await expect(probeFile(clip('eac3-51-audio-only.mp4'), tools)).rejects.toMatchObject({
      code: 'source-has-no-video',
    });
  });
});

describeReal('encoding real clips', () => {
  let temp: { path: string; remove: () => Promise<void> };
  let ffmpeg: Ffmpeg;
  beforeAll(async () => {
    temp = await makeTempFolder();
    const ffmpegPath = process.env['FFMPEG_PATH'] ?? '/usr/bin/ffmpeg';
    ffmpeg = await createFfmpeg({ ffmpegPath, logger: { debug: () => undefined } });
  });
  afterAll(() => temp.remove());

  it.each([
    ['bbb-1080p24-8s.mp4', { num: 24, den: 1 }, 194, 96, false],
    ['hlg-hevc-editlist-rotated.mp4', { num: 28, den: 1 }, 71, 56, true],
    ['vfr-fullrange-518x488.mp4', { num: 30_000, den: 1001 }, 167, 60, false],
    ['vp8-vorbis51-1080p60.webm', { num: 60, den: 1 }, 60, undefined, false],
    ['mpeg2-mp2.ts', { num: 30_000, den: 1001 }, 3, undefined, false],
    ['h264.flv', { num: 30, den: 1 }, 29, undefined, false],
  ])(
    '%s keeps its frames, its sound and its way up',
    async (name, frameRate, frames, chunkFrames, toneMap) => {
      const sourcePath = clip(name);
      const info = await probeFile(sourcePath, tools);
      const isPortrait = info.video.displayHeightPx > info.video.displayWidthPx;
      const boxes = [
        [640, 360],
        [426, 240],
      ] as const;
      const sizes = boxes.map(([long, short]) =>
        isPortrait ? { widthPx: short, heightPx: long } : { widthPx: long, heightPx: short },
      );
      const originSeconds = info.video.startSeconds - info.startSeconds;
      const job = {
        ffmpeg,
        tools,
        sourcePath,
        info,
        folder: path.join(temp.path, name),
        frameRate,
        frames,
        originSeconds,
        sizes,
        toneMap,
      };
      const renditions = await encodeClip({
        ...job,
        ...(chunkFrames === undefined ? {} : { chunkFrames }),
      });
      expect(renditions).toHaveLength(2);
      for (const { facts } of renditions) {
        expect(Math.abs(facts.frames - frames)).toBeLessThanOrEqual(1);
        expect(facts.hasAudio).toBe(true);
      }
    },
  );
});
