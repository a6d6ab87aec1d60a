import { describe, expect, it } from '@jest/globals';
import { planRenditions } from '../../../src/domain/rendition-ladder.ts';

const LADDER = { profile: 'ladder', framesPerSecond: 25, crf: 22, sourceBitrateBps: null } as const;

function sizes(widthPx: number, heightPx: number): string[] {
  const { renditions } = planRenditions({ ...LADDER, widthPx, heightPx });
  return renditions.map(
    (rendition) => `${rendition.quality} ${rendition.widthPx}x${rendition.heightPx}`,
  );
}

describe('planRenditions', () => {
  it('makes all five rungs of a 1080p source, tallest first', () => {
    expect(sizes(1920, 1080)).toEqual([
      '1080p 1920x1080',
      '720p 1280x720',
      '480p 854x480',
      '360p 640x360',
      '240p 426x240',
    ]);
  });

  it('leaves out what is to be skipped, with the reason', () => {
    const input = { ...LADDER, widthPx: 854, heightPx: 480, skip: ['480p', '720p'] as const };
    const { renditions, skipped } = planRenditions(input);
    expect(renditions.map(({ quality }) => quality)).toEqual(['360p', '240p']);
    expect(skipped.map(({ quality, reason }) => `${quality} ${reason}`)).toEqual([
      '480p skipped-by-request',
      '720p taller-than-source',
      '1080p taller-than-source',
    ]);
  });

  it('makes no line of a very wide picture', () => {
    expect(sizes(2560, 40)).toEqual(['1080p 1920x30', '720p 1280x20']);
    const { skipped } = planRenditions({ ...LADDER, widthPx: 2560, heightPx: 40 });
    expect(skipped.map(({ quality, reason }) => `${quality} ${reason}`)).toEqual([
      '240p too-narrow',
      '360p too-narrow',
      '480p too-narrow',
    ]);
    for (const [widthPx, heightPx] of [
      [2, 720],
      [15, 2000],
      [2560, 18],
    ] as const) {
      expect(() => planRenditions({ ...LADDER, widthPx, heightPx })).toThrow(
        expect.objectContaining({ code: 'source-too-small-picture' }),
      );
    }
    expect(sizes(16, 16)).toEqual(['240p 16x16']);
  });

  it('turns the boxes for portrait', () => {
    expect(sizes(720, 1280)).toEqual([
      '720p 720x1280',
      '480p 480x854',
      '360p 360x640',
      '240p 240x426',
    ]);
  });

  it('scales 4K down and makes nothing above 1080p', () => {
    expect(sizes(2160, 3840)[0]).toBe('1080p 1080x1920');
  });

  it('makes one rendition at its own size, named after the box that holds it, when the source is smaller than all', () => {
    expect(sizes(161, 121)).toEqual(['240p 160x120']);
    expect(sizes(176, 144)).toEqual(['240p 176x144']);
  });

  it('reaches a box within two percent without enlarging the picture', () => {
    expect(sizes(1900, 1068)[0]).toBe('1080p 1900x1068');
    expect(sizes(1880, 1058)[0]).toBe('720p 1280x720');
  });

  it('keeps a very wide picture inside the boxes', () => {
    expect(sizes(2560, 400)).toEqual([
      '1080p 1920x300',
      '720p 1280x200',
      '480p 854x134',
      '360p 640x100',
      '240p 426x66',
    ]);
  });

  it('says why a rung is left out', () => {
    const { skipped } = planRenditions({ ...LADDER, widthPx: 960, heightPx: 400 });
    expect(skipped).toEqual([
      { quality: '720p', reason: 'taller-than-source' },
      { quality: '1080p', reason: 'taller-than-source' },
    ]);
    const one = planRenditions({ ...LADDER, profile: '720p', widthPx: 1920, heightPx: 1080 });
    expect(one.skipped.map(({ reason }) => reason)).toEqual(
      Array.from({ length: 4 }, () => 'not-in-profile'),
    );
  });

  it('refuses a side below 16 pixels', () => {
    expect(() => sizes(2, 720)).toThrow(
      expect.objectContaining({ code: 'source-too-small-picture' }),
    );
  });

  it('allows half as much again above 30 frames a second', () => {
    const [slow] = planRenditions({ ...LADDER, widthPx: 1920, heightPx: 1080 }).renditions;
    const [fast] = planRenditions({
      ...LADDER,
      widthPx: 1920,
      heightPx: 1080,
      framesPerSecond: 59.94,
    }).renditions;
    expect(slow?.rateControl).toEqual({
      kind: 'capped-crf',
      crf: 22,
      maxrateBps: 5_000_000,
      bufsizeBps: 10_000_000,
    });
    expect(fast?.rateControl).toMatchObject({ maxrateBps: 7_500_000, bufsizeBps: 15_000_000 });
  });

  it('spends 1500k on a full 720p box, less on fewer pixels, never more than the source', () => {
    const plan = (widthPx: number, heightPx: number, sourceBitrateBps: number | null) =>
      planRenditions({ ...LADDER, profile: '720p', widthPx, heightPx, sourceBitrateBps })
        .renditions[0];
    expect(plan(1920, 1080, null)).toMatchObject({
      quality: '720p',
      widthPx: 1280,
      heightPx: 720,
      rateControl: {
        kind: 'abr',
        bitrateBps: 1_500_000,
        maxrateBps: 2_250_000,
        bufsizeBps: 3_000_000,
      },
    });
    expect(plan(640, 360, null)).toMatchObject({
      quality: '360p',
      rateControl: { bitrateBps: 375_000 },
    });
    expect(plan(1920, 1080, 900_000)?.rateControl).toMatchObject({ bitrateBps: 900_000 });
  });
});
