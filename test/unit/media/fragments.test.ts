import { describe, expect, it } from '@jest/globals';
import { makeBox, makeFullBox, makeHeader, uint32 } from '../../../src/media/boxes.ts';
import { cutFragments, makeMoof, shownSpan } from '../../../src/media/fragments.ts';
import { layOutHybrid } from '../../../src/media/hybrid-layout.ts';
import type { Mp4Track, Sample } from '../../../src/media/sample-table.ts';

const BOX = { type: 'trak', start: 0, body: 8, end: 8 };

function track(
  kind: 'video' | 'audio',
  timescale: number,
  samples: readonly Sample[],
  hiddenTicks = 0,
): Mp4Track {
  return {
    box: BOX,
    id: kind === 'video' ? 1 : 2,
    kind,
    codec: kind === 'video' ? 'avc1.64001f' : 'mp4a.40.2',
    timescale,
    hiddenTicks,
    channels: 2,
    sampleRateHz: 48_000,
    samples: () => samples,
  };
}

/** Frames of one tick each. */
function picture(frames: number, gop: number, compositionTicks = 0): readonly Sample[] {
  return Array.from({ length: frames }, (_, index) => ({
    offsetBytes: index * 100,
    sizeBytes: 50,
    durationTicks: 1,
    compositionTicks,
    isKey: index % gop === 0,
  }));
}

function sound(packets: number): readonly Sample[] {
  return Array.from({ length: packets }, (_, index) => ({
    offsetBytes: 50 + index * 100,
    sizeBytes: 10,
    durationTicks: 1024,
    compositionTicks: 0,
    isKey: true,
  }));
}

function cut(video: Mp4Track, audio?: Mp4Track) {
  return [...cutFragments(video, audio)].map(
    ({ track: { kind }, number, decodeTicks, samples }) => [
      kind,
      number,
      decodeTicks,
      samples.length,
    ],
  );
}

describe('cutting into fragments', () => {
  it('cuts at every second group of two seconds and lets picture and sound take turns', () => {
    const video = track('video', 25, picture(225, 50));
    const audio = track('audio', 48_000, sound(423));
    expect(cut(video, audio)).toEqual([
      ['video', 1, 0, 100],
      ['audio', 1, 0, 188],
      ['video', 2, 100, 100],
      ['audio', 2, 192_512, 187],
      ['video', 3, 200, 25],
      ['audio', 3, 384_000, 48],
    ]);
  });

  it('counts what is hidden before zero to the first fragment, in length not at all', () => {
    const video = track('video', 25, picture(200, 50, 2), 2);
    const audio = track('audio', 48_000, sound(376), 1024);
    const fragments = [...cutFragments(video, audio)];
    expect(fragments.map(({ samples }) => samples.length)).toEqual([100, 189, 100, 187]);
    expect(fragments.map(shownSpan)).toEqual([
      { from: 0, ticks: 100 },
      { from: 0, ticks: 192_512 },
      { from: 100, ticks: 100 },
      { from: 192_512, ticks: 191_488 },
    ]);
  });

  it('never cuts where there is no key frame', () => {
    expect(cut(track('video', 25, picture(500, 250)))).toEqual([
      ['video', 1, 0, 250],
      ['video', 2, 250, 250],
    ]);
  });

  it('makes one fragment of one frame, and leaves out sound that has ended', () => {
    expect(cut(track('video', 25, picture(1, 50)), track('audio', 48_000, sound(0)))).toEqual([
      ['video', 1, 0, 1],
    ]);
    expect(cut(track('video', 25, picture(200, 50)), track('audio', 48_000, sound(3)))).toEqual([
      ['video', 1, 0, 100],
      ['audio', 1, 0, 3],
      ['video', 2, 100, 100],
    ]);
  });

  it('gives sound that goes on after the picture to the last fragment', () => {
    expect(cut(track('video', 25, picture(25, 50)), track('audio', 48_000, sound(90)))).toEqual([
      ['video', 1, 0, 25],
      ['audio', 1, 0, 90],
    ]);
  });
});

describe('moof', () => {
  const hex = (buffer: Buffer): string =>
    buffer
      .toString('hex')
      .replaceAll(/(.{8})/g, '$1 ')
      .trim();

  it('tells size, key and composition of each picture, and its time of decoding in 64 bits', () => {
    const samples = [
      {
        offsetBytes: 0,
        sizeBytes: 0x333,
        durationTicks: 3600,
        compositionTicks: 7200,
        isKey: true,
      },
      { offsetBytes: 0, sizeBytes: 0x44, durationTicks: 3600, compositionTicks: -1, isKey: false },
    ];
    const moof = makeMoof({
      track: track('video', 90_000, samples),
      number: 7,
      decodeTicks: 2 ** 33,
      samples,
    });
    expect(hex(moof)).toBe(
      [
        '00000078 6d6f6f66',
        '00000010 6d666864 00000000 00000007',
        '00000060 74726166',
        '00000018 74666864 00020028 00000001 00000e10 02000000',
        '00000014 74666474 01000000 00000002 00000000',
        '0000002c 7472756e 01000e01 00000002 00000080',
        '00000333 02000000 00001c20',
        '00000044 01010000 ffffffff',
      ].join(' '),
    );
  });

  it('says of even sound only the sizes', () => {
    const samples = sound(2);
    const moof = makeMoof({
      track: track('audio', 48_000, samples),
      number: 1,
      decodeTicks: 0,
      samples,
    });
    expect(hex(moof).split('7472756e')[1]?.trim()).toBe(
      '01000201 00000002 00000070 0000000a 0000000a',
    );
  });

  it('says each length where they differ', () => {
    const [first, second] = sound(2);
    if (first === undefined || second === undefined) throw new Error('there are two');
    const samples = [first, { ...second, durationTicks: 500 }];
    const moof = makeMoof({
      track: track('audio', 48_000, samples),
      number: 1,
      decodeTicks: 0,
      samples,
    });
    expect(hex(moof).split('7472756e')[1]?.trim()).toBe(
      '01000301 00000002 00000078 00000400 0000000a 000001f4 0000000a',
    );
  });
});

