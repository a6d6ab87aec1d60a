import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { runTool } from './make-clip.ts';

/** What a viewer sees and hears of a file, as numbers; by ffmpeg's decoders and filters, outside of what is tested. */

const execute = promisify(execFile);

export interface ShownFrame {
  /** On the clock of the file, where sound and picture share their zero. */
  readonly seconds: number;
  /** Mean of the frame, 16…235. */
  readonly luma: number;
  /** What only a tenth of the frame is darker than. */
  readonly darkLuma: number;
  /** Mean distance from grey. */
  readonly saturation: number;
}

/** Every frame in the order it is shown. @param filters  what is done with each before it is measured */
export async function watch(file: string, filters = 'null'): Promise<readonly ShownFrame[]> {
  const text = await runTool('ffmpeg', [
    ...['-copyts', '-i', file, '-map', '0:v:0', '-fps_mode', 'passthrough'],
    ...['-vf', `${filters},format=yuv420p,signalstats,metadata=print:file=-`, '-f', 'null', '-'],
  ]);
  const frames: ShownFrame[] = [];
  for (const block of text.split(/^frame:/m).slice(1)) {
    const number = (name: string) => Number(new RegExp(`${name}[=:](-?[\\d.]+)`).exec(block)?.[1]);
    frames.push({
      seconds: number('pts_time'),
      luma: number('signalstats.YAVG'),
      darkLuma: number('signalstats.YLOW'),
      saturation: number('signalstats.SATAVG'),
    });
  }
  return frames;
}

/** When the picture goes from dark to bright, in seconds. */
export async function flashes(file: string): Promise<readonly number[]> {
  // Only the mean is asked for.
  const frames = await watch(file, 'scale=32:18:flags=area');
  return frames
    .filter(({ luma }, index) => luma > 125 && (frames[index - 1]?.luma ?? 0) <= 125)
    .map(({ seconds }) => seconds);
}

/** When the sound begins after a silence of at least 0.3 s, in seconds. */
export async function beeps(file: string): Promise<readonly number[]> {
  const args = ['-nostdin', '-hide_banner', '-copyts', '-i', file, '-map', '0:a:0'];
  // The silence that is added ends with the file, and so does the list.
  const filter = 'apad=pad_dur=1,silencedetect=noise=-30dB:duration=0.3';
  const { stderr } = await execute('ffmpeg', [...args, '-af', filter, '-f', 'null', '-']);
  const ends = [...stderr.matchAll(/silence_end: (-?[\d.]+)/g)];
  return ends.slice(0, -1).map(([, seconds]) => Number(seconds));
}
