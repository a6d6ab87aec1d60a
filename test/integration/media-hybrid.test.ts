import { open, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fragmentedSeconds, type TrackFragments } from '../../src/domain/fragment-index.ts';
import { createFfmpeg } from '../../src/media/ffmpeg.ts';
import { probeFile } from '../../src/media/ffprobe.ts';
import { readMp4Structure } from '../../src/media/mp4-boxes.ts';
import { packageHybrid } from '../../src/media/package-hybrid.ts';
import { verifyRendition } from '../../src/media/verify.ts';
import { encodeClip } from '../support/encode-clip.ts';
import { type ClipOptions, makeClip, makeTempFolder, runTool } from '../support/make-clip.ts';

const tools = {
  ffprobePath: process.env['FFPROBE_PATH'] ?? '/usr/bin/ffprobe',
  timeoutMs: 120_000,
};
const FPS_25 = { num: 25, den: 1 };

let temp: Awaited<ReturnType<typeof makeTempFolder>>;
beforeAll(async () => {
  temp = await makeTempFolder();
});
afterAll(() => temp.remove());

const file = (name: string): string => path.join(temp.path, name);

/** Every packet's times, flags, size and bytes, in the order of its track. */
async function packets(clip: string, stream: 'v' | 'a'): Promise<readonly Packet[]> {
  const entries = 'packet=pts,dts,duration,flags,size,data_hash';
  const show = ['-select_streams', stream, '-show_entries', entries, '-show_data_hash', 'md5'];
  const text = await runTool('ffprobe', [...show, '-of', 'json', clip]);
  const { packets: found } = JSON.parse(text) as { packets: Packet[] };
  return found.map(({ pts, dts, duration, flags, size, data_hash }) => {
    return { pts, dts, duration, flags, size, data_hash };
  });
}

interface Packet {
  readonly pts: number;
  readonly dts: number;
  readonly duration: number;
  readonly flags: string;
  readonly size: string;
  readonly data_hash: string;
}

/** What a viewer's player is told: start, length and edits of the whole and of each track. */
function headers(clip: string): Promise<string> {
  const entries =
    'format=duration,start_time:stream=codec_name,start_time,duration,nb_frames,time_base';
  return runTool('ffprobe', ['-show_entries', entries, '-of', 'json', clip]);
}

/** The track as HLS and DASH get it: its init segment and its fragments, one after the other. */
async function collect(hybrid: string, track: TrackFragments, name: string): Promise<string> {
  const bytes = await readFile(hybrid);
  const parts = [track.init, ...track.fragments].map(([at, size]) => bytes.subarray(at, at + size));
  await writeFile(file(name), Buffer.concat(parts));
  return file(name);
}

const CLIPS: Readonly<
  Record<string, ClipOptions & { readonly frames: number; readonly cuts: number }>
> = {
  'sound and B-frames': { seconds: 11, frames: 275, cuts: 3 },
  'no sound': { seconds: 9, audio: false, frames: 225, cuts: 3 },
  '29.97 frames a second': { seconds: 9, framesPerSecond: '30000/1001', frames: 270, cuts: 3 },
  '12.5 frames a second': { seconds: 9, framesPerSecond: 12.5, frames: 113, cuts: 3 },
  'sound that ends early': { seconds: 9, options: ['-af', 'atrim=end=3'], frames: 225, cuts: 3 },
  'one frame': { seconds: 0.04, frames: 1, cuts: 1 },
};

