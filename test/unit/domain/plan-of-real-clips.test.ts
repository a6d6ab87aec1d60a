import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { type EncodingPlan, planEncoding } from '../../../src/domain/encoding-plan.ts';
import { framesPerSecond } from '../../../src/domain/frame-rate.ts';
import { parseProbe, type ProbeOutput } from '../../../src/media/parse-probe.ts';

/** What the probe of a real clip leads to. */
function planOf(fixture: string, video: object = {}): EncodingPlan {
  const file = new URL(`../../fixtures/probe/${fixture}.json`, import.meta.url);
  const probe = JSON.parse(readFileSync(file, 'utf8')) as ProbeOutput;
  const streams = (probe.streams ?? []).map((stream) =>
    stream.codec_type === 'video' ? { ...stream, ...video } : stream,
  );
  return planEncoding(parseProbe({ ...probe, streams }), {
    profile: 'ladder',
    crf: 22,
    preset: 'veryfast',
    timeoutSeconds: 600,
    maxDurationSeconds: 21_600,
    thumbnailTimestamps: null,
    onTruncated: 'fail',
    decodeCheck: 'smallest',
    platformFaultPatienceSeconds: 86_400,
    lanes: 2,
    threads: 1,
  });
}

function warningsOf(fixture: string, video: object = {}): readonly string[] {
  return planOf(fixture, video).warnings.map(({ code }) => code);
}

describe('plans of real clips', () => {
  it.each([
    ['audio-track-first', 'encode', '1080p 1920x1080', 5, 30, 9, 'picture 1, sound 0'],
    ['audio-without-codec', 'none', '720p 1080x720', 4, 29.97, 30, 'picture 0'],
    ['data-track-first', 'encode', '1080p 1080x1920', 5, 29.97, 3, 'picture 2, sound 1'],
    ['duration-in-tag', 'encode', '1080p 1920x1080', 5, 60, 60, 'picture 0, sound 1'],
    ['hdr10-av1-portrait-upright', 'encode', '720p 720x1280', 4, 29.97, 127, 'picture 0, sound 1'],
    // 86 pictures in the file, of which its edit list shows 71.
    ['hlg-edit-list-rotated', 'encode', '1080p 1080x1920', 5, 28, 71, 'picture 0, sound 1'],
    ['no-stream-duration', 'encode', '240p 426x240', 1, 23.976, 72, 'picture 0'],
    ['ordinary-1080p24-surround', 'none', '1080p 1920x1080', 5, 24, 194, 'picture 0, sound 1'],
    ['portrait-rotated-4k60', 'none', '1080p 1080x1920', 5, 60, 18, 'picture 0, sound 1'],
    ['quicktime-dolby-vision', 'encode', '720p 720x1280', 4, 30, 3, 'picture 0, sound 1'],
    ['starts-late-transport-stream', 'encode', '360p 540x360', 2, 29.97, 3, 'picture 0, sound 1'],
    ['variable-rate-full-range', 'none', '480p 510x480', 3, 29.97, 167, 'picture 0, sound 1'],
  ])('%s', (fixture, conversion, tallest, renditions, rate, frames, streams) => {
    const plan = planOf(fixture);
    const [first] = plan.renditions;
    const sound = plan.audio === null ? '' : `, sound ${plan.audio.streamIndex}`;
    expect([
      plan.conversion,
      `${first?.quality} ${first?.widthPx}x${first?.heightPx}`,
      plan.renditions.length,
      Number(framesPerSecond(plan.frameRate).toFixed(3)),
      plan.frames,
      `picture ${plan.video.streamIndex}${sound}`,
    ]).toEqual([conversion, tallest, renditions, rate, frames, streams]);
    expect(plan.chunks.at(-1)?.endFrame).toBe(frames);
    expect(plan.estimate.cpuSeconds).toBeGreaterThan(0);
    expect(plan.estimate.storedBytes).toBeGreaterThan(0);
  });
});

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
