import { describe, expect, it } from '@jest/globals';
import { sanitizeFileName, storedName } from '../../../src/domain/stored-name.ts';

describe('storedName', () => {
  it('is the time of arrival, randomness and the extension of the bytes', () => {
    expect(storedName(new Date('2026-11-22T11:30:15.123Z'), 'k3j9', 'mov')).toBe(
      '20261122T113015123Z-k3j9.mov',
    );
  });

  it('takes nothing for an extension that is none', () => {
    expect(() => storedName(new Date(0), 'x', '../etc')).toThrow();
  });
});

describe('sanitizeFileName', () => {
  it.each([
    ['../../etc/passwd.mp4', 'passwd.mp4'],
    [String.raw`C:\Users\me\holiday.mov`, 'holiday.mov'],
    ['...hidden.mp4', 'hidden.mp4'],
    ['a\u0000b\u202ec.mp4', 'abc.mp4'],
    ['what?<is>:this*.mp4', 'what__is__this_.mp4'],
    ['con.mp4', '_con.mp4'],
    ['', 'video'],
    ['🎬 été.mp4', '🎬 été.mp4'],
  ])('makes %j safe', (given, expected) => {
    expect(sanitizeFileName(given)).toBe(expected);
  });

  it('keeps the extension of a name of 300 characters', () => {
    const name = sanitizeFileName(`${'é'.repeat(300)}.mp4`);
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(180);
    expect(name.endsWith('.mp4')).toBe(true);
  });
});