describe('boxes', () => {
  it('have 64 bits for their size only where 32 do not do', () => {
    expect(makeHeader('mdat', 0xffff_fff7).toString('hex')).toBe('ffffffff6d646174');
    expect(makeHeader('mdat', 0xffff_fff8).toString('hex')).toBe(
      '000000016d6461740000000100000008',
    );
  });
});

describe('layout of a hybrid file', () => {
  const RATE = { num: 1, den: 4 };

  it('points into the fragments with 32 bits up to 4 GiB and with 64 beyond', () => {
    const small = layOutHybrid(fakeHead({ frames: 10, frameBytes: 100_000_000 }), RATE);
    expect(small.head.includes('stco')).toBe(true);
    expect(small.head.includes('co64')).toBe(false);
    expect(small.head.readUInt32BE(outerMedia(small.head))).not.toBe(1);

    const large = layOutHybrid(fakeHead({ frames: 50, frameBytes: 100_000_000 }), RATE);
    const at = large.head.indexOf('co64') + 4;
    expect(large.head.readUInt32BE(at + 4)).toBe(50);
    const { fragments } = large.index.video;
    const [lastAt = 0, lastBytes = 0] = fragments.at(-1) ?? [];
    expect(Number(large.head.readBigUInt64BE(at + 8 + 49 * 8))).toBe(
      lastAt + lastBytes - 100_000_000,
    );
    expect(lastAt).toBeGreaterThan(2 ** 32);

    // The outer box ends with the last fragment, and the first begins where the head ends.
    const outer = outerMedia(large.head);
    expect(large.head.readUInt32BE(outer)).toBe(1);
    expect(outer + Number(large.head.readBigUInt64BE(outer + 8))).toBe(lastAt + lastBytes);
    expect(fragments[0]?.[0]).toBe(large.head.length);
  });

  it('drops what the maker wrote about itself', () => {
    const { head } = layOutHybrid(fakeHead({ frames: 2, frameBytes: 10 }), RATE);
    expect(head.includes('udta')).toBe(false);
    expect(head.includes('Lavf')).toBe(false);
  });

  it('refuses a track that is coded in two ways', () => {
    const head = fakeHead({ frames: 2, frameBytes: 10, entries: 2 });
    expect(() => layOutHybrid(head, RATE)).toThrow('the way of coding changes');
  });
});

/** Where the outer `mdat` begins: after `ftyp` and `moov`. */
function outerMedia(head: Buffer): number {
  const moovAt = head.readUInt32BE(0);
  return moovAt + head.readUInt32BE(moovAt);
}

/** An MP4 of key frames of four seconds each, without its media. */
function fakeHead({
  frames,
  frameBytes,
  entries = 1,
}: {
  frames: number;
  frameBytes: number;
  entries?: number;
}) {
  const config = makeBox('avcC', Buffer.from([1, 0x64, 0, 0x1f]));
  const entry = makeBox('avc1', Buffer.alloc(78), config);
  const stbl = makeBox(
    'stbl',
    makeFullBox('stsd', {}, uint32([entries]), ...Array.from({ length: entries }, () => entry)),
    makeFullBox('stts', {}, uint32([1, frames, 4000])),
    makeFullBox('stsc', {}, uint32([1, 1, frames, 1])),
    makeFullBox('stsz', {}, uint32([frameBytes, frames])),
    makeFullBox('stco', {}, uint32([1, 1000])),
  );
  const trak = makeBox(
    'trak',
    makeFullBox('tkhd', {}, uint32([0, 0, 1, 0, 4000 * frames])),
    makeBox(
      'mdia',
      makeFullBox('mdhd', {}, uint32([0, 0, 1000, 4000 * frames, 0])),
      makeBox('minf', stbl),
    ),
  );
  const moov = makeBox(
    'moov',
    makeFullBox('mvhd', {}, uint32([0, 0, 1000, 4000 * frames])),
    trak,
    makeBox('udta', Buffer.from('Lavf59')),
  );
  return { ftyp: makeBox('ftyp', Buffer.from('isom')), moov, isFastStart: true };
}
