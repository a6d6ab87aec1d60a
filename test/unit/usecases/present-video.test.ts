import { describe, expect, it } from '@jest/globals';
import type { StreamRecord } from '../../../src/db/published.ts';
import type { RunRecord } from '../../../src/db/run-views.ts';
import type { Wish } from '../../../src/db/picture-wishes.ts';
import type { VideoFacts } from '../../../src/db/video-facts.ts';
import type { VideoRecord } from '../../../src/db/videos.ts';
import type { UserId, VideoId } from '../../../src/domain/ids.ts';
import { presentVideo } from '../../../src/usecases/present-video.ts';
import { PLAIN_UPLOAD } from '../../support/plain-upload.ts';

const NOW = new Date('2026-11-22T12:00:00.000Z');
const before = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1000);

describe('presentVideo', () => {
  it('shows a completed video with its streams tallest first, its default thumbnail and 100 %', () => {
    const view = presentVideo(
      {
        video: video({ status: 'completed', version: 2, completedAt: NOW }),
        streams: [stream('240p'), stream('720p'), stream('compressed'), stream('processed')],
        thumbnails: [thumbnail(0, false), thumbnail(1, true)],
        run: run({ state: 'completed', progressPercent: 100 }),
        ...NO_PICTURES,
      },
      NOW,
    );
    expect(view).toMatchObject({
      playable: true,
      progressPercent: 100,
      stage: null,
      etaSeconds: null,
      compressedUrl: '/videos/stream/42/compressed/',
      thumbnailUrl: '/videos/42/thumbnails/1.jpg',
      version: 2,
      completedAt: '2026-11-22T12:00:00.000Z',
    });
    expect(view.streams.map(({ quality, url }) => [quality, url])).toEqual([
      ['720p', '/videos/stream/42/720p/'],
      ['240p', '/videos/stream/42/240p/'],
    ]);
  });

  it('lets an own poster stand for the video, and tells what is still to be made of the pictures', () => {
    const failure = { code: 'poster-unreadable', detail: 'The file cannot be read.' } as const;
    const published = {
      ...facts(null),
      video: video({ status: 'completed', version: 2 }),
      thumbnails: [thumbnail(0, true)],
      hasStoryboard: true,
    };
    expect(presentVideo(published, NOW)).toMatchObject({
      thumbnailUrl: '/videos/42/thumbnails/0.jpg',
      poster: null,
      wantedThumbnails: [],
      storyboardUrl: '/videos/42/storyboard.vtt',
    });
    const wished = {
      ...published,
      wishes: [wish({ atSeconds: 3.5 }), wish({ kind: 'own-poster' })],
    };
    expect(presentVideo(wished, NOW)).toMatchObject({
      thumbnailUrl: '/videos/42/thumbnails/0.jpg',
      poster: { url: null, pending: true, failure: null },
      wantedThumbnails: [{ timestampSeconds: 3.5, failure: null }],
    });
    const refused = {
      ...published,
      hasOwnPoster: true,
      wishes: [wish({ kind: 'own-poster', failure })],
    };
    expect(presentVideo(refused, NOW)).toMatchObject({
      thumbnailUrl: '/videos/42/poster',
      poster: { url: '/videos/42/poster', pending: false, failure },
    });
  });

  it('shows how far an active run is and how long it may take', () => {
    const active = run({
      stage: 'compress',
      progressPercent: 25,
      pace: { donePercent: 25, startPercent: 0, workedSeconds: 60 },
      hasPlan: true,
      toolSeenAt: before(2),
      startedAt: before(1000),
    });
    expect(presentVideo(facts(active), NOW)).toMatchObject({
      stage: 'compress',
      progressPercent: 25,
      etaSeconds: 178,
    });
  });

  it.each([
    { toolSeenAt: null, stage: 'compress', shown: 'waiting-for-slot' },
    { toolSeenAt: before(16), stage: 'compress', shown: 'waiting-for-slot' },
    { toolSeenAt: before(14), stage: 'compress', shown: 'compress' },
    { toolSeenAt: null, stage: 'probe', hasPlan: false, shown: 'probe' },
    { toolSeenAt: null, stage: 'probe', shown: 'waiting-for-slot' },
    { toolSeenAt: null, stage: 'publish', shown: 'publish' },
    { toolSeenAt: null, stage: 'ladder', hasPlan: false, shown: 'ladder' },
    { toolSeenAt: null, stage: 'ladder', waitingFor: 'the storage', shown: 'waiting-for-platform' },
    {
      toolSeenAt: null,
      stage: 'compress',
      waitingFor: 'disk-full: x',
      shown: 'waiting-for-disk',
    },
    {
      toolSeenAt: NOW,
      stage: 'compress',
      waitingFor: 'waiting-for-memory: 9 MB',
      shown: 'waiting-for-memory',
    },
  ] as const)(
    'tells a run without a tool from one that waits: $stage, $toolSeenAt → $shown',
    ({ shown, ...state }) => {
      expect(presentVideo(facts(run({ hasPlan: true, ...state })), NOW).stage).toBe(shown);
    },
  );

  it('tells what the newest run makes of the source, without its grid', () => {
    const size = { widthPx: 426, heightPx: 240 };
    const rateControl = { kind: 'abr', bitrateBps: 1, maxrateBps: 2, bufsizeBps: 3 } as const;
    const plan: RunRecord['plan'] = {
      conversion: 'copy',
      needsIndex: true,
      renditions: [{ quality: '240p', ...size, rateControl }],
      skipped: [{ quality: '360p', reason: 'taller-than-source' }],
      estimate: { cpuSeconds: 12, storedBytes: 3456, encoderMemoryMb: 512 },
      warnings: [{ code: 'hdr-tone-mapped', detail: 'HDR' }],
      chunkCount: 6,
    };
    expect(presentVideo(facts(run({ plan })), NOW).plan).toEqual({
      conversion: 'copy',
      renditions: [{ quality: '240p', ...size }],
      skipped: [{ quality: '360p', reason: 'taller-than-source' }],
      pieces: 6,
      indexedCopy: true,
      estimatedCpuSeconds: 12,
      estimatedMemoryMb: 512,
      estimatedStoredBytes: 3456,
      warnings: [{ code: 'hdr-tone-mapped', detail: 'HDR' }],
    });
    expect(presentVideo(facts(run({})), NOW).plan).toBeNull();
  });

  it('promises no end while a run waits', () => {
    const half = {
      stage: 'compress',
      progressPercent: 50,
      pace: { donePercent: 50, startPercent: 0, workedSeconds: 60 },
      hasPlan: true,
    } as const;
    const eta = (changes: Partial<RunRecord>) =>
      presentVideo(facts(run({ ...half, ...changes })), NOW).etaSeconds;
    expect(eta({ toolSeenAt: before(1) })).toBe(59);
    expect(eta({ toolSeenAt: before(60) })).toBeNull();
    expect(eta({ toolSeenAt: before(1), waitingFor: 'the disk' })).toBeNull();
    expect(eta({ toolSeenAt: null, stage: 'publish' })).toBeNull();
  });

  it.each([
    ['cancelled', 'cancelled', 41.5],
    ['failed', 'failed', 41.5],
    ['completed', 'failed', 100],
    ['pending', 'lost', 0],
  ] as const)('shows a %s video whose run is %s at %d %%', (status, state, shown) => {
    const ended = run({ state, progressPercent: 41.5 });
    const view = presentVideo({ ...facts(ended), video: video({ status }) }, NOW);
    expect(view).toMatchObject({ progressPercent: shown, etaSeconds: null });
  });

  it('stays playable while a new version is made', () => {
    const active = run({ kind: 'reprocess', stage: 'compress', progressPercent: 12 });
    const view = presentVideo(
      {
        ...facts(active),
        video: video({ status: 'completed', version: 1 }),
        streams: [stream('240p')],
      },
      NOW,
    );
    expect(view).toMatchObject({ playable: true, progressPercent: 12, status: 'completed' });
  });

  it('keeps what is for operators out of a failure', () => {
    const failure = {
      code: 'source-has-no-video',
      title: 'The file has no picture',
      detail: 'There is only sound.',
      step: 'probe',
      attempt: 1,
      at: NOW.toISOString(),
    } as const;
    const secret = { ...failure, diagnostics: { stderr: '/srv/secret' } };
    const failed = run({ state: 'failed', failure: secret });
    const view = presentVideo(
      { ...facts(failed), video: video({ status: 'failed', failure: secret }) },
      NOW,
    );
    expect(view.failure).toEqual(failure);
    expect(view.lastRun?.failure).toEqual(failure);
    expect(view.progressPercent).toBe(0);
  });

  it('names the workflow that a video without a run will have', () => {
    expect(presentVideo(facts(null), NOW)).toMatchObject({
      workflowId: 'process-video-42',
      lastRun: null,
      playable: false,
    });
    expect(presentVideo(facts(run({ workflowId: 'by-hand' })), NOW).workflowId).toBe('by-hand');
  });
});

