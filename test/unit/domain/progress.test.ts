import { describe, expect, it } from '@jest/globals';
import { progressPercent } from '../../../src/domain/progress.ts';
import type { Stage } from '../../../src/domain/video.ts';

describe('progressPercent', () => {
  it('grows from stage to stage and stays below 100', () => {
    const stages: Stage[] = ['probe', 'convert', 'compress', 'ladder', 'thumbnails', 'publish'];
    const course = stages.flatMap((stage) =>
      [0, 0.5, 1].map((fraction) => progressPercent(stage, fraction)),
    );
    expect(course).toEqual(course.toSorted((a, b) => a - b));
    expect(course[0]).toBe(0);
    expect(course.at(-1)).toBe(99.9);
  });

  it('takes a fraction out of bounds for its end', () => {
    expect(progressPercent('compress', 7)).toBe(progressPercent('compress', 1));
  });
});
