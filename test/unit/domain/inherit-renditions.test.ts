import { describe, expect, it } from '@jest/globals';
import { planEncoding } from '../../../src/domain/encoding-plan.ts';
import { findInheritable } from '../../../src/domain/inherit-renditions.ts';
import type { MediaInfo } from '../../../src/domain/media-info.ts';
import { renditionPiece } from '../../../src/domain/recipe.ts';
import type { RunSettings } from '../../../src/domain/run-settings.ts';

const SETTINGS: RunSettings = {
  profile: 'ladder',
  crf: 22,
  preset: 'veryfast',
  timeoutSeconds: 600,
  maxDurationSeconds: 3600,
  thumbnailTimestamps: null,
  onTruncated: 'fail',
  platformFaultPatienceSeconds: 60,
  lanes: 2,
  threads: 2,
  ffmpegMemoryMb: 2000,
  decodeCheck: 'smallest',
};

const INFO: MediaInfo = {
  formatNames: ['mov', 'mp4'],
  majorBrand: 'iso6',
  durationSeconds: 10,
  packetsEndSeconds: null,
  startSeconds: 0,
  sizeBytes: 1_000_000,
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
    frameCount: 250,
    startSeconds: 0,
    durationSeconds: 10,
    fieldOrder: 'progressive',
    transfer: 'bt709',
    primaries: 'bt709',
    colorSpace: 'bt709',
    fullRange: false,
    bitrateBps: 1_450_000,
  },
};

const SOURCE = { kind: 'processed', objectKey: 'x', sizeBytes: 1, sha256: 'source' } as const;

/** What an original in Matroska, HEVC of 1920x1080 with its picture in second place, was made into. */
function ledgerOf(settings: RunSettings) {
  const video = { ...INFO.video, index: 1, codec: 'hevc', colorSpace: null, bitrateBps: 8_000_000 };
  const original = { ...video, displayWidthPx: 1920, displayHeightPx: 1080 };
  const plan = planEncoding({ ...INFO, formatNames: ['matroska'], video: original }, settings);
  return plan.renditions.map((rendition, index) => ({
    ...renditionPiece(plan, rendition, settings),
    sha256: index === 0 ? 'source' : `other ${index}`,
  }));
}

function inherit(changes: Partial<RunSettings>, made: Partial<RunSettings> = {}, info = INFO) {
  const settings = { ...SETTINGS, ...changes };
  const plan = planEncoding(info, settings, 'processed');
  const known = ledgerOf({ ...SETTINGS, ...made });
  return findInheritable({ plan, settings, info, source: SOURCE }, known).map(({ from }) =>
    from.name.replace('rendition/', ''),
  );
}

describe('renditions that need not be made of a processed version', () => {
  it('are those that were made of the original as they are wanted now', () => {
    expect(inherit({})).toEqual(['720p', '480p', '360p', '240p']);
    expect(inherit({ crf: 20 })).toEqual([]);
    expect(inherit({ preset: 'medium' })).toEqual([]);
  });

  it('are none of another length', () => {
    const cut = { ...INFO, video: { ...INFO.video, durationSeconds: 9.6, frameCount: 240 } };
    expect(inherit({}, {}, cut)).toEqual([]);
  });

  it('are the source itself, whatever its settings, where it spends no more than it may', () => {
    const one = { profile: '720p' } as const;
    expect(inherit({ ...one, preset: 'medium' }, one)).toEqual(['720p']);
    const large = { ...INFO, video: { ...INFO.video, bitrateBps: 2_600_000 } };
    expect(inherit(one, one, large)).toEqual(['720p']);
    expect(inherit({ ...one, preset: 'medium' }, one, large)).toEqual([]);
  });
});