const NO_PICTURES = { hasStoryboard: false, hasOwnPoster: false, wishes: [] };

function wish(changes: Partial<Wish>): Wish {
  return {
    id: 1,
    videoId: 42 as VideoId,
    kind: 'thumbnail',
    atSeconds: 0,
    uploadKey: null,
    unendedStarts: 0,
    failure: null,
    createdAt: NOW,
    ...changes,
  };
}

function facts(active: RunRecord | null): VideoFacts {
  return {
    video: video({ status: active === null ? 'pending' : 'processing' }),
    streams: [],
    thumbnails: [],
    run: active,
    ...NO_PICTURES,
  };
}

function run(changes: Partial<RunRecord>): RunRecord {
  return {
    videoId: 42 as VideoId,
    workflowId: 'process-video-42',
    runId: 'r',
    kind: 'upload',
    state: 'active',
    stage: 'probe',
    progressPercent: 0,
    pace: { donePercent: 0, startPercent: null, workedSeconds: 0 },
    hasPlan: false,
    plan: null,
    toolSeenAt: null,
    waitingFor: null,
    failure: null,
    startedAt: before(100),
    ...changes,
  };
}

function stream(output: StreamRecord['output']): StreamRecord {
  return {
    output,
    objectKey: `videos/streams/42/v2/${output}.mp4`,
    sizeBytes: 10,
    sha256: 'a',
    widthPx: 2,
    heightPx: 2,
    bitrateBps: 1,
    codecs: 'avc1.64001f',
    hasFragments: false,
    createdAt: NOW,
  };
}

function thumbnail(position: number, isDefault: boolean) {
  return {
    position,
    timestampSeconds: position,
    objectKey: 'k',
    sizeBytes: 1,
    sha256: 'a',
    isDefault,
  };
}

function video(changes: Partial<VideoRecord>): VideoRecord {
  return {
    id: 42 as VideoId,
    ownerId: 1 as UserId,
    title: 'Holiday',
    ...PLAIN_UPLOAD,
    defaultThumbnailSeconds: null,
    status: 'pending',
    storedName: 'x.mov',
    originalFileName: 'holiday.mov',
    originalContentType: 'video/quicktime',
    originalSizeBytes: 10,
    originalSha256: 'a',
    originalAvailable: true,
    durationSeconds: null,
    widthPx: null,
    heightPx: null,
    frameRate: null,
    version: null,
    skipped: [],
    warnings: [],
    failure: null,
    createdAt: NOW,
    updatedAt: NOW,
    completedAt: null,
    ...changes,
  };
}
