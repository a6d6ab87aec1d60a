import { access } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../domain/errors.ts';
import { sheetCount, type StoryboardLayout } from '../domain/storyboard.ts';
import type { FfmpegCommand } from './ffmpeg-command.ts';
import { storyboardArgs } from './picture-args.ts';

export interface StoryboardJob {
  /** A finished rendition; absolute. */
  readonly sourcePath: string;
  readonly gopFrames: number;
  readonly layout: StoryboardLayout;
  /** Absolute; the sheets are written here. */
  readonly folder: string;
}

/**
 * Makes all sheets of a storyboard. @returns their files, in order
 * @throws as `Ffmpeg.run`; `output-check-failed` when there are not as many as planned
 */
export async function makeSheets(
  runFfmpeg: (command: FfmpegCommand) => Promise<unknown>,
  { sourcePath, gopFrames, layout, folder }: StoryboardJob,
): Promise<readonly string[]> {
  const outputPattern = path.join(folder, 'sheet-%d.jpg');
  await runFfmpeg(storyboardArgs({ sourcePath, gopFrames, layout, outputPattern }));
  const sheets = Array.from({ length: sheetCount(layout) }, (_, sheet) =>
    path.join(folder, `sheet-${sheet}.jpg`),
  );
  const beyond = path.join(folder, `sheet-${sheets.length}.jpg`);
  const present = await Promise.all([...sheets, beyond].map(exists));
  const isAsPlanned = present.every((isThere, sheet) => isThere === sheet < sheets.length);
  if (!isAsPlanned) {
    throw new AppError('output-check-failed', {
      detail: 'The storyboard has not as many sheets as planned.',
      planned: sheets.length,
    });
  }
  return sheets;
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
