import { describe, expect, it } from '@jest/globals';
import {
  listCues,
  planStoryboard,
  sheetCount,
  type StoryboardSource,
} from '../../../src/domain/storyboard.ts';

const SOURCE: StoryboardSource = {
  frames: 750,
  frameRate: { num: 25, den: 1 },
  gopFrames: 50,
  widthPx: 426,
  heightPx: 240,
};

describe('planStoryboard', () => {
  it('takes a picture every two seconds', () => {
    expect(planStoryboard(SOURCE)).toEqual({
      everyFrames: 50,
      frameRate: { num: 25, den: 1 },
      durationSeconds: 30,
      tiles: 15,
      columns: 5,
      rows: 3,
      tileWidthPx: 160,
      tileHeightPx: 90,
    });
  });

  it('takes a hundred pictures of a long video, on four sheets', () => {
    const layout = planStoryboard({ ...SOURCE, frames: 3600 * 25 });
    expect(layout).toMatchObject({ everyFrames: 900, tiles: 100, columns: 5, rows: 5 });
    expect(sheetCount(layout)).toBe(4);
  });

  it.each([
    { case: 'one frame', frames: 1, tiles: 1 },
    { case: 'half a second', frames: 12, tiles: 1 },
    { case: 'two seconds', frames: 50, tiles: 1 },
    { case: 'one frame more', frames: 51, tiles: 2 },
    { case: 'more than two hundred seconds, no multiple of the grid', frames: 6275, tiles: 100 },
  ])('$case', ({ frames, tiles }) => {
    const layout = planStoryboard({ ...SOURCE, frames });
    expect(layout.tiles).toBe(tiles);
    expect(layout.columns * layout.rows * sheetCount(layout)).toBeGreaterThanOrEqual(tiles);
  });

  it('gives every stretch of time a key frame of its own', () => {
    for (let frames = 1; frames < 20_000; frames += 173) {
      const { everyFrames, tiles } = planStoryboard({ ...SOURCE, frames });
      const keyFrames = Array.from(
        { length: tiles },
        (_, tile) => Math.ceil((tile * everyFrames) / SOURCE.gopFrames) * SOURCE.gopFrames,
      );
      expect(new Set(keyFrames).size).toBe(tiles);
      expect(keyFrames.at(-1)).toBeLessThan(frames);
      expect(tiles).toBeLessThanOrEqual(100);
    }
  });

  it.each([
    { case: 'portrait', widthPx: 240, heightPx: 426, tile: [50, 90] },
    { case: 'square', widthPx: 240, heightPx: 240, tile: [90, 90] },
    { case: 'wide', widthPx: 426, heightPx: 66, tile: [160, 24] },
    { case: 'smaller than a tile', widthPx: 64, heightPx: 48, tile: [64, 48] },
    { case: 'a line', widthPx: 640, heightPx: 16, tile: [160, 4] },
  ])('keeps the aspect of $case', ({ widthPx, heightPx, tile }) => {
    const { tileWidthPx, tileHeightPx } = planStoryboard({ ...SOURCE, widthPx, heightPx });
    expect([tileWidthPx, tileHeightPx]).toEqual(tile);
  });
});

describe('listCues', () => {
  it('covers the video without a gap, row by row and sheet by sheet', () => {
    const layout = planStoryboard({ ...SOURCE, frames: 30 * 50 });
    const cues = listCues(layout);
    expect(cues).toHaveLength(30);
    expect(cues[0]).toEqual({ startSeconds: 0, endSeconds: 2, sheet: 0, xPx: 0, yPx: 0 });
    expect(cues[6]).toMatchObject({ startSeconds: 12, sheet: 0, xPx: 160, yPx: 90 });
    expect(cues[24]).toMatchObject({ sheet: 0, xPx: 640, yPx: 360 });
    expect(cues[25]).toMatchObject({ sheet: 1, xPx: 0, yPx: 0 });
    expect(cues.at(-1)?.endSeconds).toBe(60);
    for (const [index, cue] of cues.entries())
      expect(cue.startSeconds).toBe(index === 0 ? 0 : cues[index - 1]?.endSeconds);
  });

  it('keeps to the exact rate of the video', () => {
    const frameRate = { num: 30_000, den: 1001 };
    const cues = listCues(planStoryboard({ ...SOURCE, frameRate, gopFrames: 60, frames: 900 }));
    expect(cues[1]?.startSeconds).toBeCloseTo(2.002, 6);
    expect(cues.at(-1)?.endSeconds).toBeCloseTo(30.03, 6);
  });
});
