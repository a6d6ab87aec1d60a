import path from 'node:path';
import { saveStream, type StreamFacts } from '../db/outputs.ts';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import { outputKey } from '../domain/object-keys.ts';
import { copyPiece } from '../domain/recipe.ts';
import type { RunSource } from '../domain/run-source.ts';
import { promisesLength } from '../domain/source-facts.ts';
import { copyToMp4Args } from '../media/copy-args.ts';
import { verifyCopy } from '../media/verify.ts';
import type { FinishedPiece } from '../db/pieces.ts';
import type { VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { asActiveRun } from './fence.ts';
import { doHeavyWork, type HeavySpec, type HeavyWork } from './heavy-work.ts';
import {
  fetchSource,
  findSoundPieces,
  keepPiece,
  ledgerOf,
  requirePlan,
  requireSource,
} from './pieces.ts';

/**
 * Makes the `processed` version of H.264 sources: the source itself where it is an MP4 already, else a copy of its streams.
 *
 * Every other source has none of its own: its tallest rendition serves, so that nothing is ever encoded twice.
 */
export function convert(deps: ActivityDeps, { videoId }: VideoRef): Promise<{ text: string }> {
  const spec: HeavySpec = { videoId, stage: 'convert', piece: 'copy', onProcessingQueue: true };
  return doHeavyWork(deps, spec, async (attempt) => {
    const plan = requirePlan(attempt.run);
    if (plan.conversion === 'encode') return { text: 'the tallest rendition will serve' };
    if (plan.conversion === 'none') {
      const source = await requireSource(deps, attempt);
      await asActiveRun(deps, videoId, (tx, run) =>
        saveStream(tx, videoId, run.version, 'processed', sourceAsStream(source, plan)),
      );
      return { text: `the ${source.kind} is MP4/H.264 already` };
    }
    const piece = copyPiece(plan);
    const done = (await findSoundPieces(deps, ledgerOf(attempt.run), [piece])).get(piece.name);
    if (done === undefined) await makeCopy(deps, attempt, plan);
    else {
      await asActiveRun(deps, videoId, (tx, run) =>
        saveStream(tx, videoId, run.version, 'processed', copyAsStream(done, plan)),
      );
    }
    return { text: 'streams copied into an MP4' };
  });
}

async function makeCopy(deps: ActivityDeps, attempt: HeavyWork, plan: EncodingPlan): Promise<void> {
  const { video, run, folder } = attempt;
  const outputPath = path.join(folder, 'copy.mp4');
  const command = copyToMp4Args({
    sourcePath: await fetchSource(deps, attempt),
    videoStreamIndex: plan.video.streamIndex,
    audio: plan.audio,
    sizeBytes: run.source.sizeBytes,
    outputPath,
  });
  await attempt.runFfmpeg(command, { durationSeconds: plan.durationSeconds });
  const facts = await verifyCopy(
    outputPath,
    {
      durationSeconds: plan.durationSeconds,
      hasAudio: plan.audio !== null,
      // How much of it is there, compress will find out.
      mayEndEarly:
        run.settings.onTruncated === 'keep' ||
        (run.mediaInfo !== null && !promisesLength(run.mediaInfo)),
    },
    attempt.probeLimits(),
  );
  await keepPiece(
    deps,
    attempt,
    {
      piece: copyPiece(plan),
      path: outputPath,
      facts,
      key: outputKey(video.id, run.version, 'processed'),
    },
    (tx, active, piece) =>
      saveStream(tx, video.id, active.version, 'processed', copyAsStream(piece, plan)),
  );
}

function copyAsStream(piece: FinishedPiece, plan: EncodingPlan): StreamFacts {
  return {
    objectKey: piece.objectKey,
    sizeBytes: piece.sizeBytes,
    sha256: piece.sha256,
    widthPx: plan.video.widthPx,
    heightPx: plan.video.heightPx,
    bitrateBps: piece.facts.bitrateBps ?? 0,
    durationSeconds: piece.facts.durationSeconds ?? plan.durationSeconds,
    codecs: piece.facts.codecs ?? 'avc1',
  };
}

/** RFC 6381 allows the bare names; the exact ones would need the whole file here. */
function sourceAsStream(
  { objectKey, sizeBytes, sha256 }: RunSource,
  plan: EncodingPlan,
): StreamFacts {
  return {
    objectKey,
    sizeBytes,
    sha256,
    widthPx: plan.video.widthPx,
    heightPx: plan.video.heightPx,
    bitrateBps: Math.round((sizeBytes * 8) / plan.durationSeconds),
    durationSeconds: plan.durationSeconds,
    codecs: plan.audio === null ? 'avc1' : 'avc1,mp4a',
  };
}
