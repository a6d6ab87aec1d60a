import { setTimeout as sleep } from 'node:timers/promises';
import { isTerminal } from '../../domain/video.ts';
import type { VideoView } from '../../usecases/present-video.ts';
import { CommandProblem } from './problem.ts';
import type { Server } from './server.ts';

const EVERY_MS = 500;

/**
 * Asks for a video until it is finished.
 * @param patienceMs nothing may stand still for longer than this
 * @returns the video as it ended
 * @throws CommandProblem when it stands still, the last problem of the server included
 */
export async function watchVideo(
  server: Server,
  id: number,
  options: { patienceMs: number; signal: AbortSignal; onLook: (video: VideoView) => void },
): Promise<VideoView> {
  const { patienceMs, signal, onLook } = options;
  let seen = '';
  let movedAt = performance.now();
  let problem = '';
  for (;;) {
    try {
      const video = await server.getVideo(id);
      problem = '';
      onLook(video);
      if (isTerminal(video.status)) return video;
      const now = JSON.stringify([video.status, video.stage, video.progressPercent]);
      if (now !== seen) movedAt = performance.now();
      seen = now;
    } catch (error) {
      signal.throwIfAborted();
      problem = ` ${(error as Error).message}`; // a server that restarts comes back
    }
    if (performance.now() - movedAt > patienceMs) {
      throw new CommandProblem(
        `Video ${id} has not moved for ${Math.round(patienceMs / 60_000)} min; its run in the Temporal Web UI says what it waits for.${problem}`,
      );
    }
    await sleep(EVERY_MS, undefined, { signal });
  }
}
