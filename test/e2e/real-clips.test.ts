import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findRealClips } from '../support/real-clips.ts';
import { type RunningStack, startStack } from '../support/stack.ts';
import { createStackClient, type StackClient, type VideoAnswer } from '../support/stack-client.ts';

const execute = promisify(execFile);
const folder = findRealClips('e2e/real-clips') ?? '';

/** Renditions by the size of the picture as it is shown. */
const OF_1920X1080 = '1080p 1920x1080, 720p 1280x720, 480p 854x480, 360p 640x360, 240p 426x240';
const OF_1080X1920 = '1080p 1080x1920, 720p 720x1280, 480p 480x854, 360p 360x640, 240p 240x426';
const OF_1280X720 = '720p 1280x720, 480p 854x480, 360p 640x360, 240p 426x240';
const OF_720X1280 = '720p 720x1280, 480p 480x854, 360p 360x640, 240p 240x426';
const OF_1080X720 = '720p 1080x720, 480p 720x480, 360p 540x360, 240p 360x240';

/** File, size as it is shown, renditions, whether there is sound. */
const COMPLETED: readonly [string, string, string, 'sound' | 'silent'][] = [
  ['android-slowmo.mp4', '1280x720', OF_1280X720, 'silent'],
  ['bbb-1080p24-8s.mp4', '1920x1080', OF_1920X1080, 'sound'],
  ['dolbyvision-iphone.mov', '720x1280', OF_720X1280, 'sound'],
  ['h263-176x144.3gp', '176x144', '240p 176x144', 'silent'],
  ['h264.flv', '1080x720', OF_1080X720, 'sound'],
  ['hdr10-av1-portrait.mp4', '720x1280', OF_720X1280, 'sound'],
  ['hdr10-hevc-1080p.mp4', '1920x1080', OF_1920X1080, 'sound'],
  ['hevc-data-track-first.mp4', '1080x1920', OF_1080X1920, 'sound'],
  ['hlg-hevc-audio-first.mp4', '1920x1080', OF_1920X1080, 'sound'],
  ['hlg-hevc-editlist-rotated.mp4', '1080x1920', OF_1080X1920, 'sound'],
  ['malformed-mdat-too-long.mp4', '1080x720', OF_1080X720, 'sound'],
  ['malformed-missing-stsd.mp4', '1080x720', OF_1080X720, 'silent'],
  ['mpeg2-mp2.ts', '640x426', '360p 540x360, 240p 360x240', 'sound'],
  ['mpeg4-mp3.avi', '960x400', '480p 854x356, 360p 640x266, 240p 426x178', 'sound'],
  ['portrait-4k60-rotated.mp4', '2160x3840', OF_1080X1920, 'sound'],
  ['vfr-fullrange-518x488.mp4', '518x488', '480p 510x480, 360p 382x360, 240p 254x240', 'sound'],
  ['vp8-vorbis51-1080p60.webm', '1920x1080', OF_1920X1080, 'sound'],
  ['vp9-10bit.webm', '426x240', '240p 426x240', 'silent'],
  ['vp9-odd-161x121.webm', '161x121', '240p 160x120', 'silent'],
];
const WITHOUT_PICTURE = 'eac3-51-audio-only.mp4';
/** Takes a minute of two cores for nothing that shorter ones do not show: `npm run corpus` takes it too. */
const LONG = 'long-6min-1080p.mp4';

(folder === '' ? describe.skip : describe)('clips of real cameras, phones and encoders', () => {
  let stack: RunningStack;
  let client: StackClient;
  const ids = new Map<string, number>();

  beforeAll(async () => {
    // Looks do not matter: fewer bits are written and read in less time.
    stack = await startStack({ VIDEO_CRF: '45', MAX_VIDEO_PROCESSING_TASKS: '2' });
    client = createStackClient(stack);
    for (const [name] of [...COMPLETED, [WITHOUT_PICTURE] as const]) {
      const video = await client.upload(path.join(folder, `real-${name}`));
      ids.set(name, Number(video['id']));
    }
  }, 240_000);
  afterAll(() => stack?.stop(), 60_000);

  const ended = (name: string): Promise<VideoAnswer> => client.ended(ids.get(name) ?? 0, 400);

  it('are all of the folder but a long one', () => {
    const names = readdirSync(folder).filter((name) => name.startsWith('real-'));
    const known = [...ids.keys(), LONG].map((name) => `real-${name}`);
    expect(names.toSorted()).toEqual(known.toSorted());
  });

  it.each(COMPLETED)(
    '%s is %s and becomes %s, %s',
    async (name, size, renditions, sound) => {
      const video = await ended(name);
      expect(video).toMatchObject({ status: 'completed', failure: null, version: 1 });
      const streams = video['streams'] as Record<string, unknown>[];
      expect({
        size: sizeOf(video),
        renditions: streams.map((each) => `${String(each['quality'])} ${sizeOf(each)}`).join(', '),
        sound: streams.every(({ codecs }) => String(codecs).includes('mp4a')) ? 'sound' : 'silent',
        // a sound that was there and cannot be read is told
        audioDropped: codesOf(video['warnings']).includes('audio-dropped'),
      }).toEqual({ size, renditions, sound, audioDropped: name.includes('missing-stsd') });
    },
    420_000,
  );

  it(`${WITHOUT_PICTURE} fails at its first attempt`, async () => {
    expect(await ended(WITHOUT_PICTURE)).toMatchObject({
      status: 'failed',
      failure: { code: 'source-has-no-video', attempt: 1 },
      streams: [],
    });
  }, 420_000);

  it('stay as they were uploaded', () => {
    const hash = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
    const originals = client.mediaBelow('videos/original').map(hash);
    const sources = [...ids.keys()].map((name) => hash(path.join(folder, `real-${name}`)));
    expect(originals.toSorted()).toEqual(sources.toSorted());
  });

  it.each(['1080p', '720p', '480p', '360p', '240p', 'compressed'])(
    'the %s stream of the film is decoded over HTTP without a word, whole',
    async (quality) => {
      const { id } = await ended('bbb-1080p24-8s.mp4');
      const url = `${stack.url}/videos/stream/${String(id)}/${quality}/`;
      expect(await decode(url, stack.apiKey)).toEqual({ frames: 194, errors: '' }); // 8.083 s at 24
    },
    420_000,
  );
});

function sizeOf({ widthPx, heightPx }: Record<string, unknown>): string {
  return `${String(widthPx)}x${String(heightPx)}`;
}

function codesOf(warnings: unknown): readonly string[] {
  return (warnings as { code: string }[]).map(({ code }) => code);
}

/** Decodes all streams by a tool that is not under test. */
async function decode(url: string, apiKey: string) {
  const { stdout, stderr } = await execute('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-headers', `Authorization: Bearer ${apiKey}\r\n`, '-i', url],
    ...['-map', '0', '-fps_mode', 'passthrough', '-f', 'null', '-progress', 'pipe:1', '-'],
  ]);
  const [, frames] = [...stdout.matchAll(/^frame=(\d+)$/gm)].at(-1) ?? [];
  return { frames: Number(frames), errors: stderr };
}
