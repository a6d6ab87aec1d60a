import { describe, expect, it } from '@jest/globals';
import { type EncodingPlan, planEncoding } from '../../../src/domain/encoding-plan.ts';
import { audioPiece, chunkPiece, renditionPiece } from '../../../src/domain/recipe.ts';
import {
  cutPlan,
  dividedAs,
  framesUntil,
  isExplainedByEnd,
  planInOnePiece,
} from '../../../src/domain/revise-plan.ts';

const SETTINGS = {
  profile: '720p',
  crf: 22,
  preset: 'veryfast',
  timeoutSeconds: 600,
  maxDurationSeconds: 21_600,
  thumbnailTimestamps: null,
  onTruncated: 'keep',
  decodeCheck: 'smallest',
  platformFaultPatienceSeconds: 86_400,
  ffmpegMemoryMb: 8000,
  lanes: 2,
  threads: 1,
} as const;

/** Three minutes at 25 frames a second in six chunks, its picture 0.2 s after the file's first timestamp. */
const PLAN: EncodingPlan = planEncoding(
  {
    formatNames: ['mov', 'mp4'],
    majorBrand: 'isom',
    durationSeconds: 180.2,
    packetsEndSeconds: null,
    startSeconds: 0,
    sizeBytes: 1e7,
    droppedAudio: 0,
    streamCount: 1,
    audio: null,
    video: {
      index: 0,
      codec: 'h264',
      profile: 'High',
      pixelFormat: 'yuv420p',
      bitDepth: 8,
      codedWidthPx: 1280,
      codedHeightPx: 720,
      displayWidthPx: 1280,
      displayHeightPx: 720,
      rotationDegrees: 0,
      sampleAspectRatio: { num: 1, den: 1 },
      averageFrameRate: { num: 25, den: 1 },
      nominalFrameRate: { num: 25, den: 1 },
      frameCount: 4500,
      startSeconds: 0.2,
      durationSeconds: 180,
      fieldOrder: 'progressive',
      transfer: null,
      primaries: null,
      colorSpace: null,
      fullRange: false,
      bitrateBps: null,
    },
  },
  SETTINGS,
);

const piece = (chunk: number, frames: number) => {
  const { firstFrame = 0, endFrame = 0 } = PLAN.chunks[chunk] ?? {};
  return { firstFrame, endFrame, frames };
};

describe('a source that ends early', () => {
  it('has as many frames as lie before its end', () => {
    expect(PLAN.chunks.map(({ firstFrame }) => firstFrame)).toEqual([
      0, 750, 1500, 2250, 3000, 3750,
    ]);
    expect(framesUntil(PLAN, 180.2)).toBe(4500);
    expect(framesUntil(PLAN, 80.2)).toBe(2000);
    expect(framesUntil(PLAN, 999)).toBe(4500);
    expect(framesUntil(PLAN, 0.1)).toBe(0);
  });

  it('explains the chunk in which it ends and the empty ones behind it, and no other', () => {
    expect(isExplainedByEnd(PLAN, piece(2, 500), 2000)).toBe(true);
    // The last pictures wanted what was cut off.
    expect(isExplainedByEnd(PLAN, piece(2, 470), 2000)).toBe(true);
    expect(isExplainedByEnd(PLAN, piece(4, 0), 2000)).toBe(true);
    expect(isExplainedByEnd(PLAN, piece(1, 500), 2000)).toBe(false);
    expect(isExplainedByEnd(PLAN, piece(2, 100), 2000)).toBe(false);
    expect(isExplainedByEnd(PLAN, piece(2, 500), 4500)).toBe(false);
  });

  it('cuts the plan, so that chunks which were whole count as made', () => {
    const warning = { code: 'source-truncated', detail: 'cut' } as const;
    const cut = cutPlan({ ...PLAN, conversion: 'none' }, 2000, SETTINGS, warning);
    expect(cut).toMatchObject({
      frames: 2000,
      durationSeconds: 80,
      conversion: 'encode',
      thumbnailTimes: [0, 20, 40, 60],
      warnings: [warning],
    });
    expect(cut.chunks).toEqual([
      { index: 0, firstFrame: 0, endFrame: 750 },
      { index: 1, firstFrame: 750, endFrame: 1500 },
      { index: 2, firstFrame: 1500, endFrame: 2000 },
    ]);
    const recipes = (plan: EncodingPlan) =>
      plan.chunks.map((chunk) => chunkPiece(plan, chunk, PLAN.renditions[0]!, SETTINGS).recipe);
    expect(recipes(cut).slice(0, 2)).toEqual(recipes(PLAN).slice(0, 2));
    expect(recipes(cut)[2]).not.toBe(recipes(PLAN)[2]);
    expect(audioPiece(cut).recipe).not.toBe(audioPiece(PLAN).recipe);
  });

  it('cuts a frame or two off without a word, and keeps the original as the processed version', () => {
    const cut = cutPlan({ ...PLAN, conversion: 'none' }, 4498, SETTINGS);
    expect(cut).toMatchObject({ frames: 4498, conversion: 'none', warnings: [] });
  });
});

describe('a source that cannot be divided', () => {
  it('becomes one chunk that no chunk of before is taken for', () => {
    const whole = planInOnePiece({ ...PLAN, needsIndex: true });
    expect(whole).toMatchObject({
      needsIndex: false,
      chunks: [{ index: 0, firstFrame: 0, endFrame: 4500 }],
      warnings: [{ code: 'encoded-in-one-piece' }],
    });
    const first = PLAN.renditions[0]!;
    const nameOf = (plan: EncodingPlan) => chunkPiece(plan, plan.chunks[0]!, first, SETTINGS);
    expect(nameOf(whole).name).toBe(nameOf(PLAN).name);
    expect(nameOf(whole).recipe).not.toBe(nameOf(PLAN).recipe);
    expect(renditionPiece(whole, first, SETTINGS).recipe).not.toBe(
      renditionPiece(PLAN, first, SETTINGS).recipe,
    );
  });
});

describe('dividedAs', () => {
  const chunks = [
    { index: 0, firstFrame: 0, endFrame: 2000 },
    { index: 1, firstFrame: 2000, endFrame: PLAN.frames },
  ];

  it('keeps the chunks that earlier work was finished in', () => {
    expect(dividedAs(PLAN, { ...PLAN, chunks }, SETTINGS)).toEqual({ ...PLAN, chunks });
  });

  it('keeps what was found out of the source: its end, and that it cannot be divided', () => {
    const found = planInOnePiece(cutPlan(PLAN, 3000, SETTINGS));
    expect(dividedAs(PLAN, found, SETTINGS)).toEqual(found);
  });

  it('forgets an early end that is not accepted any more, and a source that was seen in another way', () => {
    const warning = { code: 'source-truncated', detail: 'It ends early.' } as const;
    const cut = cutPlan(PLAN, 3000, SETTINGS, warning);
    expect(dividedAs(PLAN, cut, SETTINGS)).toBeDefined();
    expect(dividedAs(PLAN, cut, { ...SETTINGS, onTruncated: 'fail' })).toBeUndefined();
    expect(dividedAs(PLAN, { ...PLAN, gopFrames: 48 }, SETTINGS)).toBeUndefined();
    expect(dividedAs(PLAN, { ...PLAN, frames: PLAN.frames + 1 }, SETTINGS)).toBeUndefined();
  });
});
