import { readFile, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { OutputCheck } from '../../src/media/check-failed.ts';
import { verifyDecodes } from '../../src/media/decode-check.ts';
import type { FfmpegCommand } from '../../src/media/ffmpeg-command.ts';
import { createFfmpeg, type Ffmpeg } from '../../src/media/ffmpeg.ts';
import { probeFile } from '../../src/media/ffprobe.ts';
import { concatList, muxRenditionArgs } from '../../src/media/join-args.ts';
import { readMp4Structure } from '../../src/media/mp4-boxes.ts';
import { packageHybrid } from '../../src/media/package-hybrid.ts';
import { verifyRendition, verifySound } from '../../src/media/verify.ts';
import { encodeClip } from '../support/encode-clip.ts';
import { makeClip, makeTempFolder, runTool } from '../support/make-clip.ts';
import { FFMPEG, FFPROBE } from '../support/sandboxes.ts';

/** Each property of a finished file is spoilt, and nothing else; the check that is named after it has to see it. */

const tools = { ffprobePath: FFPROBE, timeoutMs: 120_000 };
const SIZE = { widthPx: 320, heightPx: 180 };
const FPS_25 = { num: 25, den: 1 };
const EXPECTED = { ...SIZE, frames: 100, frameRate: FPS_25, gopFrames: 50, hasAudio: true };

let temp: Awaited<ReturnType<typeof makeTempFolder>>;
let ffmpeg: Ffmpeg;
/** Four seconds in two pieces, with sound, as the product makes it. */
let good: string;
/** The same before it was packaged. */
let joined: string;
/** One of its pieces. */
let piece: string;
const file = (name: string): string => path.join(temp.path, name);
const runFfmpeg = (command: FfmpegCommand) => ffmpeg.run(command, { budgetMs: 120_000 });

beforeAll(async () => {
  temp = await makeTempFolder();
  ffmpeg = await createFfmpeg({ ffmpegPath: FFMPEG, logger: { debug: () => undefined } });
  const sourcePath = await makeClip(file('source.mp4'), { ...SIZE, seconds: 4 });
  const folder = file('good');
  const [rendition] = await encodeClip({
    ...{ ffmpeg, tools, sourcePath, folder, frameRate: FPS_25, frames: 100, originSeconds: 0 },
    info: await probeFile(sourcePath, tools),
    chunkFrames: 50,
    sizes: [SIZE],
  });
  if (rendition === undefined) throw new Error('there is one rendition');
  good = rendition.path;
  joined = rendition.joinedPath;
  piece = path.join(folder, '0-0.mp4');
});
afterAll(() => temp.remove());

type Spoil = (from: string, to: string) => Promise<unknown>;

/** Copies the packets of both tracks into another file; options come last and win. */
const copy =
  (...options: readonly string[]): Spoil =>
  (from, to) =>
    runTool('ffmpeg', ['-i', from, ...REMUX, ...options, to]);
const REMUX = [
  ...['-map', '0:v', '-map', '0:a', '-c', 'copy', '-video_track_timescale', '90000'],
  ...['-movflags', '+faststart'],
];

/** The same picture encoded anew, in the same groups unless options say otherwise. */
const encode =
  (...options: readonly string[]): Spoil =>
  (from, to) =>
    runTool('ffmpeg', [
      ...['-i', from, ...REMUX, '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '50'],
      ...['-keyint_min', '50', '-sc_threshold', '0', ...options, to],
    ]);

/** The picture with another sound, of a certain length. */
const withSound =
  (seconds: number): Spoil =>
  (from, to) =>
    runTool('ffmpeg', [
      ...[
        '-i',
        from,
        '-f',
        'lavfi',
        '-i',
        `sine=r=48000:d=${seconds}`,
        '-map',
        '0:v',
        '-map',
        '1:a',
      ],
      ...['-c:v', 'copy', '-c:a', 'aac', '-ac', '2', '-video_track_timescale', '90000'],
      ...['-movflags', '+faststart', to],
    ]);

/** The same bytes but for some; `at` finds the contents of the first box of a type in the index. */
const patch =
  (change: (bytes: Buffer, at: (type: string) => number) => void): Spoil =>
  async (from, to) => {
    const bytes = await readFile(from);
    const index = bytes.indexOf('moov', 0, 'latin1');
    change(bytes, (type) => {
      const at = bytes.indexOf(type, index, 'latin1');
      if (at < 0) throw new Error(`there is no ${type}`);
      return at + 4;
    });
    await writeFile(to, bytes);
  };

/** Turned by a quarter (ISO 14496-12 §8.3.2: the matrix stands 40 bytes into the track's header). */
const turn = patch((bytes, at) => {
  [0, 0x1_0000, 0, -0x1_0000, 0, 0, 0, 0, 0x4000_0000].forEach((value, index) =>
    bytes.writeInt32BE(value, at('tkhd') + 40 + index * 4),
  );
});

/** Spoils the middle of one packet of a stream. Not every change is one that a decoder can tell: this one is. */
const damage =
  (stream: 'v' | 'a', packet: number): Spoil =>
  async (from, to) => {
    const show = ['-select_streams', stream, '-show_entries', 'packet=pos,size', '-of', 'json'];
    const found = JSON.parse(await runTool('ffprobe', [...show, from])) as {
      packets: readonly { pos: string; size: string }[];
    };
    const { pos, size } = found.packets[packet] ?? { pos: '0', size: '0' };
    const start = Number(pos) + Math.floor(Number(size) / 4);
    const bytes = await readFile(from);
    for (let at = start; at < start + Number(size) / 2; at += 1)
      bytes[at] = (bytes[at] ?? 0) ^ 0x5a;
    await writeFile(to, bytes);
  };

describe('a finished rendition', () => {
  it('passes as it is, and passes when its packets are only put into another file', async () => {
    await expect(verifyRendition(good, EXPECTED, tools)).resolves.toMatchObject({ frames: 100 });
    await verifyDecodes(runFfmpeg, { sourcePath: good, hasAudio: true });
    await copy()(good, file('copied.mp4'));
    await expect(verifyRendition(file('copied.mp4'), EXPECTED, tools)).resolves.toBeDefined();
    await encode()(good, file('encoded.mp4'));
    await expect(verifyRendition(file('encoded.mp4'), EXPECTED, tools)).resolves.toBeDefined();
    await withSound(4)(good, file('other-sound.mp4'));
    await expect(verifyRendition(file('other-sound.mp4'), EXPECTED, tools)).resolves.toBeDefined();
  });

  const CASES: readonly (readonly [string, OutputCheck, Spoil])[] = [
    ['a frame is missing', 'frame-count', copy('-bsf:v', String.raw`noise=drop=eq(n\,30)`)],
    ['a frame comes 1 ms late', 'frame-interval', copy('-bsf:v', late('eq(N\\,30)', 90))],
    ['a hole of one frame', 'frame-interval', copy('-bsf:v', late('gte(N\\,50)', 3600))],
    ['all begin one frame late', 'frame-interval', copy('-bsf:v', late('1', 3600))],
    ['the sound goes on', 'sound-length', withSound(4.2)],
    ['the sound ends early', 'sound-length', withSound(3.8)],
    ['a key frame is elsewhere', 'key-frames', encode('-force_key_frames', '1')],
    ['a key frame is missing', 'key-frames', encode('-g', '100', '-keyint_min', '100')],
    [
      'the last frame lasts a second',
      'picture-length',
      copy('-bsf:v', String.raw`setts=duration=if(eq(N\,99)\,90000\,DURATION)`),
    ],
    ['another size', 'picture-size', encode('-vf', 'scale=318:180')],
    ['it lies on its side', 'picture-shape', turn],
    ['stretched pixels', 'picture-shape', copy('-aspect', '4:3')],
    ['another codec', 'picture-codec', encode('-c:v', 'mpeg4')],
    ['a second sound', 'streams', copy('-map', '0:a')],
    ['no sound', 'streams', copy('-an')],
    ['sound of another kind', 'streams', copy('-c:a', 'mp3')],
    ['the index at its end', 'fast-start', copy('-movflags', '0')],
    [
      'a box that does not fit',
      'structure',
      patch((bytes, at) => bytes.writeUInt32BE(0x7fff_ffff, at('avcC') - 8)),
    ],
  ];

  it.each(CASES)('is refused when spoilt: %s', async (name, check, spoil) => {
    const spoilt = file(`${name.replaceAll(' ', '-')}.mp4`);
    await spoil(good, spoilt);
    await expect(verifyRendition(spoilt, EXPECTED, tools)).rejects.toMatchObject({
      code: 'output-check-failed',
      details: { check },
    });
  });

  it('is refused when it is cut off or no video at all', async () => {
    const cut = file('cut.mp4');
    await copy()(good, cut);
    await truncate(cut, (await stat(cut)).size - 3000);
    const text = file('text.mp4');
    await writeFile(text, 'not a video');
    for (const spoilt of [cut, text]) {
      await expect(verifyRendition(spoilt, EXPECTED, tools)).rejects.toMatchObject({
        code: 'output-check-failed',
      });
    }
  });

  it.each([
    ['picture', damage('v', 20)],
    ['sound', damage('a', 20)],
  ])(
    'is refused when its %s cannot be decoded, which no look at its packets tells',
    async (name, spoil) => {
      const spoilt = file(`damaged-${name}.mp4`);
      await spoil(good, spoilt);
      await expect(verifyRendition(spoilt, EXPECTED, tools)).resolves.toBeDefined();
      await expect(
        verifyDecodes(runFfmpeg, { sourcePath: spoilt, hasAudio: true }),
      ).rejects.toMatchObject({ code: 'output-check-failed', details: { check: 'decode' } });
    },
  );
});

describe('the sound of a video', () => {
  it.each([
    ['it is too short', 'sound-length', ['-t', '3.8']],
    ['it is too long', 'sound-length', ['-t', '4.2']],
    ['there is a picture with it', 'streams', ['-map', '0:v', '-map', '1:a']],
  ])('is refused when %s', async (name, check, options) => {
    const sound = file(`${name.replaceAll(' ', '-')}.m4a`);
    const map = options.includes('-map') ? [] : ['-map', '1:a'];
    await runTool('ffmpeg', [
      ...['-i', good, '-f', 'lavfi', '-i', 'sine=r=48000:d=5', ...map, '-t', '4', '-c:v', 'copy'],
      ...['-c:a', 'aac', ...options, '-f', 'mp4', sound],
    ]);
    await expect(verifySound(sound, { durationSeconds: 4 }, tools)).rejects.toMatchObject({
      code: 'output-check-failed',
      details: { check },
    });
  });
});

describe('pieces of different encoders', () => {
  it('differ in their parameter sets, of which a joined file names only the first', async () => {
    const odd = file('odd.mp4');
    await runTool('ffmpeg', [
      ...['-i', piece, '-c:v', 'libx264', '-preset', 'medium', '-g', '50', '-sc_threshold', '0'],
      ...['-video_track_timescale', '90000', odd],
    ]);
    const setsOf = async (clip: string) => (await readMp4Structure(clip)).parameterSets;
    expect(await setsOf(piece)).toMatch(/^[0-9a-f]{40,}$/);
    expect(await setsOf(odd)).not.toBe(await setsOf(piece));
    expect(await setsOf(good)).toBe(await setsOf(piece));

    const listPath = file('odd.txt');
    const parts = [piece, odd].map((part) => ({ path: part, frames: 50 }));
    await writeFile(listPath, concatList(parts, FPS_25));
    const outputPath = file('odd-joined.mp4');
    const mux = { listPath, audioPath: null, durationSeconds: 4, outputPath };
    await runFfmpeg(muxRenditionArgs(mux));
    expect(await setsOf(outputPath)).toBe(await setsOf(piece));
  });
});

describe('a join', () => {
  it('ends the sound with the picture where the last piece is short', async () => {
    const listPath = file('short.txt');
    await writeFile(listPath, concatList([{ path: piece, frames: 50 }], FPS_25));
    const outputPath = file('short-joined.mp4');
    await runFfmpeg(
      muxRenditionArgs({ listPath, audioPath: joined, durationSeconds: 2, outputPath }),
    );
    const packaged = file('short.mp4');
    await packageHybrid({ sourcePath: outputPath, outputPath: packaged, frameRate: FPS_25 });
    const expected = { ...EXPECTED, frames: 50 };
    await expect(verifyRendition(packaged, expected, tools)).resolves.toMatchObject({
      durationSeconds: 2,
    });
  });
});

/** Moves the frames that `when` holds for by some ticks of 1/90000 s. */
function late(when: string, ticks: number): string {
  return `setts=pts=PTS+${ticks}*${when}:dts=DTS+${ticks}*${when.startsWith('eq') ? '0' : when}`;
}
