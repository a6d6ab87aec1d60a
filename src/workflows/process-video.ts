import { CancellationScope, log, setCurrentDetails } from '@temporalio/workflow';
import { claimOrCancel, readInput } from './begin-run.ts';
import { isOneOf, NOT_OURS, orCancellation, toRunFailure } from './failures.ts';
import { MOST_ROUNDS, Run } from './run-steps.ts';

export interface ProcessVideoResult {
  readonly videoId: number;
  readonly outcome: 'published' | 'nothing-to-do';
  readonly version?: number;
}

/**
 * Turns an uploaded video into streams: claim → probe → convert → compress → ladder → thumbnails → publish.
 *
 * Started with `{"videoId": 42}`. A failure marks the video `failed` and keeps the original; a cancel ends as `cancelled`;
 * publish is the point of no return.
 */
export async function ProcessVideo(rawInput: unknown): Promise<ProcessVideoResult> {
  const input = readInput(rawInput);
  const { videoId } = input;

  const claim = await claimOrCancel(input);
  if (claim.outcome === 'nothing-to-do') {
    setCurrentDetails(`Nothing to do: ${claim.reason}`);
    return { videoId, outcome: 'nothing-to-do' };
  }
  const run = new Run(videoId, claim);

  try {
    for (let round = 1; ; round += 1) {
      try {
        const source = await run.probe();
        await run.convert(source.durationSeconds);
        await run.compress(source.durationSeconds);
        await run.ladder(source.durationSeconds);
        await run.thumbnails();
      } catch (error) {
        if (!isOneOf(error, 'piece-missing') || round >= MOST_ROUNDS) throw error;
        log.warn('A finished piece is gone; it is made again', { videoId, round });
        continue;
      }
      const version = await run.publish();
      if (version !== undefined) return { videoId, outcome: 'published', version };
      if (round >= MOST_ROUNDS)
        throw toRunFailure(new Error('finished work disappeared again and again'));
    }
  } catch (error) {
    const ending = isOneOf(error, ...NOT_OURS) ? error : orCancellation(error);
    await CancellationScope.nonCancellable(() => run.compensate(ending));
    throw toRunFailure(ending);
  }
}
