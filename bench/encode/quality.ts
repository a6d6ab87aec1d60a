import { readFileSync } from 'node:fs';
import { runFfmpeg } from './run-tool.ts';

/** Likeness of two videos of one size, picture by picture: 1 is equal. @throws when ffmpeg says nothing of it */
export async function measureSsim(file: string, reference: string): Promise<number> {
  const graph =
    '[0:v:0]settb=1/1000,setpts=N,format=yuv420p[a];[1:v:0]settb=1/1000,setpts=N,format=yuv420p[b];[a][b]ssim';
  const { stderr } = await runFfmpeg(
    ['-i', file, '-i', reference, '-filter_complex', graph, '-f', 'null', '-'],
    'info',
  );
  const found = /SSIM .*All:([\d.]+)/.exec(stderr)?.[1];
  if (found === undefined) throw new Error(`no SSIM of ${file}:\n${stderr}`);
  return Number(found);
}

/**
 * What x264 says of itself in a file: it writes its settings into the first picture. Without those that say how the work was
 * shared out.
 */
export function readX264Settings(file: string): string {
  const bytes = readFileSync(file);
  const at = bytes.indexOf('x264 - core');
  if (at < 0) throw new Error(`${file} does not say how x264 was set`);
  const text = bytes.toString('latin1', at, bytes.indexOf(0, at));
  const settings = text.slice(text.indexOf('options: ') + 'options: '.length);
  return settings
    .replaceAll(/\b(lookahead_)?threads=\d+ ?/g, '')
    .replace(/\u0080$/, '')
    .trim();
}
