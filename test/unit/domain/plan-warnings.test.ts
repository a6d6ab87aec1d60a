import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { planEncoding } from '../../../src/domain/encoding-plan.ts';
import { parseProbe, type ProbeOutput } from '../../../src/media/parse-probe.ts';

/** What the probe of a real clip leads to. */
function warningsOf(fixture: string, video: object = {}): readonly string[] {
  const file = new URL(`../../fixtures/probe/${fixture}.json`, import.meta.url);
  const probe = JSON.parse(readFileSync(file, 'utf8')) as ProbeOutput;
  const streams = (probe.streams ?? []).map((stream) =>
    stream.codec_type === 'video' ? { ...stream, ...video } : stream,
  );
  const info = parseProbe({ ...probe, streams });
  const plan = planEncoding(info, {
    profile: 'ladder',
    crf: 22,
    preset: 'veryfast',
    timeoutSeconds: 600,
    maxDurationSeconds: 21_600,
    thumbnailTimestamps: null,
    onTruncated: 'fail',
    platformFaultPatienceSeconds: 86_400,
    lanes: 2,
    threads: 1,
  });
  return plan.warnings.map(({ code }) => code);
}

describe('warnings of real clips', () => {
  it.each([
    ['hlg-edit-list-rotated', ['hdr-tone-mapped', 'variable-frame-rate']],
    ['quicktime-dolby-vision', ['hdr-tone-mapped']],
    ['hdr10-av1-portrait-upright', ['hdr-tone-mapped']],
    ['audio-without-codec', ['audio-dropped']],
    // 29.88 and 29.92 a second: no more uneven than a clock of milliseconds makes any rate.
    ['variable-rate-full-range', []],
    // 60.06 for 18 pictures: one of them a little shorter.
    ['portrait-rotated-4k60', []],
    // Says 60 and 1000 and holds 30.
    ['average-rate-1000', []],
    ['ordinary-1080p24-surround', []],
    ['starts-late-transport-stream', []],
    ['duration-in-tag', []],
  ])('%s: %j', (fixture, expected) => {
    expect(warningsOf(fixture)).toEqual(expected);
  });

  it('takes fields for no uneven rate, nor pictures counted twice', () => {
    const rates = { avg_frame_rate: '25/1', r_frame_rate: '50/1' };
    expect(warningsOf('ordinary-1080p24-surround', rates)).toEqual([]);
    const uneven = { avg_frame_rate: '25/1', r_frame_rate: '45/1' };
    expect(warningsOf('ordinary-1080p24-surround', { ...uneven, field_order: 'tt' })).toEqual([]);
    expect(warningsOf('ordinary-1080p24-surround', uneven)).toEqual(['variable-frame-rate']);
  });
});
