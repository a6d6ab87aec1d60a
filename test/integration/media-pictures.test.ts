import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PosterFormat } from '../../src/domain/pictures.ts';
import { planStoryboard } from '../../src/domain/storyboard.ts';
import type { FfmpegCommand } from '../../src/media/ffmpeg-command.ts';
import { createFfmpeg, type Ffmpeg } from '../../src/media/ffmpeg.ts';
import { makeOwnPoster, PICTURE_BUDGET_MS, PICTURE_DATA_BYTES } from '../../src/media/posters.ts';
import { makeSheets } from '../../src/media/storyboard.ts';
import { extractThumbnail } from '../../src/media/thumbnails.ts';
import { turnJpeg, writeFlatPng } from '../support/hostile-pictures.ts';
import { makeTempFolder, runTool } from '../support/make-clip.ts';
import { everyLauncher, FFMPEG } from '../support/sandboxes.ts';

const FPS_25 = { num: 25, den: 1 };
let temp: Awaited<ReturnType<typeof makeTempFolder>>;
let ffmpeg: Ffmpeg;
const runFfmpeg = (command: FfmpegCommand) => ffmpeg.run(command, { budgetMs: 60_000 });
const file = (name: string): string => path.join(temp.path, name);

beforeAll(async () => {
  temp = await makeTempFolder();
  ffmpeg = await createFfmpeg({ ffmpegPath: FFMPEG, logger: { debug: () => undefined } });
});
afterAll(() => temp.remove());

const makeFolder = (): Promise<string> => mkdtemp(file('sheets-'));

/** Mean brightness of a picture, 0 to 255. */
async function brightness(picture: string): Promise<number> {
  return (await grays(picture, 'scale=1:1:flags=area'))[0] ?? -1;
}

/** Every pixel's brightness, row by row. */
async function grays(picture: string, filters = 'null'): Promise<Buffer> {
  const raw = file('gray.raw');
  const gray = ['-frames:v', '1', '-vf', `format=gray,${filters}`, '-f', 'rawvideo', raw];
  await runTool('ffmpeg', ['-i', picture, ...gray]);
  return readFile(raw);
}

/** Of a part of a sheet that is `sheetPx` wide. */
function meanOf(
  sheet: Buffer | undefined,
  part: Readonly<Record<'leftPx' | 'widthPx' | 'topPx' | 'heightPx' | 'sheetPx', number>>,
): number {
  let sum = 0;
  for (let y = part.topPx; y < part.topPx + part.heightPx; y += 1)
    for (let x = part.leftPx; x < part.leftPx + part.widthPx; x += 1)
      sum += sheet?.[y * part.sheetPx + x] ?? Number.NaN;
  return sum / (part.widthPx * part.heightPx);
}

async function sizeOf(picture: string): Promise<string> {
  const show = ['-show_entries', 'stream=width,height', '-of', 'csv=p=0', picture];
  return (await runTool('ffprobe', show)).trim();
}

/** What `source` of ffmpeg's own shows, as a rendition with a key frame every two seconds. */
function makeRendition(name: string, source: string): Promise<string> {
  const encoder = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'];
  const grid = ['-g', '50', '-keyint_min', '50', '-sc_threshold', '0'];
  const input = ['-f', 'lavfi', '-i', source];
  return runTool('ffmpeg', [...input, ...encoder, ...grid, file(name)]).then(() => file(name));
}

describe('the first thumbnail', () => {
  const job = (sourcePath: string, name: string) => ({
    sourcePath,
    frameRate: FPS_25,
    frames: 75,
    timestampSeconds: 0,
    outputPath: file(name),
  });

  it('is not black where anything can be seen within two seconds, however late', async () => {
    const late = "testsrc2=s=320x180:r=25:d=3,drawbox=c=black:t=fill:enable='lt(t,1.7)'";
    const clip = await makeRendition('late.mp4', late);
    await extractThumbnail(runFfmpeg, job(clip, 'late.jpg'));
    expect(await brightness(file('late.jpg'))).toBeGreaterThan(60);
  });

  it('is black where all is', async () => {
    const clip = await makeRendition('black.mp4', 'color=black:s=320x180:r=25:d=3');
    await extractThumbnail(runFfmpeg, job(clip, 'black.jpg'));
    expect(await brightness(file('black.jpg'))).toBeLessThan(5);
  });
});

