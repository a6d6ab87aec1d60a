import { describe, expect, it } from '@jest/globals';
import { requireDisk } from '../../../src/activities/reserve-disk.ts';
import type { Run } from '../../../src/db/runs.ts';
import type { Disk } from '../../../src/storage/disk.ts';

const MB = 1_000_000;
const run = { reservedBytes: 900 * MB, source: { sizeBytes: 600 * MB } } as Run;

describe('requireDisk', () => {
  it('lets a step begin while the margins of both disks are free', async () => {
    const disks = { outputs: disk(101 * MB), scratch: disk(101 * MB), keepsMedia: true };
    await requireDisk({ disks }, run);
    for (const full of ['outputs', 'scratch']) {
      const short = { ...disks, [full]: disk(100 * MB) };
      await expect(requireDisk({ disks: short }, run)).rejects.toMatchObject({
        code: 'waiting-for-disk',
        message: '100 MB of disk are free, and 100 MB have to stay free for the servers',
      });
    }
  });

  it('has the cache give way for what the step writes, and counts nothing that did not', async () => {
    const asked: number[] = [];
    const scratch = { ...disk(50 * MB), makeRoom: async (bytes: number) => void asked.push(bytes) };
    const disks = { outputs: scratch, scratch, keepsMedia: false };
    await expect(requireDisk({ disks }, run)).rejects.toMatchObject({ code: 'waiting-for-disk' });
    const unprobed = { ...run, reservedBytes: null };
    await expect(requireDisk({ disks }, unprobed)).rejects.toMatchObject({});
    expect(asked).toEqual([300 * MB, 0]);
  });
});

/** With a margin of 100 MB, and much that is kept. */
function disk(freeBytes: number): Disk {
  const space = { totalBytes: 2000 * MB, freeBytes, keptBytes: 1000 * MB, marginBytes: 100 * MB };
  return { folder: '/work', measure: async () => space, makeRoom: async () => undefined };
}
