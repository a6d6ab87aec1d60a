import { describe, expect, it } from '@jest/globals';

import { createProgressParser, hasAdvanced } from '../../../src/media/ffmpeg-progress.ts';

function parseAll(text: string) {
  const parse = createProgressParser();
  return text
    .split('\n')
    .map((line) => parse(line))
    .filter((report) => report !== undefined);
}

describe('createProgressParser', () => {
  it('gives one report a block, in seconds', () => {
    const text =
      'frame=48\nfps=24.0\nout_time_us=2000000\nout_time_ms=2000000\ntotal_size=48000\nprogress=continue\n';
    expect(parseAll(text)).toEqual([{ outTimeSeconds: 2, totalSizeBytes: 48_000, frames: 48 }]);
  });

  it('knows nothing while ffmpeg says N/A', () => {
    expect(parseAll('frame=N/A\nout_time_us=N/A\ntotal_size=N/A\nprogress=continue')).toEqual([
      { outTimeSeconds: null, totalSizeBytes: null, frames: null },
    ]);
  });

  it('does not carry one block into the next', () => {
    const reports = parseAll('out_time_us=1000000\nprogress=continue\nframe=1\nprogress=end');
    expect(reports[1]).toEqual({ outTimeSeconds: null, totalSizeBytes: null, frames: 1 });
  });

  it('takes negative times as zero and ignores lines that are none of its own', () => {
    expect(parseAll('hello\nout_time_us=-5000\nprogress=continue')[0]?.outTimeSeconds).toBe(0);
  });
});

describe('hasAdvanced', () => {
  const at = (outTimeSeconds: number | null, totalSizeBytes: number | null = null) => ({
    outTimeSeconds,
    totalSizeBytes,
    frames: null,
  });

  it('asks for a step in any number', () => {
    expect(hasAdvanced(at(1), at(1.5))).toBe(true);
    expect(hasAdvanced(at(1, 10), at(1, 11))).toBe(true);
    expect(hasAdvanced(at(1, 10), at(1, 10))).toBe(false);
    expect(hasAdvanced(at(1, 10), at(null))).toBe(false);
  });
});
