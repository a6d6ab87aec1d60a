import { describe, expect, it } from '@jest/globals';
import { parseMigrationInput } from '../../../src/domain/storage-migration.ts';

const INPUT = { from: 'local', to: 'spaces' };

describe('input of a migration', () => {
  it.each([
    INPUT,
    { from: 'old-spaces', to: 'local', bytesPerSecond: 20_000_000 },
    {
      ...INPUT,
      filter: {
        videoIds: [1, 2],
        ownerId: 3,
        uploadedBefore: '2026-01-01T00:00:00Z',
        kinds: ['original', 'streams'],
      },
    },
  ])('takes %j', (input) => {
    expect(parseMigrationInput(input)).toEqual(input);
  });

  it.each([
    [undefined, 'The input is a JSON object.'],
    [['local', 'spaces'], 'The input is a JSON object.'],
    [{ to: 'spaces' }, '"from" is missing'],
    [{ from: 'disk', to: 'spaces' }, '"from" has a value that it cannot have.'],
    [{ from: 'local', to: 'local' }, 'are the same store'],
    [{ ...INPUT, speed: 1 }, '"speed" is not a field'],
    [{ ...INPUT, bytesPerSecond: 10 }, '"bytesPerSecond" has a value'],
    [{ ...INPUT, filter: [] }, '"filter" is a JSON object.'],
    [{ ...INPUT, filter: { owner: 3 } }, '"owner" is not a field'],
    [{ ...INPUT, filter: { videoIds: [] } }, '"videoIds" has a value'],
    [{ ...INPUT, filter: { kinds: ['chunks'] } }, '"kinds" has a value'],
    [{ ...INPUT, filter: { uploadedBefore: 'yesterday' } }, '"uploadedBefore" has a value'],
  ])('refuses %j: %s', (input, sentence) => {
    expect(() => parseMigrationInput(input)).toThrow(
      expect.objectContaining({
        code: 'invalid-workflow-input',
        message: expect.stringContaining(sentence),
      }),
    );
  });
});
