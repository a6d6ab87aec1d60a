import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { collectFaults, hasBrowser, openBrowser } from '../support/browser.ts';
import { makeClip, makeTempFolder } from '../support/make-clip.ts';
import { type RunningStack, startStack } from '../support/stack.ts';
import { writeSlowFfmpeg } from '../support/stub-ffmpeg.ts';
import { waitUntil } from '../support/wait-until.ts';

jest.setTimeout(400_000);

const SECONDS = 6;
const QUALITIES = ['1080p', '720p', '480p', '360p', '240p'];

(hasBrowser() ? describe : describe.skip)('first page', () => {
  let stack: RunningStack;
  let browser: Browser;
  let folder: Awaited<ReturnType<typeof makeTempFolder>>;
  let clip: string;

  beforeAll(async () => {
    folder = await makeTempFolder();
    [stack, browser, clip] = await Promise.all([
      writeSlowFfmpeg(folder.path, 2).then((ffmpeg) => startStack({ FFMPEG_PATH: ffmpeg })),
      openBrowser(),
      makeClip(join(folder.path, 'street.mp4'), {
        widthPx: 1920,
        heightPx: 1080,
        seconds: SECONDS,
      }),
    ]);
  });

  afterAll(async () => {
    await browser?.close();
    await stack?.stop();
    await folder?.remove();
  });

  async function openPage(path = '/') {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    page.setDefaultTimeout(90_000);
    // Who is not logged in asks once who they are.
    const faults = collectFaults(page, (fault) => fault === `401 ${stack.url}/auth/me`);
    await page.goto(stack.url + path);
    return { page, faults, close: () => context.close() };
  }

  it('takes an upload, shows its progress, and plays every quality from any point', async () => {
    const { page, faults, close } = await openPage();
    await page.getByLabel('API key').fill(stack.apiKey);
    await page.getByRole('button', { name: 'Log in with the key' }).click();
    await page.getByRole('heading', { name: 'My videos' }).waitFor();

    await page.getByLabel('Choose a file').setInputFiles(clip);
    await page.getByLabel('Title').fill('Street');
    await page.getByRole('button', { name: 'Upload', exact: true }).click();
    await page.getByRole('heading', { name: 'Street' }).waitFor();
    const percents = await watchProgress(page);
    expect(percents.length).toBeGreaterThan(1);
    expect(percents).toEqual(percents.toSorted((a, b) => a - b));

    await page.locator('#player').waitFor();
    expect(await page.locator('#strip img').count()).toBe(4);
    for (const quality of QUALITIES) await playAndSeek(page, quality);
    await page.screenshot({
      path: join(process.env['SCREENSHOTS'] ?? folder.path, 'playing.png'),
      fullPage: true,
    });

    await page.getByRole('button', { name: 'Jump to 0:03' }).click();
    expect(await evaluate<number>(page, 'player.currentTime')).toBeCloseTo(3, 1);
    expect(faults.list()).toEqual([]);
    await close();
  });

  it('shows where a seek would lead, and goes there', async () => {
    const { url } = await askApi('POST', '/auth/login-links', { next: '/?video=1' });
    const { page, faults, close } = await openPage(String(url).slice(stack.url.length));
    const bar = page.getByRole('slider', { name: 'Position' });
    await bar.waitFor();
    expect(await page.locator('#preview').isVisible()).toBe(false);
    const { x, y, width, height } = (await bar.boundingBox()) ?? {
      x: 0,
      y: 0,
      width: 0,
      height: 0,
    };
    const sheet = page.waitForResponse((response) => response.url().includes('/storyboard/'));
    await page.mouse.move(x + width * 0.75, y + height / 2);
    await page.locator('#preview').waitFor();
    // The second where viewers are sent to the store.
    expect([200, 302]).toContain((await sheet).status());
    // 4.5 s of 6: the third of three pictures.
    expect(await page.locator('#preview-time').textContent()).toMatch(/^0:0[45]$/);
    expect(await evaluate(page, PREVIEW)).toEqual({
      sheet: `${stack.url}/videos/1/storyboard/0.jpg?v=1`,
      position: '-320px 0px',
      size: [160, 90],
    });
    await page.mouse.move(x + width * 0.4, y + height / 2);
    await waitUntil(
      () => evaluate<{ position: string }>(page, PREVIEW),
      ({ position }) => position === '-160px 0px',
    );
    await page.screenshot({
      path: join(process.env['SCREENSHOTS'] ?? folder.path, 'preview.png'),
      fullPage: true,
    });
    await page.mouse.click(x + width * 0.5, y + height / 2);
    expect(await evaluate<number>(page, 'player.currentTime')).toBeCloseTo(3, 0);
    await page.mouse.move(x + width / 2, y - 400);
    await page.locator('#preview').waitFor({ state: 'hidden' });
    expect(faults.list()).toEqual([]);
    await close();
  });

  it('logs in by password and out again, and keeps no secret where scripts can read it', async () => {
    const { page, faults, close } = await openPage();
    await page.getByLabel('E-mail').fill(stack.admin.email);
    await page.getByLabel('Password').fill(stack.admin.password);
    await page.getByRole('button', { name: 'Log in with the password' }).click();
    await page.getByRole('link', { name: /Street/ }).waitFor();
    expect(
      await evaluate(page, '[document.cookie, localStorage.length, sessionStorage.length]'),
    ).toEqual(['', 0, 0]);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
    expect(await page.getByText('Street').count()).toBe(0);
    expect(faults.list()).toEqual([]);
    await close();
  });

  it('opens the video of a login link', async () => {
    const { url } = await askApi('POST', '/auth/login-links', { next: '/?video=1' });
    const { page, faults, close } = await openPage(String(url).slice(stack.url.length));
    await page.getByRole('heading', { name: 'Street' }).waitFor();
    await playAndSeek(page, '720p');
    expect(faults.list()).toEqual([]);
    await close();
  });

  it('processes a video again and shows the new version, playing on where the viewer was', async () => {
    const { url } = await askApi('POST', '/auth/login-links', { next: '/?video=1' });
    const { page, faults, close } = await openPage(String(url).slice(stack.url.length));
    await page.getByLabel('Quality').selectOption('360p');
    await evaluate(page, 'player.currentTime = 4');
    await stack.runClosed(1);
    await page.getByRole('button', { name: 'Process again' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Process again' }).click();
    await page.locator('#panel-facts').filter({ hasText: 'version 2' }).waitFor();
    await page.getByRole('status').filter({ hasText: 'Street: Ready' }).waitFor();
    await waitUntil(
      () =>
        evaluate<[string, number, number]>(
          page,
          '[player.src, player.readyState, player.currentTime]',
        ),
      ([source, readyState]) => source.endsWith('/videos/stream/1/360p/?v=2') && readyState >= 2,
    );
    expect(await evaluate<number>(page, 'player.currentTime')).toBeCloseTo(4, 1);
    expect(faults.list()).toEqual([]);
    await close();
  });

  it('says in a sentence why a file failed, and deletes a video once that is confirmed', async () => {
    const { page, faults, close } = await openPage();
    const sound = join(folder.path, 'sound.mp4');
    await makeClip(sound, { options: ['-vn'] });
    await page.getByLabel('API key').fill(stack.apiKey);
    await page.getByRole('button', { name: 'Log in with the key' }).click();
    await page.getByLabel('Choose a file').setInputFiles(sound);
    await page.getByRole('button', { name: 'Upload', exact: true }).click();
    await page
      .locator('#panel-failure')
      .filter({ hasText: /picture/ })
      .waitFor();

    const remove = page.getByRole('button', { name: 'Delete', exact: true });
    await remove.click();
    await page.getByRole('button', { name: 'Keep it as it is' }).click();
    expect(await page.locator('#panel').isVisible()).toBe(true);
    await remove.click();
    await page.getByRole('button', { name: 'Delete for good' }).click();
    await page.locator('#panel').waitFor({ state: 'hidden' });
    await waitUntil(
      () => page.locator('.item').count(),
      (count) => count === 1,
    );
    expect(faults.list()).toEqual([]);
    await close();
  });

  /** The percents that were shown until the video was ready. */
  async function watchProgress(page: Page): Promise<readonly number[]> {
    const seen = new Set<number>();
    await waitUntil(
      async () => {
        seen.add(await evaluate<number>(page, "document.getElementById('panel-bar').value"));
        return page
          .locator('#panel-failure')
          .textContent({ timeout: 1000 })
          .then(async (failure) => ({
            failure,
            isReady: await page.locator('#player').isVisible(),
          }));
      },
      ({ failure, isReady }) => {
        if (failure) throw new Error(failure);
        return isReady;
      },
      250_000,
    );
    return [...seen];
  }

  /** Plays from 75 %: time and decoded pictures must advance, in the size that was asked for. */
  async function playAndSeek(page: Page, quality: string): Promise<void> {
    await page.getByLabel('Quality').selectOption(quality);
    await evaluate(page, 'player.muted = true');
    await waitUntil(
      () => evaluate<number>(page, 'player.readyState'),
      (state) => state >= 2,
    );
    await evaluate(page, 'player.play()');
    await evaluate(page, `player.currentTime = player.duration * 0.75`);
    const frames = await evaluate<number>(
      page,
      'player.getVideoPlaybackQuality().totalVideoFrames',
    );
    const at = await waitUntil(
      () => evaluate<{ time: number; frames: number; height: number }>(page, SNAPSHOT),
      (now) => now.time > SECONDS * 0.75 + 0.3 && now.frames > frames + 5,
    );
    expect(at.height).toBe(Number.parseInt(quality, 10));
    expect(await evaluate<number>(page, 'player.duration')).toBeCloseTo(SECONDS, 0);
    await evaluate(page, 'player.pause()');
    await evaluate(page, 'player.currentTime = 0');
  }

  async function askApi(
    method: string,
    path: string,
    body: object,
  ): Promise<Record<string, unknown>> {
    const headers = { Authorization: `Bearer ${stack.apiKey}`, 'Content-Type': 'application/json' };
    const response = await fetch(stack.url + path, { method, headers, body: JSON.stringify(body) });
    return (await response.json()) as Record<string, unknown>;
  }
});

const SNAPSHOT = `({
  time: player.currentTime,
  frames: player.getVideoPlaybackQuality().totalVideoFrames,
  height: player.videoHeight,
})`;

const PREVIEW = `(() => {
  const { backgroundImage, backgroundPosition } = getComputedStyle(document.getElementById('preview-picture'));
  const { width, height } = document.getElementById('preview-picture').getBoundingClientRect();
  return {
    sheet: backgroundImage.slice(5, -2),
    position: backgroundPosition,
    size: [Math.round(width), Math.round(height)],
  };
})()`;

/** Runs an expression in the page; an element with an id is a variable there. */
function evaluate<T>(page: Page, expression: string): Promise<T> {
  return page.evaluate<T>(expression);
}
