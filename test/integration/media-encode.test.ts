import { execFile } from 'node:child_process';
import { open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { copyToMp4Args } from '../../src/media/copy-args.ts';
import type { FfmpegCommand } from '../../src/media/ffmpeg-command.ts';
import { createFfmpeg, type Ffmpeg } from '../../src/media/ffmpeg.ts';
import { probeFile } from '../../src/media/ffprobe.ts';
import { extractThumbnail } from '../../src/media/thumbnails.ts';
import { verifyChunk, verifyCopy, verifyRendition } from '../../src/media/verify.ts';
import { encodeClip } from '../support/encode-clip.ts';
import { makeClip, makeTempFolder, runTool } from '../support/make-clip.ts';

const execute = promisify(execFile);
const tools = {
  ffprobePath: process.env['FFPROBE_PATH'] ?? '/usr/bin/ffprobe',
  timeoutMs: 120_000,
};
const BUDGET = { budgetMs: 120_000 };
const FPS_25 = { num: 25, den: 1 };

let temp: { path: string; remove: () => Promise<void> };
let ffmpeg: Ffmpeg;
const runFfmpeg = (command: FfmpegCommand) => ffmpeg.run(command, BUDGET);
beforeAll(async () => {
  temp = await makeTempFolder();
  ffmpeg = await createFfmpeg({
    ffmpegPath: process.env['FFMPEG_PATH'] ?? '/usr/bin/ffmpeg',
    logger: { debug: () => undefined },
  });
});
afterAll(() => temp.remove());

const file = (name: string): string => path.join(temp.path, name);

/** Decoded pixels of the whole picture, each frame scaled to `size`; players' way of turning applies. */
async function pixels(source: string, size: string, format: string): Promise<Buffer> {
  const args = [
    '-v',
    'error',
    '-i',
    source,
    '-vf',
    `format=${format},scale=${size}:flags=area`,
    '-f',
    'rawvideo',
    '-',
  ];
  const { stdout } = await execute('ffmpeg', args, { encoding: 'buffer' });
  return stdout;
}

/** A clip whose frames tell their number by their brightness. */
function makeCountedClip(
  name: string,
  options: { seconds: number; output?: readonly string[]; input?: readonly string[] },
): Promise<string> {
  const source = `nullsrc=s=64x64:r=25:d=${options.seconds},geq=lum='20+mod(N*7,200)':cb=128:cr=128`;
  const clip = file(name);
  const encoder = [
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-qp',
    '4',
    '-pix_fmt',
    'yuv420p',
    '-g',
    '35',
  ];
  return runTool('ffmpeg', [
    ...(options.input ?? []),
    '-f',
    'lavfi',
    '-i',
    source,
    ...encoder,
    ...(options.output ?? []),
    clip,
  ]).then(() => clip);
}

/** Decoded sound, mixed to one channel, 48 kHz. */
async function samples(clip: string): Promise<Int16Array> {
  const args = ['-v', 'error', '-i', clip, '-ac', '1', '-ar', '48000', '-f', 's16le', '-'];
  const { stdout } = await execute('ffmpeg', args, { encoding: 'buffer' });
  return new Int16Array(new Uint8Array(stdout).buffer);
}

async function brightness(clip: string): Promise<readonly number[]> {
  return [...(await pixels(clip, '1:1', 'gray'))];
}

describe('encoding', () => {
  it('makes every rendition with the same frames and key frames, and sound', async () => {
    const sourcePath = await makeClip(file('plain.mp4'), { seconds: 5 });
    const info = await probeFile(sourcePath, tools);
    const sizes = [
      { widthPx: 640, heightPx: 360 },
      { widthPx: 426, heightPx: 240 },
    ];
    const job = {
      ffmpeg,
      tools,
      sourcePath,
      info,
      folder: file('plain'),
      frameRate: FPS_25,
      frames: 125,
      originSeconds: 0,
      sizes,
    };
    const renditions = await encodeClip(job);
    expect(
      renditions.map(({ facts }) => [facts.widthPx, facts.heightPx, facts.frames, facts.hasAudio]),
    ).toEqual([
      [640, 360, 125, true],
      [426, 240, 125, true],
    ]);
    // Ultrafast has no CABAC and no 8x8 transform, so x264 says Constrained Baseline.
    for (const { facts } of renditions)
      expect(facts.codecs).toMatch(/^avc1\.[0-9a-f]{6},mp4a\.40\.2$/);
    expect(renditions[0]?.facts.durationSeconds).toBe(5);
  });

  it.each([
    ['one piece', undefined],
    ['pieces of two seconds', 50],
  ])('shows each frame of the source once, in %s', async (_, chunkFrames) => {
    const sourcePath = await makeCountedClip(`counted-${chunkFrames}.mkv`, { seconds: 5 });
    const info = await probeFile(sourcePath, tools);
    const sizes = [{ widthPx: 64, heightPx: 64 }];
    const job = {
      ffmpeg,
      tools,
      sourcePath,
      info,
      folder: file(`counted-${chunkFrames}`),
      frameRate: FPS_25,
      frames: 125,
      originSeconds: 0,
      sizes,
    };
    const [rendition] = await encodeClip({
      ...job,
      ...(chunkFrames === undefined ? {} : { chunkFrames }),
    });
    const shown = await brightness(rendition?.path ?? '');
    const expected = await brightness(sourcePath);
    expect(shown).toHaveLength(125);
    for (const [frame, value] of shown.entries())
      expect(Math.abs(value - (expected[frame] ?? -99))).toBeLessThanOrEqual(3);
  });

  it('repeats the first picture where the sound begins earlier', async () => {
    const picture = await makeCountedClip('late.mkv', { seconds: 2 });
    const sourcePath = file('late-picture.mkv');
    await runTool('ffmpeg', [
      '-f',
      'lavfi',
      '-i',
      'sine=d=3',
      '-itsoffset',
      '0.4',
      '-i',
      picture,
      '-map',
      '1:v',
      '-map',
      '0:a',
      '-c:v',
      'copy',
      sourcePath,
    ]);
    const info = await probeFile(sourcePath, tools);
    expect(info.video.startSeconds - info.startSeconds).toBeCloseTo(0.4, 2);
    const sizes = [{ widthPx: 64, heightPx: 64 }];
    const job = {
      ffmpeg,
      tools,
      sourcePath,
      info,
      folder: file('late'),
      frameRate: FPS_25,
      frames: 60,
      originSeconds: 0,
      sizes,
    };
    const [rendition] = await encodeClip(job);
    const shown = await brightness(rendition?.path ?? '');
    const [first = 0] = await brightness(picture);
    expect(shown).toHaveLength(60);
    for (const value of shown.slice(0, 11)) expect(Math.abs(value - first)).toBeLessThanOrEqual(3);
    expect(Math.abs((shown[12] ?? 0) - first)).toBeGreaterThan(3);
  });

  it.each([
    ['an MP4', 'sync.mp4', 0, []],
    ['a transport stream whose clock begins later', 'sync.ts', 0, ['-muxdelay', '1']],
    ['sound that begins 0.3 s after the picture', 'sync-late.mkv', 0.3, []],
  ])('keeps the sound at its picture: %s', async (_, name, soundStart, options) => {
    const flash = `color=black:s=64x64:r=25:d=3,geq=lum='if(eq(N,40),235,16)':cb=128:cr=128`;
    const beep = `aevalsrc='if(between(t+${soundStart},1.6,1.64),sin(6000*t),0)':s=48000:d=${3 - soundStart}`;
    const sourcePath = file(name);
    await runTool('ffmpeg', [
      ...['-f', 'lavfi', '-i', flash, '-itsoffset', String(soundStart), '-f', 'lavfi', '-i', beep],
      ...[
        '-c:v',
        'libx264',
        '-preset',
        'ultrafast',
        '-pix_fmt',
        'yuv420p',
        '-c:a',
        'mp2',
        ...options,
        sourcePath,
      ],
    ]);
    const info = await probeFile(sourcePath, tools);
    const originSeconds = info.video.startSeconds - info.startSeconds;
    const sizes = [{ widthPx: 64, heightPx: 64 }];
    const job = {
      ffmpeg,
      tools,
      sourcePath,
      info,
      folder: file(`${name}-out`),
      frameRate: FPS_25,
      frames: 75,
      originSeconds,
      sizes,
    };
    const [rendition] = await encodeClip(
      // A transport stream has no index to seek by: one piece.
      name.endsWith('.ts') ? job : { ...job, chunkFrames: 50 },
    );
    const shown = await brightness(rendition?.path ?? '');
    const flashSeconds = shown.findIndex((value) => value > 150) / 25;
    const wave = await samples(rendition?.path ?? '');
    const beepSeconds = wave.findIndex((value) => Math.abs(value) > 3000) / 48_000;
    expect(flashSeconds).toBe(1.6);
    expect(Math.abs(beepSeconds - flashSeconds)).toBeLessThan(0.02);
  });

  it('turns a phone clip upright', async () => {
    const flat = file('flat.mp4');
    await runTool('ffmpeg', [
      '-f',
      'lavfi',
      '-i',
      'color=red:s=320x90:d=1[a];color=blue:s=320x90:d=1[b];[a][b]vstack',
      '-c:v',
      'libx264',
      '-pix_fmt',
      'yuv420p',
      flat,
    ]);
    const sourcePath = file('rotated.mp4');
    const { stdout: help } = await execute('ffmpeg', ['-v', 'quiet', '-h', 'full'], {
      maxBuffer: 64 * 1024 * 1024,
    });
    const turn = help.includes('display_rotation')
      ? ['-display_rotation', '-90', '-i', flat, '-c', 'copy']
      : ['-i', flat, '-c', 'copy', '-metadata:s:v:0', 'rotate=270'];
    await runTool('ffmpeg', [...turn, sourcePath]);
    const info = await probeFile(sourcePath, tools);
    expect(info.video).toMatchObject({
      rotationDegrees: 90,
      displayWidthPx: 180,
      displayHeightPx: 320,
    });
    const sizes = [{ widthPx: 180, heightPx: 320 }];
    const job = {
      ffmpeg,
      tools,
      sourcePath,
      info,
      folder: file('rotated'),
      frameRate: FPS_25,
      frames: 25,
      originSeconds: 0,
      sizes,
    };
    const [rendition] = await encodeClip(job);
    const [leftRed = 0, , leftBlue = 0, rightRed = 0, , rightBlue = 0] = await pixels(
      rendition?.path ?? '',
      '2:1',
      'rgb24',
    );
    expect([leftRed < 60, leftBlue > 200, rightRed > 200, rightBlue < 60]).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  it('does not shift the colours of an HD file that does not name them', async () => {
    const sourcePath = file('green.mp4');
    await runTool('ffmpeg', [
      '-f',
      'lavfi',
      '-i',
      'color=0x30c040:s=1280x720:d=0.4',
      '-c:v',
      'libx264',
      '-pix_fmt',
      'yuv420p',
      sourcePath,
    ]);
    const info = await probeFile(sourcePath, tools);
    expect(info.video.colorSpace).toBeNull();
    const sizes = [{ widthPx: 640, heightPx: 360 }];
    const job = {
      ffmpeg,
      tools,
      sourcePath,
      info,
      folder: file('green'),
      frameRate: FPS_25,
      frames: 10,
      originSeconds: 0,
      sizes,
    };
    const [rendition] = await encodeClip(job);
    const sampleOf = async (clip: string) => {
      const args = ['-v', 'error', '-i', clip, '-frames:v', '1', '-f', 'rawvideo', '-'];
      const { stdout } = await execute('ffmpeg', args, {
        encoding: 'buffer',
        maxBuffer: 8 * 1024 * 1024,
      });
      const luma = clip === sourcePath ? 1280 * 720 : 640 * 360;
      return [stdout[0] ?? 0, stdout[luma] ?? 0, stdout[luma + luma / 4] ?? 0];
    };
    const [before, after] = [await sampleOf(sourcePath), await sampleOf(rendition?.path ?? '')];
    for (const [index, value] of before.entries())
      expect(Math.abs(value - (after[index] ?? 0))).toBeLessThanOrEqual(2);
  });

  it('encodes a single frame', async () => {
    const sourcePath = await makeClip(file('frame.mp4'), {
      audio: false,
      options: ['-frames:v', '1'],
    });
    const info = await probeFile(sourcePath, tools);
    const sizes = [{ widthPx: 640, heightPx: 360 }];
    const job = {
      ffmpeg,
      tools,
      sourcePath,
      info,
      folder: file('frame'),
      frameRate: FPS_25,
      frames: 1,
      originSeconds: 0,
      sizes,
    };
    const [rendition] = await encodeClip(job);
    expect(rendition?.facts).toMatchObject({ frames: 1, hasAudio: false });
    const picture = { sourcePath: rendition?.path ?? '', frameRate: FPS_25, frames: 1 };
    for (const timestampSeconds of [0, 0.03, 99]) {
      const thumbnail = await extractThumbnail(runFfmpeg, {
        ...picture,
        timestampSeconds,
        outputPath: file('frame.jpg'),
      });
      expect(thumbnail.timestampSeconds).toBe(0);
    }
  });

  it('finds that a source has fewer frames than it says', async () => {
    const whole = await makeClip(file('whole.mp4'), {
      seconds: 4,
      options: ['-movflags', '+faststart'],
    });
    const sourcePath = file('cut.mp4');
    await writeFile(sourcePath, await readFile(whole));
    await truncate(sourcePath, Math.floor((await stat(whole)).size * 0.6));
    const info = await probeFile(sourcePath, tools);
    const sizes = [{ widthPx: 640, heightPx: 360 }];
    const job = {
      ffmpeg,
      tools,
      sourcePath,
      info,
      folder: file('cut'),
      frameRate: FPS_25,
      frames: 100,
      originSeconds: 0,
      sizes,
    };
    await expect(encodeClip(job)).rejects.toMatchObject({
      code: 'chunk-frames-wrong',
      details: { expectedFrames: 100, frames: expect.any(Number) },
    });
  });
});

describe('verifying', () => {
  const size = { widthPx: 640, heightPx: 360 };
  const expected = { ...size, frames: 50, frameRate: FPS_25, gopFrames: 25, hasAudio: true };
  const grid = ['-g', '25', '-keyint_min', '25', '-sc_threshold', '0', '-ac', '2'];
  const fast = ['-movflags', '+faststart'];

  it('knows what it has checked', async () => {
    const clip = await makeClip(file('good.mp4'), { options: [...grid, ...fast] });
    const facts = await verifyRendition(clip, expected, tools);
    const { size: sizeBytes } = await stat(clip);
    expect(facts).toEqual({
      ...size,
      sizeBytes,
      frames: 50,
      durationSeconds: 2,
      bitrateBps: sizeBytes * 4,
      codecs: 'avc1.42c01e,mp4a.40.2',
      parameterSets: expect.stringMatching(/^0142c01e/),
      hasAudio: true,
    });
  });

  it.each([
    ['one frame too few', { frames: 51 }, [...grid, ...fast]],
    ['another size', { widthPx: 642 }, [...grid, ...fast]],
    ['key frames elsewhere', { gopFrames: 20 }, [...grid, ...fast]],
    ['sound that should not be there', { hasAudio: false }, [...grid, ...fast]],
    ['no sound', {}, [...grid, ...fast, '-an']],
    ['an index at the end', {}, grid],
    ['another codec', {}, ['-c:v', 'mpeg4', ...fast]],
    ['stretched pixels', {}, [...grid, ...fast, '-vf', 'setsar=4/3']],
    ['a hole in its frames', { frames: 49 }, [...grid, ...fast, '-bsf:v', 'noise=drop=eq(n\\,30)']],
  ])('refuses a rendition with %s', async (name, changes, options) => {
    const clip = await makeClip(file(`bad-${name.replaceAll(' ', '-')}.mp4`), { options });
    await expect(verifyRendition(clip, { ...expected, ...changes }, tools)).rejects.toMatchObject({
      code: 'output-check-failed',
    });
  });

  it('refuses a file that is no video at all', async () => {
    await writeFile(file('text.mp4'), 'not a video');
    await expect(verifyRendition(file('text.mp4'), expected, tools)).rejects.toMatchObject({
      code: 'output-check-failed',
    });
  });

  it('lets only the last piece be short, and only a little', async () => {
    const clip = await makeClip(file('piece.mp4'), { audio: false, options: grid });
    const piece = { ...size, frameRate: FPS_25, gopFrames: 25 };
    const facts = await verifyChunk(clip, { ...piece, frames: 55, isLast: true }, tools);
    expect(facts.frames).toBe(50);
    const verify = (frames: number, isLast: boolean) =>
      verifyChunk(clip, { ...piece, frames, isLast }, tools);
    const wrong = { code: 'chunk-frames-wrong', details: { frames: 50 } };
    await expect(verify(51, false)).rejects.toMatchObject(wrong);
    await expect(verify(49, true)).rejects.toMatchObject(wrong);
    await expect(verify(75, true)).rejects.toMatchObject(wrong);
  });
});

describe('copying', () => {
  it('makes an MP4 that starts at once, and sound that it can carry', async () => {
    const sourcePath = await makeClip(file('camera.mov'), { options: ['-c:a', 'pcm_s16le'] });
    const info = await probeFile(sourcePath, tools);
    const outputPath = file('copy.mp4');
    const audio = { streamIndex: info.audio?.index ?? -1, copyable: false };
    const copy = {
      sourcePath,
      videoStreamIndex: info.video.index,
      audio,
      sizeBytes: info.sizeBytes,
      outputPath,
    };
    await ffmpeg.run(copyToMp4Args(copy), BUDGET);
    const whole = { mayEndEarly: false };
    const facts = await verifyCopy(
      outputPath,
      { ...whole, durationSeconds: 2, hasAudio: true },
      tools,
    );
    expect(facts).toMatchObject({ frames: 50, hasAudio: true, codecs: 'avc1.42c01e,mp4a.40.2' });
    await expect(
      verifyCopy(outputPath, { ...whole, durationSeconds: 3, hasAudio: true }, tools),
    ).rejects.toMatchObject({ code: 'source-truncated' });
    await expect(
      verifyCopy(outputPath, { ...whole, durationSeconds: 2, hasAudio: false }, tools),
    ).rejects.toMatchObject({ code: 'output-check-failed' });
  });

  it('carries no place and no device over', async () => {
    const sourcePath = await makeClip(file('gps.mp4'), {
      options: ['-metadata', 'location=+48.8584+002.2945/', '-movflags', '+use_metadata_tags'],
    });
    expect(await readFile(sourcePath, 'latin1')).toContain('+48.8584');
    const info = await probeFile(sourcePath, tools);
    const outputPath = file('gps-copy.mp4');
    await ffmpeg.run(
      copyToMp4Args({
        sourcePath,
        videoStreamIndex: info.video.index,
        audio: null,
        sizeBytes: info.sizeBytes,
        outputPath,
      }),
      BUDGET,
    );
    expect(await readFile(outputPath, 'latin1')).not.toContain('+48.8584');
  });
});

describe('thumbnails', () => {
  it('takes exactly the frame that is asked for, and the last one beyond the end', async () => {
    const sourcePath = await makeCountedClip('pictures.mp4', { seconds: 2 });
    const shown = await brightness(sourcePath);
    for (const [timestampSeconds, frame] of [
      [0.04, 1],
      [1, 25],
      [1.19, 29],
      [1.96, 49],
      [50, 49],
    ] as const) {
      const job = {
        sourcePath,
        frameRate: FPS_25,
        frames: 50,
        timestampSeconds,
        outputPath: file('picture.jpg'),
      };
      const thumbnail = await extractThumbnail(runFfmpeg, job);
      expect(thumbnail.timestampSeconds).toBeCloseTo(frame / 25, 6);
      expect(thumbnail.sizeBytes).toBe((await stat(job.outputPath)).size);
      const [value = 0] = await brightness(job.outputPath);
      // JPEG is full range: 16…235 becomes 0…255, and so does the decoder's gray for the clip.
      expect(Math.abs(value - (shown[frame] ?? -99))).toBeLessThanOrEqual(4);
    }
  });

  it('does not take the black beginning', async () => {
    const sourcePath = file('fade.mp4');
    await runTool('ffmpeg', [
      '-f',
      'lavfi',
      '-i',
      'testsrc2=s=320x180:r=25:d=3,fade=in:st=0.3:d=0.5',
      '-c:v',
      'libx264',
      '-pix_fmt',
      'yuv420p',
      sourcePath,
    ]);
    const job = {
      sourcePath,
      frameRate: FPS_25,
      frames: 75,
      timestampSeconds: 0,
      outputPath: file('fade.jpg'),
    };
    await extractThumbnail(runFfmpeg, job);
    const [value = 0] = await brightness(job.outputPath);
    expect(value).toBeGreaterThan(60);
  });

  it('takes the last frame where there are fewer than planned', async () => {
    const sourcePath = await makeCountedClip('fewer.mp4', { seconds: 2 });
    const outputPath = file('fewer.jpg');
    const job = { sourcePath, frameRate: FPS_25, frames: 60, timestampSeconds: 2.3, outputPath };
    await extractThumbnail(runFfmpeg, job);
    const shown = await brightness(sourcePath);
    const [value = 0] = await brightness(outputPath);
    expect(Math.abs(value - (shown[49] ?? -99))).toBeLessThanOrEqual(4);
  });

  it('fails where there is no picture at all', async () => {
    const sourcePath = file('sound-only.m4a');
    await runTool('ffmpeg', ['-f', 'lavfi', '-i', 'sine=d=1', sourcePath]);
    const outputPath = file('none.jpg');
    const job = { sourcePath, frameRate: FPS_25, frames: 25, timestampSeconds: 0, outputPath };
    await expect(extractThumbnail(runFfmpeg, job)).rejects.toMatchObject({
      code: 'encoder-failed',
    });
  });
});

describe('probing', () => {
  it.each([
    ['nothing', '', 'source-empty'],
    ['text', 'this is not a video', 'source-unreadable'],
    [
      'an HLS playlist',
      '#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10.0,\nplain.mp4\n#EXT-X-ENDLIST\n',
      'source-format-not-allowed',
    ],
    ['a list of files', "ffconcat version 1.0\nfile 'plain.mp4'\n", 'source-format-not-allowed'],
  ])('refuses %s under the name of a video', async (name, text, code) => {
    const source = file(`hostile-${name.replaceAll(' ', '-')}.mp4`);
    await writeFile(source, text);
    await expect(probeFile(source, tools)).rejects.toMatchObject({ code });
  });

  it('refuses sound without a picture', async () => {
    await runTool('ffmpeg', ['-f', 'lavfi', '-i', 'sine=d=1', file('sound.m4a')]);
    await expect(probeFile(file('sound.m4a'), tools)).rejects.toMatchObject({
      code: 'source-has-no-video',
    });
  });

  it('refuses a file whose index is cut off', async () => {
    const clip = await makeClip(file('index.mp4'));
    await truncate(clip, Math.floor((await stat(clip)).size * 0.9));
    await expect(probeFile(clip, tools)).rejects.toMatchObject({
      code: 'source-unreadable',
      details: { exitCode: 1 },
    });
  });

  it('counts the picture of a file that tells only how long its sound is', async () => {
    const clip = await makeClip(file('sound-longer.flv'), {
      options: ['-t', '1.2', '-af', 'apad=whole_dur=3'],
    });
    const longer = file('longer.flv');
    await runTool('ffmpeg', [
      '-i',
      clip,
      '-f',
      'lavfi',
      '-i',
      'sine=d=4',
      '-map',
      '0:v',
      '-map',
      '1:a',
      '-c:v',
      'copy',
      longer,
    ]);
    const info = await probeFile(longer, tools);
    expect(info.durationSeconds).toBeGreaterThan(3.9);
    expect(info.video.durationSeconds).toBeCloseTo(1.2, 1);
    expect(info.video.frameCount).toBe(30);
  });

  it('tells how few frames a gap of hours hides', async () => {
    const two = await makeClip(file('two.mkv'), { audio: false, framesPerSecond: 1 });
    const gap = file('gap.mkv');
    await runTool('ffmpeg', [
      '-i',
      two,
      '-c',
      'copy',
      '-bsf:v',
      'setts=ts=if(eq(N\\,0)\\,0\\,PTS*72000)',
      gap,
    ]);
    const info = await probeFile(gap, tools);
    expect(info.durationSeconds).toBeGreaterThan(71_000);
    expect(info.video.frameCount).toBe(2);
  });

  it('stops at its time and on cancel', async () => {
    const clip = await makeClip(file('probe.mp4'));
    await expect(probeFile(clip, { ...tools, timeoutMs: 0 })).rejects.toMatchObject({
      code: 'processing-timeout',
    });
    const reason = new TypeError('CANCELLED');
    await expect(probeFile(clip, { ...tools, signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
  });

  it('leaves the source as it was', async () => {
    const clip = await makeClip(file('untouched.mp4'));
    const before = await readFile(clip);
    await probeFile(clip, tools);
    await using handle = await open(clip);
    expect((await handle.readFile()).equals(before)).toBe(true);
  });
});
