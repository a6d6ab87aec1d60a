import { describe, expect, it } from '@jest/globals';
import { decodeCursor, encodeCursor } from '../../../src/api/cursor.ts';

describe('cursors', () => {
  it('come back as the id that went in', () => {
    expect(decodeCursor('videos', encodeCursor('videos', 42) ?? '')).toBe(42);
  });

  it('end with the list', () => {
    expect(encodeCursor('videos', null)).toBeNull();
  });

  it.each([
    { case: 'of another list', cursor: encodeCursor('comments', 42) ?? '' },
    { case: 'with an id that is none', cursor: Buffer.from('videos:0').toString('base64url') },
    { case: 'past the largest id', cursor: Buffer.from('videos:2147483648').toString('base64url') },
    { case: 'with something behind', cursor: Buffer.from('videos:42 ').toString('base64url') },
    { case: 'written another way', cursor: Buffer.from('videos:042').toString('base64url') },
    { case: 'empty', cursor: '' },
    { case: 'no base64', cursor: '%%%' },
  ])('are refused when they are $case', ({ cursor }) => {
    expect(decodeCursor('videos', cursor)).toBeUndefined();
  });
});
