import { readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { planEncoding } from '../../src/domain/encoding-plan.ts';
import type { RunSettings } from '../../src/domain/run-settings.ts';
import { encodeAudioArgs, encodeChunkArgs } from '../../src/media/encode-args.ts';
import { createFfmpeg, type Ffmpeg } from '../../src/media/ffmpeg.ts';
import { probeFile, type ProbeOptions } from '../../src/media/ffprobe.ts';
import { sniffContainer } from '../../src/usecases/sniff-container.ts';
import { countConnections } from '../support/count-connections.ts';
import { makeClip, makeTempFolder, runTool } from '../support/make-clip.ts';
import { makeIndexBomb } from '../support/index-bomb.ts';
import { everyLauncher, FFMPEG, FFPROBE } from '../support/sandboxes.ts';

const SETTINGS: RunSettings = {
  profile: 'ladder',
  crf: 28,
  preset: 'ultrafast',
  timeoutSeconds: 60,
  maxDurationSeconds: 6 * 3600,
  onTruncated: 'fail',
  platformFaultPatienceSeconds: 60,
  thumbnailTimestamps: null,
  ffmpegMemoryMb: 8000,
  lanes: 2,
  threads: 1,
  decodeCheck: 'smallest',
};

const hls = (segment: string): string =>
  `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10.0,\n${segment}\n#EXT-X-ENDLIST\n`;
const dash = (url: string): string =>
  `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S" minBufferTime="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1000"><BaseURL>${url}</BaseURL><SegmentBase indexRange="0-1"/></Representation></AdaptationSet></Period></MPD>`;
const sdp = (port: number): string =>
  `v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video ${port} RTP/AVP 96\na=rtpmap:96 H264/90000\n`;

/** Texts that make a player of playlists open something else; `own` is the folder, `port` listens. */
const PLAYLISTS: readonly (readonly [string, (own: string, port: number) => string])[] = [
  ['an HLS playlist of a neighbour', () => hls('neighbour.ts')],
  ['an HLS playlist of an absolute file', (own) => hls(`file://${own}/neighbour.ts`)],
  ['an HLS playlist of /etc/passwd', () => hls('file:///etc/passwd')],
  ['an HLS playlist of an address', (_, port) => hls(`http://127.0.0.1:${port}/latest/meta.ts`)],
  ['an HLS playlist of a bare port', (_, port) => hls(`tcp://127.0.0.1:${port}/a.ts`)],
  ['a DASH manifest of a neighbour', () => dash('neighbour.mp4')],
  ['a DASH manifest of a file', (own) => dash(`file://${own}/neighbour.mp4`)],
  ['a DASH manifest of an address', (_, port) => dash(`http://127.0.0.1:${port}/a.mp4`)],
  ['a list of files', () => "ffconcat version 1.0\nfile 'neighbour.mp4'\n"],
  ['a list of addresses', (_, port) => `ffconcat version 1.0\nfile 'http://127.0.0.1:${port}/a'\n`],
  ['an SDP', (_, port) => sdp(port)],
  [
    'an SVG',
    (_, port) =>
      `<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100"><image href="http://127.0.0.1:${port}/a.png" width="9" height="9"/></svg>`,
  ],
];
/** Between an MP4's first bytes and its index: what the upload's gate takes for an MP4, and ffmpeg may take for DASH. */
const inFtyp = (text: string): Buffer => {
  const body = Buffer.from(text);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length + 8, 0);
  head.write('free', 4, 'latin1');
  const ftyp = Buffer.from('\0\0\0\x18ftypisom\0\0\x02\0isomiso2', 'latin1');
  return Buffer.concat([ftyp, head, body]);
};

let temp: { path: string; remove: () => Promise<void> };
const file = (name: string): string => path.join(temp.path, name);
beforeAll(async () => {
  temp = await makeTempFolder();
  await makeClip(file('neighbour.mp4'), { seconds: 1 });
  await makeClip(file('neighbour.ts'), { seconds: 1 });
  await makeBombs();
});
afterAll(() => temp.remove());

async function makeBombs(): Promise<void> {
  const color = (size: string) => ['-f', 'lavfi', '-i', `color=gray:s=${size}:r=1:d=1`];
  const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-threads', '1', '-pix_fmt', 'yuv420p'];
  await runTool('ffmpeg', [...color('8192x4352'), ...x264, file('pixels.mp4')]);
  await runTool('ffmpeg', [...color('16384x16'), ...x264, file('wide.mp4')]);
  const maps = Array.from({ length: 300 }, () => ['-map', '0:a']).flat();
  await runTool('ffmpeg', [
    ...['-i', file('neighbour.mp4'), '-map', '0:v'],
    ...[...maps, '-c', 'copy', file('streams.mkv')],
  ]);
  const two = await makeClip(file('two.mkv'), { audio: false, framesPerSecond: 1 });
  const apart = 'setts=ts=if(eq(N\\,0)\\,0\\,PTS*72000)';
  await runTool('ffmpeg', ['-i', two, '-c', 'copy', '-bsf:v', apart, file('gap.mkv')]);
  await writeFile(file('index.mp4'), makeIndexBomb(40_000_000));
}

