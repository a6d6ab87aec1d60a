import { type FfmpegCommand, formatSeconds, NO_METADATA } from './ffmpeg-command.ts';
import { OWN_INPUT_FLAGS } from './input-flags.ts';

/** One picture of a finished rendition. */
export interface Thumbnail {
  readonly sourcePath: string;
  /** `last`: the very last picture, wherever that is. */
  readonly atSeconds: number | 'last';
  /** Takes the most telling one of the next two seconds' pictures, looking at every nth; null takes the one at `atSeconds`. */
  readonly chooseEvery: number | null;
  /** Where there is a choice, black pictures are none; nothing comes out where all are black. */
  readonly avoidBlack?: boolean;
  readonly outputPath: string;
}

/** A picture whose pixels are nearly all darker than a dark night: titles on black are none. */
const NOT_BLACK =
  'blackframe=amount=0:threshold=32,metadata=mode=select:key=lavfi.blackframe.pblack:value=98:function=less';

export function thumbnailArgs({
  sourcePath,
  atSeconds,
  chooseEvery,
  avoidBlack = false,
  outputPath,
}: Thumbnail): FfmpegCommand {
  const seek = atSeconds === 'last' ? ['-sseof', '-2'] : ['-ss', formatSeconds(atSeconds)];
  const reach = chooseEvery === null ? [] : ['-t', '2'];
  const lit = avoidBlack ? `${NOT_BLACK},` : '';
  const choice =
    chooseEvery === null ? [] : ['-vf', `select=not(mod(n\\,${chooseEvery})),${lit}thumbnail=n=20`];
  return {
    inputs: [
      {
        options: [...OWN_INPUT_FLAGS, ...seek, ...reach],
        path: sourcePath,
      },
    ],
    outputs: [
      {
        options: [
          '-map',
          '0:v:0',
          '-an',
          ...NO_METADATA,
          ...choice,
          // Of the last two seconds each picture overwrites the one before.
          ...(atSeconds === 'last' ? [] : ['-frames:v', '1']),
          '-q:v',
          '3',
          '-update',
          '1',
          '-f',
          'image2',
        ],
        path: outputPath,
      },
    ],
  };
}