describe('a storyboard', () => {
  it.each([
    { seconds: 11, every: 50, tiles: 6 },
    { seconds: 53, every: 75, tiles: 18 },
    { seconds: 57, every: 50, tiles: 29 },
  ])(
    'of $seconds s has the first key frame of each $every frames in its place',
    async ({ seconds, every, tiles }) => {
      const frames = seconds * 25;
      // Brighter with every two seconds.
      const source = `nullsrc=s=64x36:r=25:d=${seconds},geq=lum='40+6*floor(N/50)':cb=128:cr=128`;
      const sourcePath = await makeRendition(`grid-${seconds}.mp4`, source);
      const planned = planStoryboard({
        frames,
        frameRate: FPS_25,
        gopFrames: 50,
        widthPx: 64,
        heightPx: 36,
      });
      const lastKeyFrame = Math.floor((frames - 1) / 50) * 50;
      const layout = {
        ...planned,
        everyFrames: every,
        tiles: Math.floor(lastKeyFrame / every) + 1,
      };
      expect(layout.tiles).toBe(tiles);
      const folder = await makeFolder();
      const sheets = await makeSheets(runFfmpeg, { sourcePath, gopFrames: 50, layout, folder });
      expect(sheets).toHaveLength(Math.ceil(tiles / 25));
      const pixels: Buffer[] = [];
      for (const sheet of sheets) pixels.push(await grays(sheet));
      for (let tile = 0; tile < tiles; tile += 1) {
        const keyFrame = Math.ceil((tile * every) / 50);
        const place = tile % (layout.columns * layout.rows);
        const sheet = pixels[Math.floor(tile / (layout.columns * layout.rows))];
        const shown = meanOf(sheet, {
          ...{ leftPx: (place % layout.columns) * 64 + 8, widthPx: 48 },
          ...{ topPx: Math.floor(place / layout.columns) * 36 + 4, heightPx: 26 },
          sheetPx: layout.columns * 64,
        });
        const expected = ((40 + 6 * keyFrame - 16) * 255) / 219;
        expect({ tile, isRight: Math.abs(shown - expected) <= 3 }).toEqual({ tile, isRight: true });
      }
    },
  );

  it('of one frame is one picture', async () => {
    const sourcePath = await makeRendition('one.mp4', 'testsrc2=s=426x240:r=25:d=0.04');
    const source = { frames: 1, frameRate: FPS_25, gopFrames: 50, widthPx: 426, heightPx: 240 };
    const layout = planStoryboard(source);
    const folder = await makeFolder();
    const [sheet = ''] = await makeSheets(runFfmpeg, {
      sourcePath,
      gopFrames: 50,
      layout,
      folder,
    });
    expect(await sizeOf(sheet)).toBe('160,90');
  });

  it('with another number of sheets than planned is refused', async () => {
    const sourcePath = await makeRendition('short.mp4', 'testsrc2=s=426x240:r=25:d=4');
    const source = { frames: 1500, frameRate: FPS_25, gopFrames: 50, widthPx: 426, heightPx: 240 };
    const layout = planStoryboard(source);
    const folder = await makeFolder();
    await expect(
      makeSheets(runFfmpeg, { sourcePath, gopFrames: 50, layout, folder }),
    ).rejects.toMatchObject({ code: 'output-check-failed' });
  });
});

