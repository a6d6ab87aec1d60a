import { describe, expect, it } from '@jest/globals';
import { chooseRedo, oldestUsableVersion, type Redo } from '../../../src/domain/redo.ts';

describe('chooseRedo', () => {
  it('is nothing where nothing is asked for', () => {
    expect(chooseRedo({ skip: ['240p'] }, { version: 4, earlier: undefined })).toBeUndefined();
  });

  it('begins with the version of the run, at compress where only renditions are named', () => {
    expect(chooseRedo({ from: 'ladder' }, { version: 4, earlier: undefined })).toEqual({
      from: 'ladder',
      sinceVersion: 4,
    });
    expect(
      chooseRedo({ renditions: ['720p', '240p', '720p'] }, { version: 4, earlier: undefined }),
    ).toEqual({ from: 'compress', renditions: ['240p', '720p'], sinceVersion: 4 });
  });

  it('goes on with the same wish, and begins anew with another', () => {
    const earlier: Redo = { from: 'compress', renditions: ['720p'], sinceVersion: 2 };
    const since = (request: Parameters<typeof chooseRedo>[0]) =>
      chooseRedo(request, { version: 4, earlier })?.sinceVersion;
    expect(since({ renditions: ['720p'] })).toBe(2);
    expect(since({ renditions: ['720p'], from: 'compress' })).toBe(2);
    expect(since({ renditions: ['720p'], from: 'ladder' })).toBe(4);
    expect(since({ renditions: ['240p'] })).toBe(4);
    expect(since({ from: 'compress' })).toBe(4);
  });
});

describe('oldestUsableVersion', () => {
  const chunk = { step: 'compress', quality: '720p' } as const;
  const sound = { step: 'compress' } as const;
  const joined = { step: 'ladder', quality: '720p' } as const;

  it('counts all that is finished where nothing is to be made anew', () => {
    expect(oldestUsableVersion(chunk, undefined)).toBe(0);
  });

  it('counts from its version on what belongs to a step or to those after it', () => {
    const redo: Redo = { from: 'ladder', sinceVersion: 3 };
    expect([chunk, sound, joined].map((piece) => oldestUsableVersion(piece, redo))).toEqual([
      0, 0, 3,
    ]);
    expect(oldestUsableVersion({ step: 'thumbnails' }, redo)).toBe(3);
  });

  it('counts from its version on what belongs to a rendition that is named', () => {
    const redo: Redo = { from: 'compress', renditions: ['720p'], sinceVersion: 3 };
    expect([chunk, sound, joined].map((piece) => oldestUsableVersion(piece, redo))).toEqual([
      3, 0, 3,
    ]);
    expect(oldestUsableVersion({ ...joined, quality: '240p' }, redo)).toBe(0);
    expect(oldestUsableVersion({ step: 'thumbnails' }, redo)).toBe(0);
  });
});
