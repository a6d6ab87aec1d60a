import { stat } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../domain/errors.ts';
import { audioPiece } from '../domain/recipe.ts';
import { encodeAudioArgs } from '../media/ffmpeg-args.ts';
import type { VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { doHeavyWork, type HeavySpec } from './heavy-work.ts';
import { fetchSource, findSoundPieces, keepPiece, ownerOf, requirePlan } from './pieces.ts';

/** Encodes the sound of the whole video, once for all renditions. */
export function compressAudio(
  deps: ActivityDeps,
  { videoId }: VideoRef,
): Promise<{ text: string }> {
  const spec: HeavySpec = { videoId, stage: 'compress', piece: 'audio', onProcessingQueue: true };
  return doHeavyWork(deps, spec, async (attempt) => {
    const plan = requirePlan(attempt.run);
    if (plan.audio === null) return { text: 'no sound' };
    const piece = audioPiece(plan);
    const done = await findSoundPieces(deps, ownerOf(attempt.video), [piece]);
    if (done.has(piece.name)) return { text: 'there already' };

    const outputPath = path.join(attempt.folder, 'audio.mp4');
    const command = encodeAudioArgs({
      sourcePath: await fetchSource(deps, attempt),
      audioStreamIndex: plan.audio.streamIndex,
      originSeconds: plan.originSeconds,
      durationSeconds: plan.durationSeconds,
      outputPath,
    });
    await attempt.runFfmpeg(command, { durationSeconds: plan.durationSeconds });
    const { size } = await stat(outputPath);
    if (size === 0)
      throw new AppError('output-check-failed', { detail: 'The encoded sound is empty.' });
    await keepPiece(deps, attempt, {
      piece,
      path: outputPath,
      facts: { durationSeconds: plan.durationSeconds },
    });
    return { text: 'encoded' };
  });
}
