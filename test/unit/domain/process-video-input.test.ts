import { describe, expect, it } from '@jest/globals';
import {
  parseVideoInput,
  parseProcessVideoInput,
} from '../../../src/domain/process-video-input.ts';

describe('parseProcessVideoInput', () => {
  it('takes what a person types', () => {
    expect(parseProcessVideoInput({ videoId: 42 })).toEqual({ videoId: 42 });
    const full = {
      videoId: 42,
      profile: '720p',
      timeoutSeconds: 3600,
      thumbnailTimestamps: [0, 1.5],
      skip: ['1080p'],
      from: 'ladder',
      renditions: ['240p', '720p'],
    };
    expect(parseProcessVideoInput(full)).toEqual(full);
  });

  it('leaves out the origin that runs of older versions carry', () => {
    expect(parseProcessVideoInput({ videoId: 42, origin: 'upload' })).toEqual({ videoId: 42 });
  });

  it.each([
    undefined,
    null,
    'x',
    42,
    [],
    {},
    { videoId: 'x' },
    { videoId: 0 },
    { videoId: 1.5 },
    { videoId: 2 ** 31 },
    { videoId: 42, extra: true },
    { videoId: 42, profile: 'huge' },
    { videoId: 42, timeoutSeconds: 0 },
    { videoId: 42, thumbnailTimestamps: [] },
    { videoId: 42, thumbnailTimestamps: [-1] },
    { videoId: 42, skip: [] },
    { videoId: 42, skip: '1080p' },
    { videoId: 42, skip: ['240p', '360p', '480p', '720p', '1080p'] },
    { videoId: 42, skip: ['720p'], renditions: ['720p'] },
    { videoId: 42, from: 'waiting-for-slot' },
    { videoId: 42, from: 'convert', renditions: ['720p'] },
    { videoId: 42, renditions: ['compressed'] },
  ])('refuses %j', (input) => {
    expect(() => parseProcessVideoInput(input)).toThrow(
      expect.objectContaining({ code: 'invalid-workflow-input' }),
    );
  });
});

describe('parseVideoInput', () => {
  it('takes a video id and nothing else', () => {
    expect(parseVideoInput({ videoId: 7 })).toEqual({ videoId: 7 });
    for (const input of [{}, { videoId: 7, force: true }, 7]) {
      expect(() => parseVideoInput(input)).toThrow(
        expect.objectContaining({ code: 'invalid-workflow-input' }),
      );
    }
  });
});