describe.each(await everyLauncher())('with %s', (_name, launcher) => {
  const options: ProbeOptions = { ffprobePath: FFPROBE, launcher, timeoutMs: 120_000 };
  let ffmpeg: Ffmpeg;
  beforeAll(async () => {
    ffmpeg = await createFfmpeg({
      ffmpegPath: FFMPEG,
      logger: { debug: () => undefined },
      launcher,
    });
  });

  /** As a run would, had the probe let it through. */
  const encode = (sourcePath: string) =>
    ffmpeg.run(
      encodeChunkArgs({
        sourcePath,
        clock: { firstSeconds: 0, zeroSeconds: 0 },
        videoStreamIndex: 0,
        frameRate: { num: 25, den: 1 },
        originSeconds: 0,
        firstFrame: 0,
        endFrame: 25,
        gopFrames: 50,
        interlaced: false,
        toneMap: false,
        colorMatrix: 'tagged',
        preset: 'ultrafast',
        threads: { encode: 1, decode: 1 },
        renditions: [
          {
            widthPx: 160,
            heightPx: 90,
            rateControl: { kind: 'capped-crf', crf: 30, maxrateBps: 1e6, bufsizeBps: 1e6 },
            outputPath: file('out.mp4'),
          },
        ],
      }),
      { budgetMs: 120_000 },
    );
  const listen = (sourcePath: string) =>
    ffmpeg.run(
      encodeAudioArgs({
        sourcePath,
        audioStreamIndex: 0,
        clock: { firstSeconds: 0, zeroSeconds: 0 },
        originSeconds: 0,
        durationSeconds: 1,
        outputPath: file('out.m4a'),
      }),
      { budgetMs: 120_000 },
    );

  it.each(PLAYLISTS)('reads nothing for %s, and makes no request', async (name, text) => {
    const connections = await countConnections(async (port) => {
      for (const extension of ['mp4', 'm3u8', 'mkv']) {
        const source = file(`${name.replaceAll(/\W/g, '-')}.${extension}`);
        await writeFile(source, text(temp.path, port));
        await expect(probeFile(source, options)).rejects.toMatchObject({
          code: expect.stringMatching(/^source-(format-not-allowed|unreadable|truncated)$/),
        });
        // Both read with the same flags; the name that a playlist has is the one that most are fooled by.
        for (const use of extension === 'm3u8' ? [encode, listen] : [encode]) {
          await expect(use(source)).rejects.toMatchObject({
            code: expect.stringMatching(/^source-(format-not-allowed|unreadable|truncated)$/),
          });
        }
      }
    });
    expect(connections).toBe(0);
    const written = (await readdir(temp.path)).filter((entry) => entry.startsWith('out.'));
    for (const entry of written) expect((await stat(file(entry))).size).toBe(0);
  });

  it.each(PLAYLISTS)('reads nothing for %s inside an MP4', async (name, text) => {
    const connections = await countConnections(async (port) => {
      const source = file(`inside-${name.replaceAll(/\W/g, '-')}.mp4`);
      await writeFile(source, inFtyp(text(temp.path, port)));
      await expect(probeFile(source, options)).rejects.toMatchObject({
        code: expect.stringMatching(/^source-/),
      });
      await expect(encode(source)).rejects.toMatchObject({
        code: expect.stringMatching(/^source-/),
      });
    });
    expect(connections).toBe(0);
  });

  it.each([
    ['pixels.mp4', 'source-too-large-picture'],
    ['wide.mp4', 'source-too-large-picture'],
    ['streams.mkv', 'source-too-many-streams'],
    ['index.mp4', 'source-unreadable'],
    ['gap.mkv', 'source-has-gaps'],
  ])('%s is refused as %s', async (name, code) => {
    const judge = async () => planEncoding(await probeFile(file(name), options), SETTINGS);
    await expect(judge()).rejects.toMatchObject({ code });
  });
});

it('the gate of uploads lets none of the playlists in', async () => {
  for (const [, text] of PLAYLISTS) {
    expect(await sniffContainer(Buffer.from(text('/srv/media', 80)))).toBeUndefined();
  }
});
