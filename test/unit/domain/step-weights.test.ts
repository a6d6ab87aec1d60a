import { describe, expect, it } from '@jest/globals';
import type { EncodingPlan } from '../../../src/domain/encoding-plan.ts';
import { RUNGS } from '../../../src/domain/encoding-profile.ts';
import { weighSteps } from '../../../src/domain/step-weights.ts';

const SETTINGS = { preset: 'veryfast', lanes: 2, threads: 1 };

describe('weighSteps', () => {
  it('names every step once; publishing is what is missing to 100', () => {
    const steps = weighSteps(plan({ seconds: 60, chunks: 2 }), SETTINGS);
    expect(steps.map(({ name }) => name)).toEqual([
      'probe',
      'copy',
      'chunk/0',
      'chunk/1',
      'audio',
      'rendition/1080p',
      'rendition/720p',
      'rendition/480p',
      'rendition/360p',
      'rendition/240p',
      'storyboard',
      'thumbnails',
    ]);
    expect(sum(steps, '')).toBeLessThan(100);
    expect(sum(steps, '')).toBeGreaterThan(99);
  });

  it('gives the encode what it costs: nearly all of a long video, less of a short one', () => {
    const long = weighSteps(plan({ seconds: 180, chunks: 6 }), SETTINGS);
    const short = weighSteps(plan({ seconds: 6, chunks: 2 }), SETTINGS);
    expect(sum(long, 'chunk/')).toBeGreaterThan(92);
    expect(sum(short, 'chunk/')).toBeLessThan(80);
  });

  it('weighs chunks by their frames, and the encode by its preset', () => {
    const uneven = plan({ seconds: 45, chunks: 2 });
    const chunks = [
      { index: 0, firstFrame: 0, endFrame: 720 },
      { index: 1, firstFrame: 720, endFrame: 1080 },
    ];
    const steps = weighSteps({ ...uneven, chunks }, SETTINGS);
    expect(sum(steps, 'chunk/0') / sum(steps, 'chunk/1')).toBeCloseTo(2, 0);
    const slow = weighSteps(plan({ seconds: 45, chunks: 2 }), { ...SETTINGS, preset: 'slow' });
    expect(sum(slow, 'rendition/')).toBeLessThan(sum(steps, 'rendition/') / 2);
  });

  it('knows that a copy takes time only where one is made, and no sound none', () => {
    const none = weighSteps({ ...plan({ seconds: 60, chunks: 2 }), audio: null }, SETTINGS);
    expect(none.some(({ name }) => name === 'audio')).toBe(false);
    const copied = weighSteps(
      { ...plan({ seconds: 600, chunks: 20 }), conversion: 'copy' },
      SETTINGS,
    );
    const kept = weighSteps(plan({ seconds: 600, chunks: 20 }), SETTINGS);
    expect(sum(copied, 'copy')).toBeGreaterThan(sum(kept, 'copy') * 10);
  });
});

function sum(steps: readonly { name: string; weight: number }[], prefix: string): number {
  return steps
    .filter(({ name }) => name.startsWith(prefix))
    .reduce((total, { weight }) => total + weight, 0);
}

/** 1080p24 in five renditions. */
function plan({ seconds, chunks }: { seconds: number; chunks: number }): EncodingPlan {
  const frames = seconds * 24;
  return {
    conversion: 'encode',
    video: {
      streamIndex: 0,
      interlaced: false,
      toneMap: false,
      colorMatrix: 'tagged',
      widthPx: 1920,
      heightPx: 1080,
    },
    audio: { streamIndex: 1, copyable: false },
    frameRate: { num: 24, den: 1 },
    gopFrames: 48,
    frames,
    durationSeconds: seconds,
    startSeconds: 0,
    originSeconds: 0,
    needsIndex: false,
    chunks: Array.from({ length: chunks }, (_unused, index) => ({
      index,
      firstFrame: (index * frames) / chunks,
      endFrame: ((index + 1) * frames) / chunks,
    })),
    renditions: RUNGS.toReversed().map(({ quality, longPx, shortPx, maxrateBps, bufsizeBps }) => ({
      quality,
      widthPx: longPx,
      heightPx: shortPx,
      rateControl: { kind: 'capped-crf', crf: 22, maxrateBps, bufsizeBps },
    })),
    skipped: [],
    thumbnailTimes: [0, seconds / 4, seconds / 2, (seconds * 3) / 4],
    warnings: [],
    estimate: { cpuSeconds: 0, storedBytes: 0, encoderMemoryMb: 0 },
  };
}
