import { setTimeout as delay } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type {
  IntakeActivities,
  OrchestrationActivities,
  ProcessingActivities,
} from '../../src/activities/contracts.ts';
import type { Activities } from '../../src/activities/index.ts';
import type { RunSettings } from '../../src/domain/run-settings.ts';
import type { Quality } from '../../src/domain/video.ts';
import { TEST_SETTINGS } from './pipeline.ts';

/** The activities of a run that goes well, doing nothing: what is left is what workflows and the server make of them. */
export interface NoOpOptions {
  readonly chunks: number;
  /** How long each chunk works. */
  readonly chunkMs?: number;
  readonly ownerOf?: (videoId: number) => number;
  /** Told of each heavy activity when it begins, and asked to hold it where that is wanted. */
  readonly onWork?: (name: string, videoId: number) => Promise<void> | void;
}

const QUALITIES: readonly Quality[] = ['1080p', '720p', '480p', '360p', '240p'];
const SETTINGS: RunSettings = {
  ...TEST_SETTINGS,
  profile: 'ladder',
  thumbnailTimestamps: null,
};

/** What is made is remembered in this process, as the ledger would, until the video is published. */
export function createNoOpActivities({
  chunks,
  chunkMs = 0,
  ownerOf = () => 1,
  onWork = () => undefined,
}: NoOpOptions): Activities {
  const made = new Map<number, Set<string>>();
  const madeOf = (videoId: number): Set<string> => {
    const known = made.get(videoId) ?? new Set();
    made.set(videoId, known);
    return known;
  };
  const work = async (name: string, videoId: number): Promise<{ text: string }> => {
    await onWork(name, videoId);
    madeOf(videoId).add(name);
    return { text: name };
  };

  const activities: {
    readonly orchestration: Partial<OrchestrationActivities>;
    readonly intake: IntakeActivities;
    readonly processing: Partial<ProcessingActivities>;
  } = {
    orchestration: {
      async claimVideo({ videoId }) {
        return {
          outcome: 'claimed',
          version: 1,
          kind: 'upload',
          ownerId: ownerOf(videoId),
          title: `video ${videoId}`,
          priority: 'normal',
          settings: SETTINGS,
        };
      },
      async listMissingChunks({ videoId }) {
        const known = madeOf(videoId);
        const missing = Array.from({ length: chunks }, (_unused, index) => index)
          .filter((index) => !known.has(`chunk/${index}`))
          .map((index) => ({ index, count: chunks, qualities: QUALITIES }));
        return { indexedCopy: false, chunks: missing, audio: !known.has('audio') };
      },
      listMissingRenditions: async () => ({ qualities: QUALITIES }),
      async publish({ videoId }) {
        made.delete(videoId);
        return {
          outcome: 'published',
          version: 1,
          orphans: { keys: [`videos/work/${videoId}/x`] },
        };
      },
      deleteObjects: async ({ keys }) => ({ deleted: keys.length }),
    },
    intake: {
      async probe({ videoId }) {
        await onWork('probe', videoId);
        return { durationSeconds: 30, text: 'nothing' };
      },
    },
    processing: {
      convert: ({ videoId }) => work('convert', videoId),
      indexSource: ({ videoId }) => work('indexed-copy', videoId),
      async compressChunk({ videoId, chunk }) {
        const heart = setInterval(() => Context.current().heartbeat(), 2000);
        try {
          if (chunkMs > 0) await delay(chunkMs);
          return await work(`chunk/${chunk}`, videoId);
        } finally {
          clearInterval(heart);
        }
      },
      compressAudio: ({ videoId }) => work('audio', videoId),
      buildRendition: ({ videoId, quality }) => work(`rendition/${quality}`, videoId),
      async makeThumbnails({ videoId }) {
        await work('thumbnails', videoId);
        return { count: 4 };
      },
      async makeStoryboard({ videoId }) {
        await work('storyboard', videoId);
        return { tiles: 15 };
      },
    },
  };
  return activities as Activities;
}
