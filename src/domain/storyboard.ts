import { type FrameRate, framesPerSecond } from './frame-rate.ts';

/**
 * A storyboard: small pictures of the whole video, side by side on few sheets, for players to show where a seek would lead.
 *
 * One picture every two seconds, or every hundredth of a longer video. Each is a key frame, because the others need not be
 * decoded then: the first one in its stretch of time, and renditions have one every two seconds.
 */
export interface StoryboardLayout {
  /** Stretch of time that one picture stands for, in frames of the video. */
  readonly everyFrames: number;
  readonly frameRate: FrameRate;
  /** The last picture stands for all that is left. */
  readonly durationSeconds: number;
  /** On all sheets together, at least one. */
  readonly tiles: number;
  /** Of one sheet. */
  readonly columns: number;
  readonly rows: number;
  readonly tileWidthPx: number;
  readonly tileHeightPx: number;
}

/** The picture of a stretch of time: where it lies on which sheet. */
export interface StoryboardCue {
  readonly startSeconds: number;
  readonly endSeconds: number;
  readonly sheet: number;
  readonly xPx: number;
  readonly yPx: number;
}

const BOX = { widthPx: 160, heightPx: 90 };
const GRID = 5;
const MOST_TILES = 100;

/** The rendition that a storyboard is made from. */
export interface StoryboardSource {
  readonly frames: number;
  readonly frameRate: FrameRate;
  /** Frames between key frames. */
  readonly gopFrames: number;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Plans the sheets. Pure; tiles keep the aspect of the picture and have even sides. */
export function planStoryboard(source: StoryboardSource): StoryboardLayout {
  const { frames, gopFrames, frameRate, widthPx, heightPx } = source;
  const everyFrames = Math.max(gopFrames, Math.ceil(frames / MOST_TILES));
  const lastKeyFrame = Math.floor((frames - 1) / gopFrames) * gopFrames;
  const tiles = Math.floor(lastKeyFrame / everyFrames) + 1;
  const columns = Math.min(GRID, tiles);
  const factor = Math.min(1, BOX.widthPx / widthPx, BOX.heightPx / heightPx);
  return {
    everyFrames,
    frameRate,
    durationSeconds: frames / framesPerSecond(frameRate),
    tiles,
    columns,
    rows: Math.min(GRID, Math.ceil(tiles / columns)),
    tileWidthPx: even(widthPx * factor),
    tileHeightPx: even(heightPx * factor),
  };
}

/** How many sheets there are. The last one may have room left. */
export function sheetCount({ tiles, columns, rows }: StoryboardLayout): number {
  return Math.ceil(tiles / (columns * rows));
}

/** In the order of time; together they cover the video without a gap. */
export function listCues(layout: StoryboardLayout): readonly StoryboardCue[] {
  const { everyFrames, tiles, columns, rows, durationSeconds } = layout;
  const { num, den } = layout.frameRate;
  const startOf = (tile: number): number => (tile * everyFrames * den) / num;
  return Array.from({ length: tiles }, (_, tile) => {
    const place = tile % (columns * rows);
    return {
      startSeconds: startOf(tile),
      endSeconds: tile === tiles - 1 ? durationSeconds : startOf(tile + 1),
      sheet: Math.floor(tile / (columns * rows)),
      xPx: (place % columns) * layout.tileWidthPx,
      yPx: Math.floor(place / columns) * layout.tileHeightPx,
    };
  });
}

function even(px: number): number {
  return Math.max(2, Math.round(px / 2) * 2);
}
