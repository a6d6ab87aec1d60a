import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';

/** Debian's, which has the decoders of H.264 and AAC. */
const CHROMIUM = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';

/**
 * Whether browser tests can run here. Says so aloud where they cannot.
 * @throws with `CI=true`, where nothing may be left out
 */
export function hasBrowser(): boolean {
  if (existsSync(CHROMIUM)) return true;
  const sentence = `${CHROMIUM} is missing: the tests that watch videos are left out (\`apt-get install chromium\`, or set CHROMIUM_PATH).`;
  if (process.env['CI'] === 'true') throw new Error(sentence);
  process.stderr.write(`\n${sentence}\n`);
  return false;
}

export function openBrowser(): Promise<Browser> {
  // The sandbox of Chromium does not work for root; these pages are our own.
  const args = [
    '--autoplay-policy=no-user-gesture-required',
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  ];
  return chromium.launch({ executablePath: CHROMIUM, args });
}

/** What a page did that nobody wants: console errors (a refusal by the Content-Security-Policy is one), exceptions, failures. */
export interface PageFaults {
  /** In the order in which they came; what `isExpected` knows is left out. */
  list(): readonly string[];
}

/** Collects faults from now on. @param isExpected gets `401 http://…` of an answer, or the text of another fault */
export function collectFaults(
  page: Page,
  isExpected: (fault: string) => boolean = () => false,
): PageFaults {
  const faults: string[] = [];
  const add = (fault: string): void => {
    if (!isExpected(fault)) faults.push(fault);
  };
  page.on('pageerror', (error) => add(`exception: ${error.message}`));
  page.on('response', (response) => {
    if (response.status() >= 400) add(`${response.status()} ${response.url()}`);
  });
  page.on('requestfailed', (request) => {
    // A player lets go of the bytes it no longer needs.
    const isLetGo =
      request.resourceType() === 'media' && request.failure()?.errorText === 'net::ERR_ABORTED';
    if (!isLetGo) add(`failed: ${request.failure()?.errorText} ${request.url()}`);
  });
  page.on('console', (message) => {
    // Answers are judged above, where their status is known.
    const isAnswer = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isAnswer) add(`console: ${message.text()}`);
  });
  return { list: () => faults };
}
