import { describe, expect, it } from '@jest/globals';
import { planChunks } from '../../../src/domain/chunk-grid.ts';
import { estimateFrameCpuSeconds } from '../../../src/domain/encoding-cost.ts';

const BASE = {
  gopFrames: 48,
  framesPerSecond: 24,
  frameCpuSeconds: 0.08,
  timeoutSeconds: 600,
  lanes: 2,
  threads: 1,
};

describe('planChunks', () => {
  it('covers every frame once, in whole groups of pictures', () => {
    for (const frames of [1, 47, 48, 49, 720, 721, 8640, 100_001]) {
      const chunks = planChunks({ ...BASE, frames });
      expect(chunks[0]?.firstFrame).toBe(0);
      expect(chunks.at(-1)?.endFrame).toBe(frames);
      for (const [index, chunk] of chunks.entries()) {
        expect(chunk.index).toBe(index);
        expect(chunk.firstFrame % 48).toBe(0);
        expect(chunk.endFrame).toBeGreaterThan(chunk.firstFrame);
        if (index > 0) expect(chunk.firstFrame).toBe(chunks[index - 1]?.endFrame);
      }
    }
  });

  it('gives every lane the same work: 30 s become two chunks on two lanes, three minutes six', () => {
    expect(planChunks({ ...BASE, frames: 720 })).toHaveLength(2);
    expect(planChunks({ ...BASE, frames: 4320 })).toHaveLength(6);
    expect(planChunks({ ...BASE, frames: 720, lanes: 1 })).toHaveLength(1);
  });

  it('leaves a clip of one group of pictures whole', () => {
    expect(planChunks({ ...BASE, frames: 40 })).toHaveLength(1);
  });

  it('keeps a chunk within a quarter of the time budget', () => {
    const chunks = planChunks({ ...BASE, frames: 4320, timeoutSeconds: 40 });
    const longest = Math.max(...chunks.map(({ firstFrame, endFrame }) => endFrame - firstFrame));
    expect(longest * BASE.frameCpuSeconds).toBeLessThanOrEqual(10 + 48 * BASE.frameCpuSeconds);
  });

  it('grows longer instead of more from 360 chunks on, unless the budget forbids it', () => {
    const sixHours = 6 * 3600 * 24;
    expect(planChunks({ ...BASE, frames: sixHours, frameCpuSeconds: 0.01 })).toHaveLength(360);
    expect(planChunks({ ...BASE, frames: sixHours, frameCpuSeconds: 0.2 }).length).toBeGreaterThan(
      360,
    );
  });
});

describe('estimateFrameCpuSeconds', () => {
  const ladder = [
    { widthPx: 1920, heightPx: 1080 },
    { widthPx: 1280, heightPx: 720 },
    { widthPx: 854, heightPx: 480 },
  ];

  it('is near what was measured for 1080p, doubled for a slow host', () => {
    const cost = estimateFrameCpuSeconds({
      sourcePixels: 1920 * 1080,
      renditions: ladder,
      toneMap: false,
      preset: 'veryfast',
    });
    expect(cost).toBeGreaterThan(0.1);
    expect(cost).toBeLessThan(0.2);
  });

  it('grows with tone mapping and slower presets', () => {
    const input = { sourcePixels: 1e6, renditions: ladder, toneMap: false, preset: 'veryfast' };
    const plain = estimateFrameCpuSeconds(input);
    expect(estimateFrameCpuSeconds({ ...input, toneMap: true })).toBeGreaterThan(plain * 1.3);
    expect(estimateFrameCpuSeconds({ ...input, preset: 'medium' })).toBeGreaterThan(plain * 1.5);
  });
});
