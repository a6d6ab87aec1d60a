import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { findTool } from '../../src/media/launchers.ts';
import { openSandbox } from '../../src/media/open-sandbox.ts';
import {
  createToolLauncher,
  type ToolLauncher,
  unconfinedLauncher,
} from '../../src/media/tool-launcher.ts';

export const FFMPEG = process.env['FFMPEG_PATH'] ?? '/usr/bin/ffmpeg';
export const FFPROBE = process.env['FFPROBE_PATH'] ?? '/usr/bin/ffprobe';

/** Whether bubblewrap is here. Says so aloud where it is not. @throws with `CI=true`, where nothing may be left out */
export function hasBubblewrap(): boolean {
  if (['/usr/bin/bwrap', '/usr/local/bin/bwrap'].some((file) => existsSync(file))) return true;
  const sentence =
    'bubblewrap is missing: the tests of the sandbox are left out (`apt-get install bubblewrap`).';
  if (process.env['CI'] === 'true') throw new Error(sentence);
  process.stderr.write(`\n${sentence}\n`);
  return false;
}

/** Bubblewrap as a worker opens it. @param ffmpegPath  a stub, where it lies outside the system's folders */
export async function openBubblewrap(ffmpegPath: string = FFMPEG): Promise<ToolLauncher> {
  const { launcher } = await openSandbox({
    mode: 'require',
    ffmpegPath,
    ffprobePath: FFPROBE,
    withScratch: withTempFolder,
  });
  return launcher;
}

/** Every way in which tools are started, by name: what holds for one must hold for all. */
export async function everyLauncher(): Promise<readonly (readonly [string, ToolLauncher])[]> {
  const unshare = await findTool('unshare');
  return [
    ['no sandbox', await unconfinedLauncher()],
    ...(unshare === undefined
      ? []
      : ([
          ['no network', await createToolLauncher({ kind: 'no-network', command: unshare })],
        ] as const)),
    ...(hasBubblewrap() ? ([['bubblewrap', await openBubblewrap()]] as const) : []),
  ];
}

export async function withTempFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'steadyreel-test-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
