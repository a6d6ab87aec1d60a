import type { StartableVideo, VideoWorkflows } from './video-workflows.ts';

const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 30_000;
/** What does not fit waits for reconcile, like everything when this process ends. */
const MOST_WAITING = 1_000;

/**
 * Tries starts again that found no server, so that an upload does not wait for the next reconcile once the server is back.
 *
 * Only a shortcut: nothing depends on it, and a start that is repeated does nothing.
 */
export function withLaterStarts(workflows: VideoWorkflows): VideoWorkflows {
  const waiting = new Map<number, NodeJS.Timeout>();

  const retry = (video: StartableVideo, delayMs: number): void => {
    if (waiting.size >= MOST_WAITING) return;
    const timer = setTimeout(() => {
      void workflows
        .startUpload(video)
        .catch(() => false)
        .then((isStarted) => {
          // Closed meanwhile.
          if (!waiting.delete(video.id) || isStarted) return;
          retry(video, Math.min(delayMs * 2, LONGEST_RETRY_MS));
        });
    }, delayMs);
    waiting.set(video.id, timer.unref());
  };

  return {
    ...workflows,
    async startUpload(video, origin) {
      const isStarted = await workflows.startUpload(video, origin);
      if (!isStarted && !waiting.has(video.id)) retry(video, FIRST_RETRY_MS);
      return isStarted;
    },
    close() {
      for (const timer of waiting.values()) clearTimeout(timer);
      waiting.clear();
      return workflows.close();
    },
  };
}
