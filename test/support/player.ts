import { createRequire } from 'node:module';
import type { BrowserContext, Page } from 'playwright-core';
import { collectFaults, type PageFaults } from './browser.ts';
import { waitUntil } from './wait-until.ts';

/** A page of nothing but a player: `player` is the element, `load(url, options)` plays HLS, `problems` are hls.js's. */
export interface PlayerPage {
  readonly page: Page;
  readonly faults: PageFaults;
  /** Paths of the media files asked for so far, in order. */
  readonly media: readonly string[];
  close(): Promise<void>;
}

/**
 * The page is one of the API's with other contents. (Chromium withholds parts of requests that are sent on to another server from
 * pages that Playwright makes up.)
 * @param context logged in, with `bypassCSP`
 */
export async function openPlayerPage(context: BrowserContext, url: string): Promise<PlayerPage> {
  const page = await context.newPage();
  // What a seek makes needless, the player aborts itself.
  const faults = collectFaults(page, (fault) =>
    /^failed: net::ERR_ABORTED .*\.mp4(?:\?|$)/.test(fault),
  );
  const media: string[] = [];
  page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.endsWith('.mp4')) media.push(pathname);
  });
  await page.goto(`${url}/healthz`);
  await page.setContent('<video id="player" muted></video>');
  await page.addScriptTag({ path: HLS });
  await page.addScriptTag({ content: PLAYER });
  return { page, faults, media, close: () => context.close() };
}

/** Waits until time and decoded pictures go on from a moment. */
export async function playsFrom(page: Page, seconds: number): Promise<void> {
  const before = await page.evaluate<number>(DECODED);
  await waitUntil(
    () => page.evaluate<[number, number]>(`[player.currentTime, ${DECODED}]`),
    ([time, frames]) => time > seconds + SOME_FRAMES_SECONDS && frames > before + 3,
    90_000,
  );
}

const SOME_FRAMES_SECONDS = 0.2;
const DECODED = 'player.getVideoPlaybackQuality().totalVideoFrames';

const HLS = createRequire(import.meta.url).resolve('hls.js/dist/hls.min.js');
const PLAYER = `
  const player = document.getElementById('player');
  const problems = [];
  let hls;
  function load(url, options) {
    hls = new Hls(options);
    hls.on(Hls.Events.ERROR, (_, { type, details }) => {
      if (details !== Hls.ErrorDetails.INTERNAL_ABORTED) problems.push(type + ' ' + details);
    });
    hls.loadSource(url);
    hls.attachMedia(player);
    player.play();
  }`;
