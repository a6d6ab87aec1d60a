import { describe, expect, it } from '@jest/globals';
import {
  describeProgress,
  describeStorage,
  type MigrationAnswer,
} from '../../../src/cli/migrate-storage/describe-storage.ts';
import { readStorageCommand } from '../../../src/cli/migrate-storage/read-arguments.ts';

const line = (text: string) => readStorageCommand(text.split(' ').filter((word) => word !== ''));

describe('npm run migrate-storage', () => {
  it.each([
    ['local spaces', { verb: 'move', request: { from: 'local', to: 'spaces' } }],
    [
      'local spaces --limit 20M --videos 1,2 --owner 3 --before 2026-01-31 --kinds original,streams',
      {
        verb: 'move',
        request: {
          from: 'local',
          to: 'spaces',
          bytesPerSecond: 20_000_000,
          filter: {
            videoIds: [1, 2],
            ownerId: 3,
            uploadedBefore: '2026-01-31T00:00:00.000Z',
            kinds: ['original', 'streams'],
          },
        },
      },
    ],
    ['status', { verb: 'status' }],
    ['cancel', { verb: 'cancel' }],
  ])('understands: %s', (text, command) => {
    expect(line(text)).toEqual(command);
  });

  it.each([
    ['', 'A command is missing.'],
    ['local', 'local is no command.'],
    ['local spaces old-spaces', 'That is too much.'],
    ['pause --limit 1M', 'Options belong to FROM TO.'],
    ['local spaces --limit 1q', '1q is no number of bytes'],
    ['local spaces --before soon', 'soon is no date'],
    ['local spaces --videos 1,x', 'x is no id.'],
    ['local spaces --speed 1', "Unknown option '--speed'"],
  ])('shows its usage after: %s', (text, sentence) => {
    expect(() => line(text)).toThrow(sentence);
    expect(() => line(text)).toThrow('Usage: npm run migrate-storage');
  });

  it('says how far it is, what waits, and what failed', () => {
    const none = { objects: 0, bytes: 0 };
    const migration: MigrationAnswer = {
      from: 'local',
      to: 'spaces',
      state: 'paused',
      waitingFor: null,
      failure: null,
      waiting: { objects: 6, bytes: 6e6 },
      copying: none,
      switched: { objects: 1, bytes: 1e6 },
      finished: { objects: 1, bytes: 2.5e9 },
      failed: { objects: 1, bytes: 1 },
      oldCopiesUntil: '2026-11-29T09:00:00.000Z',
      failures: [{ objectKey: 'videos/a', code: 'storage-object-missing', detail: 'It is gone.' }],
    };
    const words = 'paused, 2 of 9 objects moved, 2.50 GB of 2.51 GB';
    expect(describeProgress(migration)).toEqual({ fraction: 2 / 9, words });
    const waiting = { ...migration, waitingFor: 'disk-full: There is no space left' };
    expect(describeProgress(waiting).words).toBe('waits: disk-full: There is no space left');
    const stores = [{ name: 'spaces', place: 'https://s3.test/media', isMain: true }];
    expect(describeStorage({ stores, migration })).toEqual([
      'spaces      https://s3.test/media  (new objects)',
      `local → spaces: paused, ${words}`,
      '1 old copies (1.0 MB) stay until 2026-11-29T09:00:00.000Z.',
      '1 failed and are where they were:',
      '  videos/a  storage-object-missing: It is gone.',
    ]);
    expect(describeStorage({ stores, migration: null })[1]).toBe('Nothing was ever moved.');
  });
});
