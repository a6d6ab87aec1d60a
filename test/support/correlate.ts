import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const SIDE_PX = 48;

/** One frame as brightness, squeezed into a square so that two can be laid over each other. */
export async function squareOf(
  file: string,
  { frame = 0, input = [], filters = [] }: SquareOptions = {},
): Promise<Buffer> {
  const chain = [`select=eq(n\\,${frame})`, ...filters, `scale=${SIDE_PX}:${SIDE_PX}:flags=area`];
  const { stdout } = await execute(
    'ffmpeg',
    [
      ...['-v', 'error', '-nostdin', ...input, '-i', file, '-map', '0:v:0', '-frames:v', '1'],
      ...['-vf', [...chain, 'format=gray'].join(','), '-f', 'rawvideo', '-'],
    ],
    { encoding: 'buffer' },
  );
  if (stdout.length !== SIDE_PX ** 2) throw new Error(`${file} has no frame ${frame}`);
  return stdout;
}

export interface SquareOptions {
  readonly frame?: number;
  readonly input?: readonly string[];
  readonly filters?: readonly string[];
}

/** 1 for the same picture, whatever its brightness and contrast; near 0 for another. */
export function correlate(a: Buffer, b: Buffer): number {
  const mean = (values: Buffer) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [product, squareA, squareB] = [0, 0, 0];
  for (const [index, value] of a.entries()) {
    const [x, y] = [value - meanA, (b[index] ?? 0) - meanB];
    product += x * y;
    squareA += x * x;
    squareB += y * y;
  }
  return product / Math.sqrt(squareA * squareB);
}
