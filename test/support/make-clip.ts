import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export interface ClipOptions {
  readonly widthPx?: number;
  readonly heightPx?: number;
  readonly framesPerSecond?: number | string;
  readonly seconds?: number;
  /** Default: a 440 Hz tone as mono AAC. */
  readonly audio?: boolean;
  /** Further output options, e.g. another codec; they come last and win. */
  readonly options?: readonly string[];
}

/** Makes a small H.264/AAC test picture with a running clock, by ffmpeg's own sources. */
export async function makeClip(file: string, clip: ClipOptions = {}): Promise<string> {
  const {
    widthPx = 640,
    heightPx = 360,
    framesPerSecond = 25,
    seconds = 2,
    audio = true,
    options = [],
  } = clip;
  const sound = audio
    ? ['-f', 'lavfi', '-i', `sine=f=440:r=48000:d=${seconds}`, '-c:a', 'aac']
    : [];
  await runTool('ffmpeg', [
    '-f',
    'lavfi',
    '-i',
    `testsrc2=s=${widthPx}x${heightPx}:r=${framesPerSecond}:d=${seconds}`,
    ...sound,
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-pix_fmt',
    'yuv420p',
    ...options,
    file,
  ]);
  return file;
}

/** Runs ffmpeg as a test's own tool, outside of what is tested. */
export async function runTool(
  tool: 'ffmpeg' | 'ffprobe',
  args: readonly string[],
): Promise<string> {
  const quiet = tool === 'ffmpeg' ? ['-nostdin', '-y'] : [];
  const { stdout } = await execute(tool, ['-v', 'error', ...quiet, ...args], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}

/** A folder that is gone after the test file: call `remove` in `afterAll`. */
export async function makeTempFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'steadyreel-test-'));
  return { path: folder, remove: () => rm(folder, { recursive: true, force: true }) };
}
