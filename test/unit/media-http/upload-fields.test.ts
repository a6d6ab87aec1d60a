import { describe, expect, it } from '@jest/globals';
import { readUploadFields } from '../../../src/api/routes/upload-fields.ts';

const read = (fields: Record<string, string>) =>
  readUploadFields(new Map(Object.entries(fields)), { profile: 'ladder' });

describe('readUploadFields', () => {
  it('gives every field its default', () => {
    expect(read({})).toEqual({
      title: undefined,
      description: '',
      categoryId: null,
      tags: [],
      profile: 'ladder',
      priority: 'normal',
      thumbnailTimestamps: null,
    });
  });

  it('takes an empty field of a page for one that is left out', () => {
    expect(
      read({ title: '', category: '', tags: '', thumbnailTimestamps: '', profile: '' }),
    ).toEqual(read({}));
  });

  it('ignores fields that it does not know', () => {
    expect(read({ csrf: 'x', __proto__x: 'y', toString: 'z' })).toEqual(read({}));
  });

  it.each([
    ['comma list', { tags: 'sea, sun,,sea' }, ['sea', 'sun']],
    ['JSON array', { tags: '["a, b","c"]' }, ['a, b', 'c']],
  ])('reads tags from a %s', (_title, fields, tags) => {
    expect(read(fields).tags).toEqual(tags);
  });

  it.each([['0, 1.5,12'], ['[0,1.5,"12"]']])('reads timestamps from %s', (text) => {
    expect(read({ thumbnailTimestamps: text }).thumbnailTimestamps).toEqual([0, 1.5, 12]);
  });

  it.each<[string, Record<string, string>]>([
    ['title', { title: 'x'.repeat(1000) }],
    ['title', { title: 'a\u0000b' }],
    ['description', { description: 'x'.repeat(5001) }],
    ['description', { description: 'a\u0007' }],
    ['category', { category: 'films' }],
    ['category', { category: '2147483648' }],
    ['tags', { tags: '["a"' }],
    ['tags', { tags: '{"a":1}'.repeat(20) }],
    ['tags.0', { tags: '[1]' }],
    ['tags', { tags: Array.from({ length: 51 }, (_, i) => `t${i}`).join(',') }],
    ['visibility', { visibility: 'secret' }],
    ['profile', { profile: '4k' }],
    ['priority', { priority: 'urgent' }],
    ['thumbnailTimestamps.1', { thumbnailTimestamps: '1,two' }],
    ['thumbnailTimestamps.0', { thumbnailTimestamps: '-1' }],
    ['thumbnailTimestamps.0', { thumbnailTimestamps: '[1e999]' }],
    ['thumbnailTimestamps.0', { thumbnailTimestamps: '[null]' }],
    ['thumbnailTimestamps', { thumbnailTimestamps: '[]' }],
    [
      'thumbnailTimestamps',
      { thumbnailTimestamps: Array.from({ length: 21 }, (_, i) => i).join(',') },
    ],
  ])('refuses a wrong %s: %j', (path, fields) => {
    expect(() => read(fields)).toThrow(
      expect.objectContaining({
        code: 'validation-failed',
        details: {
          errors: expect.arrayContaining([
            expect.objectContaining({ path: expect.stringMatching(new RegExp(`^${path}`)) }),
          ]),
        },
      }),
    );
  });

  it.each(['public', 'unlisted'])('says that %s videos are not offered', (visibility) => {
    expect(() => read({ visibility })).toThrow(
      expect.objectContaining({ code: 'visibility-not-available' }),
    );
  });

  it('names every fault at once', () => {
    expect(() => read({ profile: '4k', priority: 'urgent' })).toThrow(
      expect.objectContaining({
        details: {
          errors: [
            expect.objectContaining({ path: 'profile' }),
            expect.objectContaining({ path: 'priority' }),
          ],
        },
      }),
    );
  });
});