describe('an own poster', () => {
  let launchers: Awaited<ReturnType<typeof everyLauncher>>;
  let wideBrightness: number;
  beforeAll(async () => {
    launchers = await everyLauncher();
    const frame = ['-f', 'lavfi', '-i', 'testsrc2=s=3000x2000', '-frames:v', '1'];
    await runTool('ffmpeg', [...frame, '-q:v', '3', file('wide.jpg')]);
    await runTool('ffmpeg', [...frame, file('wide.png')]);
    wideBrightness = await brightness(file('wide.png'));
    await runTool('ffmpeg', [...frame, '-vf', 'scale=640:-2', file('small.webp')]);
    await turnJpeg(file('wide.jpg'), file('turned.jpg'));
  });

  /** Every way in which workers start tools, the bounds of the worker included. */
  async function makeEverywhere(
    name: string,
    format: PosterFormat,
    check: (made: Promise<void>, outputPath: string) => Promise<void>,
  ): Promise<void> {
    for (const [kind, launcher] of launchers) {
      const shut = await createFfmpeg({
        ffmpegPath: FFMPEG,
        logger: { debug: () => undefined },
        launcher,
      });
      const work = await makeTempFolder();
      const sourcePath = path.join(work.path, 'upload');
      await writeFile(sourcePath, await readFile(file(name)));
      const outputPath = path.join(work.path, `${kind.replaceAll(' ', '-')}.jpg`);
      const run = (command: FfmpegCommand) =>
        shut.run(command, {
          budgetMs: PICTURE_BUDGET_MS,
          dataBytes: PICTURE_DATA_BYTES,
          cwd: work.path,
        });
      await check(makeOwnPoster(run, { sourcePath, format, outputPath }), outputPath);
      await work.remove();
    }
  }

  it.each([
    { name: 'wide.jpg', format: 'jpg', size: '1920,1280' },
    { name: 'wide.png', format: 'png', size: '1920,1280' },
    { name: 'small.webp', format: 'webp', size: '640,426' },
    { name: 'turned.jpg', format: 'jpg', size: '1280,1920' },
  ] as const)('is made of $name, upright and no larger than needed', async (picture) => {
    await makeEverywhere(picture.name, picture.format, async (made, outputPath) => {
      await made;
      expect(await sizeOf(outputPath)).toBe(picture.size);
      expect(await readFile(outputPath, 'latin1')).not.toContain('Exif');
      expect(Math.abs((await brightness(outputPath)) - wideBrightness)).toBeLessThan(8);
    });
  });

  it('shows black where the picture can be seen through', async () => {
    const clear = ['-f', 'lavfi', '-i', 'color=white@0.0:s=64x64,format=rgba', '-frames:v', '1'];
    await runTool('ffmpeg', [...clear, file('clear.png')]);
    await makeEverywhere('clear.png', 'png', async (made, outputPath) => {
      await made;
      expect(await brightness(outputPath)).toBe(0);
    });
  });

  it('may be as large as the bound allows', async () => {
    await writeFlatPng(file('largest.png'), { widthPx: 8192, heightPx: 4320 });
    await makeEverywhere('largest.png', 'png', async (made, outputPath) => {
      await made;
      expect(await sizeOf(outputPath)).toBe('1920,1013');
    });
  });

  it.each([
    ['a picture of more pixels than a frame may have', 'source-too-large-picture'],
    ['a profile of a gigabyte', 'poster-unreadable'],
    ['a video', 'poster-unreadable'],
    ['a playlist', 'poster-unreadable'],
    ['half a picture', 'poster-unreadable'],
    ['another kind of picture than it says', 'poster-unreadable'],
  ])('%s is refused: %s', async (what, code) => {
    const name = 'hostile';
    await writeHostile(what, file(name));
    await makeEverywhere(name, 'png', async (made) => {
      await expect(made).rejects.toMatchObject({ code });
    });
  });

  async function writeHostile(what: string, target: string): Promise<void> {
    if (what.includes('pixels'))
      await writeFlatPng(target, { widthPx: 15_000, heightPx: 15_000, lines: 9 });
    else if (what.includes('profile'))
      await writeFlatPng(target, { widthPx: 16, heightPx: 16, iccpMiB: 1024 });
    else if (what === 'a video')
      await writeFile(target, await readFile(await makeRendition('v.mp4', 'testsrc2=d=1')));
    else if (what === 'a playlist')
      await writeFile(target, "ffconcat version 1.0\nfile 'wide.jpg'\n");
    else if (what === 'half a picture')
      await writeFile(target, (await readFile(file('wide.png'))).subarray(0, 600));
    else await writeFile(target, await readFile(file('wide.jpg')));
  }
});
