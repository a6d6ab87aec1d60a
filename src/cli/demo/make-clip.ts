import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CommandProblem } from '../client/problem.ts';

const SECONDS = 10;

/** A file to upload, and how to be rid of it. */
export interface Clip {
  readonly path: string;
  remove(): Promise<void>;
}

/** Makes ten seconds of a moving test picture with a tone, 1280x720, in a folder of its own. */
export async function makeClip(ffmpegPath: string, signal: AbortSignal): Promise<Clip> {
  const folder = await mkdtemp(join(tmpdir(), 'steadyreel-demo-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  const path = join(folder, 'Test picture.mp4');
  const args = [
    ...['-v', 'error', '-nostdin', '-y'],
    ...['-f', 'lavfi', '-i', `testsrc2=size=1280x720:rate=30:duration=${SECONDS}`],
    ...[
      '-f',
      'lavfi',
      '-i',
      `sine=frequency=440:beep_factor=2:sample_rate=48000:duration=${SECONDS}`,
    ],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p'],
    ...['-c:a', 'aac', '-movflags', '+faststart', path],
  ];
  try {
    await promisify(execFile)(ffmpegPath, args, { signal });
    return { path, remove };
  } catch (error) {
    await remove();
    if (signal.aborted) throw error;
    const { stderr } = error as { stderr?: string };
    throw new CommandProblem(
      `ffmpeg could not make a clip: ${stderr?.trim() || (error as Error).message}`,
      { cause: error },
    );
  }
}
