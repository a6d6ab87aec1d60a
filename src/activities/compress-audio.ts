import path from 'node:path';
import { audioPiece } from '../domain/recipe.ts';
import { encodeAudioArgs } from '../media/encode-args.ts';
import { verifySound } from '../media/verify.ts';
import type { VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { doHeavyWork, type HeavySpec } from './heavy-work.ts';
import { fetchSource, findSoundPieces, keepPiece, ledgerOf, requirePlan } from './pieces.ts';

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
    const done = await findSoundPieces(deps, ledgerOf(attempt.run), [piece]);
    if (done.has(piece.name)) return { text: 'there already' };

    const outputPath = path.join(attempt.folder, 'audio.mp4');
    const command = encodeAudioArgs({
      sourcePath: await fetchSource(deps, attempt),
      audioStreamIndex: plan.audio.streamIndex,
      clock: { firstSeconds: plan.startSeconds, zeroSeconds: plan.startSeconds },
      originSeconds: plan.originSeconds,
      durationSeconds: plan.durationSeconds,
      outputPath,
    });
    await attempt.runFfmpeg(command, { durationSeconds: plan.durationSeconds });
    const facts = await verifySound(
      outputPath,
      { durationSeconds: plan.durationSeconds },
      attempt.probeLimits(),
    );
    await keepPiece(deps, attempt, { piece, path: outputPath, facts });
    return { text: 'encoded' };
  });
}
