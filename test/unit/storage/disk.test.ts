import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { createDisk, isSameDisk } from '../../../src/storage/disk.ts';

const GIB = 1024 ** 3;

describe('a disk', () => {
  it('is measured also by a folder that is yet to be made, and keeps its margin', async () => {
    const space = await createDisk({ folder: join(tmpdir(), 'not', 'there') }).measure();
    const { totalBytes, freeBytes, marginBytes } = space;
    expect(totalBytes).toBeGreaterThan(freeBytes);
    expect(marginBytes).toBe(Math.min(2 * GIB, Math.floor(totalBytes * 0.05)));
    const chosen = await createDisk({ folder: tmpdir(), marginBytes: 7 }).measure();
    expect(chosen).toMatchObject({ marginBytes: 7, keptBytes: 0 });
  });

  it('has kept files give way only for what is missing beside the margin', async () => {
    const asked: number[] = [];
    const kept = {
      keptBytes: () => 5 * GIB,
      giveWay: async (bytes: number) => void asked.push(bytes),
    };
    const disk = createDisk({ folder: tmpdir(), marginBytes: GIB, kept });
    const { freeBytes, keptBytes } = await disk.measure();
    expect(keptBytes).toBe(5 * GIB);
    await disk.makeRoom(freeBytes / 2 - GIB);
    expect(asked).toEqual([]);
    await disk.makeRoom(freeBytes + GIB);
    expect(asked).toHaveLength(1);
    // Others write to this disk meanwhile.
    expect(Math.abs((asked[0] ?? 0) - 2 * GIB)).toBeLessThan(GIB);
  });

  it('is the same for folders of one file system', async () => {
    expect(await isSameDisk(tmpdir(), join(tmpdir(), 'not', 'there'))).toBe(true);
    expect(await isSameDisk(tmpdir(), '/proc')).toBe(false);
  });
});
