import { describe, expect, it } from '@jest/globals';
import {
  countedPieces,
  defaultMarginBytes,
  estimateDiskNeed,
  formatBytes,
  usableBytes,
} from '../../../src/domain/disk-space.ts';
import type { EncodingPlan } from '../../../src/domain/encoding-plan.ts';
import { RUNGS } from '../../../src/domain/encoding-profile.ts';
import type { RunSettings } from '../../../src/domain/run-settings.ts';

const SETTINGS = { preset: 'veryfast' } as RunSettings;
const GIB = 1024 ** 3;

describe('estimateDiskNeed', () => {
  it('is 2.2 times what the renditions may take at the caps of their bitrates: up to 65 GB for six hours', () => {
    const sixHours = need(plan({ seconds: 6 * 3600 }));
    const caps = (5000 + 2800 + 1400 + 800 + 400 + 5 * 128) * 1000;
    expect(sixHours).toBe(Math.ceil((2.2 * caps * 6 * 3600) / 8));
    expect(formatBytes(sixHours)).toBe('66 GB');
    expect(need({ ...plan({ seconds: 60 }), audio: null })).toBe(
      Math.ceil((2.2 * 10_400_000 * 60) / 8),
    );
  });

  it('adds the source for each copy of it that has to be made', () => {
    const bare = need(plan({ seconds: 60 }));
    expect(need({ ...plan({ seconds: 60 }), conversion: 'copy' })).toBe(bare + 1000);
    expect(need({ ...plan({ seconds: 60 }), conversion: 'copy', needsIndex: true })).toBe(
      bare + 2000,
    );
  });

  it('counts nothing twice: what is finished takes its room already', () => {
    const whole = plan({ seconds: 60 });
    const all = need(whole);
    expect(need(whole, { 'chunk/0/1080p': 5_000_000 })).toBe(all - 5_000_000);
    const joined = need(whole, { 'chunk/0/1080p': 5_000_000, 'rendition/1080p': 9_000_000 });
    expect(joined).toBeCloseTo(all - (2.2 * 5_128_000 * 60) / 8, -1);
    const everything = Object.fromEntries(
      whole.renditions.map(({ quality }) => [`rendition/${quality}`, 1]),
    );
    expect(need({ ...whole, conversion: 'copy' }, { ...everything, copy: 1 })).toBe(0);
    expect(need({ ...whole, needsIndex: true }, everything)).toBe(0);
  });

  it('is the source and two joins where media lie elsewhere', () => {
    const joins = (3 * (5_128_000 + 2_928_000) * 60) / 8;
    expect(need(plan({ seconds: 60 }), {}, false)).toBe(1000 + joins);
    expect(need({ ...plan({ seconds: 60 }), conversion: 'copy' }, {}, false)).toBe(2000 + joins);
  });

  it('asks about every piece that it counts', () => {
    const names = countedPieces(plan({ seconds: 60 }), SETTINGS).map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['copy', 'indexed-copy', 'rendition/240p', 'chunk/1/1080p']),
    );
    expect(names).toHaveLength(2 + 5 * 3);
  });
});

describe('the margin', () => {
  it('is 5 % of the disk, at most 2 GiB, and no room for uploads and runs', () => {
    expect(defaultMarginBytes(20 * GIB)).toBe(GIB);
    expect(defaultMarginBytes(60 * GIB)).toBe(2 * GIB);
    const space = { totalBytes: 100, freeBytes: 4, keptBytes: 3, marginBytes: 5 };
    expect(usableBytes(space)).toBe(2);
    expect(usableBytes({ ...space, keptBytes: 0 })).toBe(-1);
  });
});

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [-5, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [1_440_000, '1.4 MB'],
    [9_960_000, '10 MB'],
    [999_600, '1.0 MB'],
    [65_200_000_000, '65 GB'],
  ])('%d is %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

function need(planned: EncodingPlan, done: Record<string, number> = {}, keepsMedia = true): number {
  return estimateDiskNeed({
    plan: planned,
    settings: SETTINGS,
    sourceBytes: 1000,
    done: new Map(Object.entries(done)),
    keepsMedia,
  });
}

/** Five renditions at the caps of the ladder, two chunks. */
function plan({ seconds }: { readonly seconds: number }): EncodingPlan {
  const renditions = RUNGS.map(({ quality, maxrateBps }) => ({
    quality,
    widthPx: 1920,
    heightPx: 1080,
    rateControl: { kind: 'capped-crf', crf: 22, maxrateBps, bufsizeBps: 2 * maxrateBps },
  }));
  return {
    conversion: 'none',
    video: { streamIndex: 0, interlaced: false, toneMap: false, colorMatrix: 'bt709' },
    audio: { streamIndex: 1, copyable: true },
    frameRate: { num: 25, den: 1 },
    needsIndex: false,
    durationSeconds: seconds,
    chunks: [
      { index: 0, firstFrame: 0, endFrame: 50 },
      { index: 1, firstFrame: 50, endFrame: 100 },
    ],
    renditions,
  } as unknown as EncodingPlan;
}
