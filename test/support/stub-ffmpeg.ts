import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * Writes a stand-in for ffmpeg that answers what is asked at start (`-version`, `-formats`, `-encoders`) with the real one and
 * runs `body` (bash) instead of every encode that has `when` among its arguments.
 */
export async function writeStubFfmpeg(
  folder: string,
  body: string,
  when = 'libx264',
): Promise<string> {
  const file = path.join(folder, `ffmpeg-stub-${Math.random().toString(36).slice(2)}`);
  await writeFile(
    file,
    `#!/bin/bash
case " $* " in
  *" ${when} "*) ;;
  *) exec ffmpeg "$@" ;;
esac
${body}
`,
  );
  await chmod(file, 0o755);
  return file;
}

/**
 * Writes an ffmpeg whose encodes read their source no faster than `rate` times as it is played: real ones, still at work when one
 * looks, that leave the processor to others.
 */
export function writeSlowFfmpeg(folder: string, rate: number): Promise<string> {
  return writeStubFfmpeg(folder, `exec ffmpeg -readrate ${rate} "$@"`);
}
