import { expect, it } from '@jest/globals';
import { storyboardVtt } from '../../../src/api/manifests/storyboard.ts';
import type { VideoId } from '../../../src/domain/ids.ts';
import { planStoryboard } from '../../../src/domain/storyboard.ts';

const videoId = 42 as VideoId;

it('writes a cue per stretch of time, which names a part of a sheet of the version', () => {
  const layout = planStoryboard({
    frames: 130,
    frameRate: { num: 25, den: 1 },
    gopFrames: 50,
    widthPx: 426,
    heightPx: 240,
  });
  expect(storyboardVtt({ videoId, version: 3, layout })).toBe(
    [
      'WEBVTT',
      '',
      '00:00:00.000 --> 00:00:02.000',
      '/videos/42/storyboard/0.jpg?v=3#xywh=0,0,160,90',
      '',
      '00:00:02.000 --> 00:00:04.000',
      '/videos/42/storyboard/0.jpg?v=3#xywh=160,0,160,90',
      '',
      '00:00:04.000 --> 00:00:05.200',
      '/videos/42/storyboard/0.jpg?v=3#xywh=320,0,160,90',
      '',
    ].join('\n'),
  );
});

it('writes times of long videos', () => {
  const layout = planStoryboard({
    frames: 6 * 3600 * 30,
    frameRate: { num: 30_000, den: 1001 },
    gopFrames: 60,
    widthPx: 240,
    heightPx: 426,
  });
  const lines = storyboardVtt({ videoId, version: 1, layout }).trimEnd().split('\n');
  expect(lines.at(-2)).toBe('05:56:45.384 --> 06:00:21.600');
  expect(lines.at(-1)).toBe('/videos/42/storyboard/3.jpg?v=1#xywh=200,360,50,90');
});
