import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { hasBrowser, openBrowser } from '../support/browser.ts';
import { makeClip, makeTempFolder, runTool } from '../support/make-clip.ts';
import { openPlayerPage, playsFrom } from '../support/player.ts';
import { type RunningStack, startStack } from '../support/stack.ts';
import { waitUntil } from '../support/wait-until.ts';

jest.setTimeout(300_000);

const SECONDS = 25;
const FRAMES = SECONDS * 25;

/** What is needed here of a video as the API shows it. */
interface PlayableVideo {
  readonly id: number;
  readonly version: number | null;
  readonly hlsUrl: string;
  readonly dashUrl: string;
}

describe('playback', () => {
  let stack: RunningStack;
  let folder: Awaited<ReturnType<typeof makeTempFolder>>;
  let video: PlayableVideo;
  let silent: PlayableVideo;

  beforeAll(async () => {
    folder = await makeTempFolder();
    stack = await startStack();
    const clip = await makeClip(join(folder.path, 'street.mp4'), { seconds: SECONDS });
    const mute = await makeClip(join(folder.path, 'mute.mp4'), { seconds: 1, audio: false });
    const [first, second] = [await upload(clip), await upload(mute)];
    [video, silent] = await Promise.all([waitForVersion(first, 1), waitForVersion(second, 1)]);
  });

  afterAll(async () => {
    await stack?.stop();
    await folder?.remove();
  });

  async function ask(
    path: string,
    init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const headers = { Authorization: `Bearer ${stack.apiKey}`, ...init.headers };
    return fetch(stack.url + path, { ...init, headers });
  }

  async function upload(clip: string): Promise<number> {
    const body = new FormData();
    body.append('video', new Blob([await readFile(clip)]), clip);
    body.append('title', 'Straße 7/8: “Abend”');
    const answer = await ask('/videos/upload/', { method: 'POST', body });
    const said = (await answer.json()) as { id: number };
    expect([answer.status, said]).toEqual([
      201,
      expect.objectContaining({ id: expect.any(Number) }),
    ]);
    return said.id;
  }

  function waitForVersion(id: number, version: number): Promise<PlayableVideo> {
    return waitUntil(
      async () => (await (await ask(`/videos/${id}`)).json()) as PlayableVideo,
      (seen) => seen.version === version,
      200_000,
    );
  }

  /** Packets as ffmpeg gets them when it is the player. */
  async function countPackets(path: string, stream: string): Promise<number> {
    const text = await runTool('ffprobe', [
      ...['-headers', `Authorization: Bearer ${stack.apiKey}\r\n`, '-select_streams', stream],
      ...['-show_entries', 'packet=pts', '-of', 'csv=p=0', stack.url + path],
    ]);
    // Side data would be a line of its own.
    return text.match(/^-?\d/gm)?.length ?? 0;
  }

  it('gives ffmpeg exactly the planned frames, by HLS and by DASH', async () => {
    const { hlsUrl, dashUrl, id } = video;
    expect([hlsUrl, dashUrl]).toEqual([
      `/videos/${id}/hls/master.m3u8`,
      `/videos/${id}/dash/manifest.mpd`,
    ]);
    const plainSounds = await countPackets(`/videos/stream/${id}/360p/`, 'a:0');
    for (const path of [hlsUrl, dashUrl]) {
      expect(await countPackets(path, 'v:0')).toBe(FRAMES);
      expect(await countPackets(path, 'v:1')).toBe(FRAMES);
      expect(await countPackets(path, 'a:0')).toBe(plainSounds);
    }
    expect(await countPackets(`/videos/${id}/hls/240p.m3u8`, 'v:0')).toBe(FRAMES);
    expect(await countPackets(silent.hlsUrl, 'v:0')).toBe(25);
    expect(await countPackets(silent.dashUrl, 'v:0')).toBe(25);
  });

  it('serves playlists, versions and downloads as what they are', async () => {
    const { id } = video;
    const master = await ask(`/videos/${id}/hls/master.m3u8`);
    expect(master.headers.get('Content-Type')).toBe('application/vnd.apple.mpegurl');
    expect(master.headers.get('Cache-Control')).toBe('private, no-cache');
    expect(await master.text()).toMatch(
      /RESOLUTION=640x360,FRAME-RATE=25.000,CODECS="avc1.[0-9a-f]{6},mp4a.40.2",AUDIO="audio"\n360p.m3u8\?v=1\n/,
    );
    const etag = master.headers.get('ETag') ?? '';
    const again = await ask(`/videos/${id}/hls/master.m3u8`, {
      headers: { 'If-None-Match': etag },
    });
    expect(again.status).toBe(304);
    const manifest = await ask(`/videos/${id}/dash/manifest.mpd`, { method: 'HEAD' });
    expect(manifest.headers.get('Content-Type')).toBe('application/dash+xml');

    const part = await ask(`/videos/${id}/v1/360p.mp4`, { headers: { Range: 'bytes=4-7' } });
    // A store may tell them in another order.
    expect(part.headers.get('Cache-Control')?.split(', ').toSorted()).toEqual([
      'immutable',
      'max-age=31536000',
      'private',
    ]);
    expect([part.status, await part.text()]).toEqual([206, 'ftyp']);

    const saved = await ask(`/videos/${id}/download/360p`, { method: 'HEAD' });
    expect(saved.headers.get('Content-Disposition')).toBe(
      `attachment; filename="Stra_e 7_8_ _Abend_ 360p.mp4"; filename*=UTF-8''Stra%C3%9Fe%207_8_%20%E2%80%9CAbend%E2%80%9D%20360p.mp4`,
    );
    const original = await ask(`/videos/${id}/download/original`, { method: 'HEAD' });
    expect(original.headers.get('Content-Disposition')).toContain(
      'attachment; filename="street.mp4"',
    );
  });

  it.each([
    ['/v2/360p.mp4', 404, 'quality-not-available'],
    ['/v1/1080p.mp4', 404, 'quality-not-available'],
    ['/v1/compressed.mp4', 404, 'quality-not-available'],
    ['/v1/360p.webm', 404, 'not-found'],
    ['/v0/360p.mp4', 404, 'not-found'],
    ['/v99999999999/360p.mp4', 404, 'not-found'],
    ['/hls/720p.m3u8', 404, 'quality-not-available'],
    ['/hls/master.m3u8?v=7', 404, 'quality-not-available'],
    ['/hls/master.m3u8?v=x', 422, 'validation-failed'],
    ['/hls/360p.ts', 404, 'not-found'],
    ['/download/720p', 404, 'quality-not-available'],
  ])('refuses %s', async (path, status, code) => {
    const answer = await ask(`/videos/${video.id}${path}`);
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
      status,
      code,
    ]);
  });

  it('has no playlist of sound where there is none', async () => {
    const master = await (await ask(silent.hlsUrl)).text();
    expect(master).not.toContain('AUDIO');
    expect((await ask(`/videos/${silent.id}/hls/audio.m3u8`)).status).toBe(404);
  });

  it('shows nothing of it to strangers', async () => {
    for (const path of [
      'hls/master.m3u8',
      'hls/360p.m3u8',
      'dash/manifest.mpd',
      'v1/360p.mp4',
      'download/360p',
    ]) {
      const answer = await fetch(`${stack.url}/videos/${video.id}/${path}`);
      expect(answer.status).toBe(401);
    }
  });

  (hasBrowser() ? describe : describe.skip)('in a browser', () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await openBrowser();
    });
    afterAll(() => browser?.close());

    /** Logged in by the cookie as people are. */
    async function openPlayer() {
      const context = await browser.newContext({ bypassCSP: true });
      const logIn = await context.request.post(`${stack.url}/auth/log-in`, { data: stack.admin });
      expect(logIn.status()).toBe(200);
      return openPlayerPage(context, stack.url);
    }

    it('plays and seeks the file itself, by ranges', async () => {
      const { page, faults, close } = await openPlayer();
      await page.evaluate(`player.src = '/videos/${video.id}/v1/360p.mp4'; player.play()`);
      await playsFrom(page, 0);
      expect(await page.evaluate<number>('player.duration')).toBeCloseTo(SECONDS, 1);
      await page.evaluate(`player.currentTime = ${SECONDS * 0.9}`);
      await playsFrom(page, SECONDS * 0.9);
      expect(faults.list()).toEqual([]);
      await close();
    });

    it.each([
      ['sound', () => video, SECONDS],
      ['no sound', () => silent, 1],
    ] as const)('plays HLS with %s from zero to the end', async (_, of, seconds) => {
      const { page, faults, close } = await openPlayer();
      await page.evaluate(`load('${of().hlsUrl}', {})`);
      await playsFrom(page, 0);
      expect(await page.evaluate<number>('player.buffered.start(0)')).toBeLessThan(0.001);
      expect(await page.evaluate<number>('player.duration')).toBeCloseTo(seconds, 1);
      await page.evaluate(`player.currentTime = ${seconds * 0.9}`);
      await waitUntil(() => page.evaluate<boolean>('player.ended'), Boolean, 90_000);
      expect(await page.evaluate<string[]>('problems')).toEqual([]);
      expect(faults.list()).toEqual([]);
      await close();
    });

    it('goes on playing the version that it has begun, across a reprocess', async () => {
      const { page, faults, media, close } = await openPlayer();
      const { id, hlsUrl } = video;
      await page.evaluate(`load('${hlsUrl}', { maxBufferLength: 4, maxMaxBufferLength: 4 })`);
      await playsFrom(page, 0);
      await page.evaluate('player.pause()');

      const profile = JSON.stringify({ profile: '720p' });
      const headers = { 'Content-Type': 'application/json' };
      await stack.runClosed(id);
      const run = await ask(`/videos/${id}/reprocess`, { method: 'POST', body: profile, headers });
      expect(run.status).toBe(202);
      await waitForVersion(id, 2);
      const { length } = media;
      // The other rendition's playlist is asked for only now, and the new version does not even have it.
      await page.evaluate(
        `hls.nextLevel = hls.loadLevel === 0 ? 1 : 0; player.currentTime = 20; player.play()`,
      );
      await playsFrom(page, 20);
      expect(media.length).toBeGreaterThan(length);
      // The store, where viewers are sent to it, has another path before the same end.
      expect(media.filter((path) => !path.includes(`/${id}/v1/`))).toEqual([]);
      expect(await page.evaluate<string[]>('problems')).toEqual([]);
      expect(faults.list()).toEqual([]);
      const newest = await (await ask(hlsUrl)).text();
      expect(newest.match(/^\d+p.*$/gm)).toEqual(['360p.m3u8?v=2']);
      await close();
    });
  });
});
