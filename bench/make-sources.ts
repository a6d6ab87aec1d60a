import path from 'node:path';
import { runTool } from '../test/support/make-clip.ts';

export interface BenchSource {
  readonly name: string;
  readonly path: string;
}

interface Recipe {
  readonly name: string;
  readonly size: string;
  readonly rate: number;
  readonly options: readonly string[];
}

const SECONDS = 4;
const H264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-refs', '4'];
/** As many reference pictures as cameras and encoders use at most in practice. */
const REFERENCES = 'ref=4:bframes=4:b-pyramid=1:rc-lookahead=10';
const HEVC = ['-c:v', 'libx265', '-preset', 'ultrafast', '-tag:v', 'hvc1'];
const HDR10 = [
  ...HEVC,
  ...['-pix_fmt', 'yuv420p10le', '-color_primaries', 'bt2020', '-color_trc', 'smpte2084'],
  ...['-colorspace', 'bt2020nc'],
  ...['-x265-params', `log-level=error:hdr10=1:${REFERENCES}`],
];
const SDR_HEVC = [...HEVC, '-pix_fmt', 'yuv420p', '-x265-params', `log-level=error:${REFERENCES}`];

const RECIPES: readonly Recipe[] = [
  { name: 'SDR 1080p30 H.264', size: '1920x1080', rate: 30, options: H264 },
  { name: 'SDR 1080p30 HEVC', size: '1920x1080', rate: 30, options: SDR_HEVC },
  { name: 'SDR 720p30 H.264', size: '1280x720', rate: 30, options: H264 },
  { name: 'SDR 2160p30 H.264', size: '3840x2160', rate: 30, options: H264 },
  {
    name: 'SDR 1080i25 H.264',
    size: '1920x1080',
    rate: 25,
    options: [...H264, '-flags', '+ildct+ilme', '-x264-params', 'tff=1'],
  },
  { name: 'HDR10 1080p30 HEVC', size: '1920x1080', rate: 30, options: HDR10 },
  { name: 'HDR10 2160p60 HEVC', size: '3840x2160', rate: 60, options: HDR10 },
];

/** Makes one clip of each kind: a moving test picture with noise, so that encoders have something to do. */
export async function makeSources(folder: string): Promise<readonly BenchSource[]> {
  const sources: BenchSource[] = [];
  for (const { name, size, rate, options } of RECIPES) {
    const part = path.join(folder, `part-${sources.length}.mp4`);
    const file = path.join(folder, `source-${sources.length}.mp4`);
    const picture = `testsrc2=s=${size}:r=${rate}:d=1,noise=alls=10:allf=t`;
    await runTool('ffmpeg', ['-f', 'lavfi', '-i', picture, ...options, '-g', String(rate), part]);
    // One second, again and again: 4K takes long to make.
    const again = ['-stream_loop', String(SECONDS - 1), '-i', part, '-c', 'copy'];
    await runTool('ffmpeg', [...again, file]);
    sources.push({ name, path: file });
  }
  return sources;
}