describe('hybrid file', () => {
  it.each(Object.entries(CLIPS))('keeps every packet of both faces: %s', async (name, clip) => {
    const rate = Number(clip.framesPerSecond ?? 25) || 30_000 / 1001;
    const gop = String(Math.round(2 * rate));
    const plain = await makeClip(file(`${name}.mp4`), {
      ...{ widthPx: 320, heightPx: 180 },
      ...clip,
      options: [
        ...['-preset', 'veryfast', '-bf', '2', '-g', gop, '-keyint_min', gop, '-sc_threshold', '0'],
        ...['-video_track_timescale', '90000', '-movflags', '+faststart', ...(clip.options ?? [])],
      ],
    });
    const outputPath = file(`${name} hybrid.mp4`);
    const index = await packageHybrid({ sourcePath: plain, outputPath, frameRate: FPS_25 });

    expect(await headers(outputPath)).toBe(await headers(plain));
    expect((await readMp4Structure(outputPath)).isFastStart).toBe(true);
    const pictures = await packets(plain, 'v');
    expect(pictures).toHaveLength(clip.frames);
    expect(await packets(outputPath, 'v')).toEqual(pictures);
    const cut = await collect(outputPath, index.video, `${name} picture.mp4`);
    expect(await packets(cut, 'v')).toEqual(pictures);
    expect(index.video.fragments).toHaveLength(clip.cuts);
    expect(fragmentedSeconds(index.video)).toBeCloseTo(clip.frames / rate, 3);

    if (clip.audio === false) {
      expect(index.audio).toBeNull();
    } else {
      const sounds = await packets(plain, 'a');
      expect(await packets(outputPath, 'a')).toEqual(sounds);
      if (index.audio === null) throw new Error('there is sound');
      const heard = await collect(outputPath, index.audio, `${name} sound.mp4`);
      expect((await packets(heard, 'a')).map(timeAndBytes)).toEqual(sounds.map(timeAndBytes));
    }
    // Nobody else may read it until it is stored.
    expect((await stat(outputPath)).mode & 0o777).toBe(0o600);
  });

  it('decodes to the same pictures and sounds as the plain file', async () => {
    const plain = await makeClip(file('decoded.mp4'), { seconds: 5, options: ['-g', '50'] });
    const outputPath = file('decoded hybrid.mp4');
    await packageHybrid({ sourcePath: plain, outputPath, frameRate: FPS_25 });
    const decoded = (clip: string) =>
      runTool('ffmpeg', ['-i', clip, '-map', '0', '-f', 'framemd5', '-']);
    expect(await decoded(outputPath)).toBe(await decoded(plain));
  });

  it('passes the check of renditions, in pieces of two seconds', async () => {
    const sourcePath = await makeClip(file('pieces.mp4'), { seconds: 9 });
    const logger = { debug: () => undefined };
    const ffmpegPath = process.env['FFMPEG_PATH'] ?? '/usr/bin/ffmpeg';
    const [rendition] = await encodeClip({
      ffmpeg: await createFfmpeg({ ffmpegPath, logger }),
      tools,
      sourcePath,
      info: await probeFile(sourcePath, tools),
      folder: file('pieces'),
      frameRate: FPS_25,
      frames: 225,
      originSeconds: 0,
      chunkFrames: 50,
      sizes: [{ widthPx: 426, heightPx: 240 }],
    });
    if (rendition === undefined) throw new Error('there is one');
    const outputPath = file('pieces hybrid.mp4');
    await packageHybrid({ sourcePath: rendition.joinedPath, outputPath, frameRate: FPS_25 });
    const expected = {
      frames: 225,
      frameRate: FPS_25,
      gopFrames: 50,
      hasAudio: true,
      widthPx: 426,
      heightPx: 240,
    };
    const facts = await verifyRendition(outputPath, expected, tools);
    expect(facts).toMatchObject({ frames: 225, codecs: rendition.facts.codecs });
    expect(facts.sizeBytes / (await stat(rendition.joinedPath)).size).toBeLessThan(1.02);
  });

  it('refuses what it cannot package, and stops when it is told to', async () => {
    const outputPath = file('never.mp4');
    const job = { outputPath, frameRate: FPS_25 };
    const twoPictures = file('two.mp4');
    const plain = await makeClip(file('one.mp4'), { seconds: 1 });
    await runTool('ffmpeg', ['-i', plain, '-map', '0:v', '-map', '0:v', '-c', 'copy', twoPictures]);
    await expect(packageHybrid({ ...job, sourcePath: twoPictures })).rejects.toMatchObject({
      code: 'output-check-failed',
    });
    const signal = AbortSignal.abort();
    await expect(packageHybrid({ ...job, sourcePath: plain, signal })).rejects.toThrow('aborted');
  });

  it('finds a file that is cut off', async () => {
    const plain = await makeClip(file('cut.mp4'), {
      seconds: 5,
      options: ['-movflags', '+faststart'],
    });
    await using handle = await open(plain, 'r+');
    const { size } = await handle.stat();
    await handle.truncate(size - 20_000);
    const job = { sourcePath: plain, outputPath: file('cut hybrid.mp4'), frameRate: FPS_25 };
    await expect(packageHybrid(job)).rejects.toThrow();
  });
});

/** A fragmented file does not tell what is dropped at the beginning: players know it from the edit list. */
function timeAndBytes({ dts, data_hash }: Packet): string {
  return `${dts} ${data_hash}`;
}
