import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { saveStream, type StreamFacts } from '../db/outputs.ts';
import type { EntityManager } from '../db/orm.ts';
import { type FinishedPiece, findPieces } from '../db/pieces.ts';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import { AppError } from '../domain/errors.ts';
import { framesPerSecond } from '../domain/frame-rate.ts';
import { outputKey } from '../domain/object-keys.ts';
import { audioPiece, chunkPiece, renditionPiece } from '../domain/recipe.ts';
import type { RenditionPlan } from '../domain/rendition-ladder.ts';
import type { Output, Quality } from '../domain/video.ts';
import { checkFailed } from '../media/check-failed.ts';
import { concatList, muxRenditionArgs } from '../media/join-args.ts';
import { packageHybrid } from '../media/package-hybrid.ts';
import { verifyDecodes } from '../media/decode-check.ts';
import { verifyRendition } from '../media/verify.ts';
import type { VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { asActiveRun } from './fence.ts';
import { doHeavyWork, type HeavySpec, type HeavyWork } from './heavy-work.ts';
import { findOddPieces, forgetOddPieces } from './odd-pieces.ts';
import {
  fetchPiece,
  findSoundPieces,
  keepPiece,
  linkUnowned,
  ledgerOf,
  requirePlan,
} from './pieces.ts';

/**
 * Joins one rendition's chunks and the sound, packages and checks the result and enters it as a stream of the run's version.
 *
 * The tallest is also the `compressed` version, and the `processed` one where the source has no copy of its own.
 * @throws `piece-missing` when a chunk that history says was made is not there
 */
export function buildRendition(
  deps: ActivityDeps,
  { videoId, quality }: VideoRef & { quality: Quality },
): Promise<{ text: string }> {
  const spec: HeavySpec = {
    videoId,
    stage: 'ladder',
    piece: `rendition/${quality}`,
    onProcessingQueue: true,
  };
  return doHeavyWork(deps, spec, async (attempt) => {
    const plan = requirePlan(attempt.run);
    const rendition = plan.renditions.find((candidate) => candidate.quality === quality);
    if (rendition === undefined)
      throw new AppError('piece-missing', { detail: `The plan has no ${quality}.` });

    const piece = renditionPiece(plan, rendition, attempt.run.settings);
    const done = (await findSoundPieces(deps, ledgerOf(attempt.run), [piece])).get(piece.name);
    const kept = done ?? (await join(deps, attempt, plan, rendition));
    await enterStreams(deps, attempt, { plan, rendition, piece: kept });
    return { text: done === undefined ? 'joined' : 'there already' };
  });
}

async function join(
  deps: ActivityDeps,
  attempt: HeavyWork,
  plan: EncodingPlan,
  rendition: RenditionPlan,
): Promise<FinishedPiece> {
  const { run, video, folder } = attempt;
  const chunks = plan.chunks.map((chunk) => chunkPiece(plan, chunk, rendition, run.settings));
  const audio = plan.audio === null ? undefined : audioPiece(plan);
  const found = await findSoundPieces(
    deps,
    ledgerOf(run),
    audio === undefined ? chunks : [...chunks, audio],
  );
  const require = (name: string): FinishedPiece => {
    const piece = found.get(name);
    if (piece === undefined) throw new AppError('piece-missing', { piece: name });
    return piece;
  };
  if (findOddPieces(chunks.map(({ name }) => require(name))).length > 0)
    throw await forgetOddPieces(deps, attempt, plan);

  const parts: { path: string; frames: number }[] = [];
  for (const [index, { name }] of chunks.entries()) {
    const piece = require(name);
    parts.push({
      path: await fetchPiece(deps, attempt, piece, `chunk-${index}.mp4`),
      frames: piece.facts.frames ?? 0,
    });
  }
  const audioPath =
    audio === undefined ? null : await fetchPiece(deps, attempt, require(audio.name), 'audio.mp4');

  const listPath = path.join(folder, 'chunks.txt');
  const joinedPath = path.join(folder, 'joined.mp4');
  const outputPath = path.join(folder, `${rendition.quality}.mp4`);
  await writeFile(listPath, concatList(parts, plan.frameRate));
  const frames = parts.reduce((sum, part) => sum + part.frames, 0);
  const durationSeconds = frames / framesPerSecond(plan.frameRate);
  await attempt.runFfmpeg(
    muxRenditionArgs({ listPath, audioPath, durationSeconds, outputPath: joinedPath }),
  );
  const fragments = await packageHybrid({
    sourcePath: joinedPath,
    outputPath,
    frameRate: plan.frameRate,
    signal: attempt.signal,
  });
  await rm(joinedPath);
  const facts = await verifyRendition(
    outputPath,
    {
      frames,
      frameRate: plan.frameRate,
      gopFrames: plan.gopFrames,
      hasAudio: audioPath !== null,
      widthPx: rendition.widthPx,
      heightPx: rendition.heightPx,
    },
    attempt.probeLimits(),
  );
  if (run.settings.decodeCheck === 'all' || rendition === plan.renditions.at(-1))
    await verifyDecodes(attempt.runFfmpeg, { sourcePath: outputPath, hasAudio: facts.hasAudio });
  const piece = renditionPiece(plan, rendition, run.settings);
  const key = outputKey(video.id, run.version, rendition.quality);
  const made = { piece, path: outputPath, facts: { ...facts, fragments }, key };
  return keepPiece(deps, attempt, made, (tx) => requireSameFrames(tx, attempt, plan));
}

/** Players change between renditions at key frames, which lie on one grid: with as many frames they are the same in all. */
async function requireSameFrames(
  tx: EntityManager,
  { run }: HeavyWork,
  plan: EncodingPlan,
): Promise<void> {
  const pieces = plan.renditions.map((rendition) => renditionPiece(plan, rendition, run.settings));
  const joined = [...(await findPieces(tx, ledgerOf(run), pieces)).values()];
  const frames = Object.fromEntries(joined.map(({ name, facts }) => [name, facts.frames ?? 0]));
  if (new Set(Object.values(frames)).size <= 1) return;
  throw checkFailed('frame-count', 'The renditions have different numbers of frames.', {
    details: frames,
  });
}

async function enterStreams(
  deps: ActivityDeps,
  { run, video }: HeavyWork,
  {
    plan,
    rendition,
    piece,
  }: { plan: EncodingPlan; rendition: RenditionPlan; piece: FinishedPiece },
): Promise<void> {
  const { id: videoId } = video;
  const { version } = run;
  const facts: StreamFacts = {
    objectKey: piece.objectKey,
    sizeBytes: piece.sizeBytes,
    sha256: piece.sha256,
    widthPx: rendition.widthPx,
    heightPx: rendition.heightPx,
    bitrateBps: piece.facts.bitrateBps ?? 0,
    durationSeconds: piece.facts.durationSeconds ?? plan.durationSeconds,
    codecs: piece.facts.codecs ?? 'avc1',
  };
  const isTallest = plan.renditions[0] === rendition;
  const alsoAs = isTallest
    ? (['compressed', ...(plan.conversion === 'encode' ? ['processed' as const] : [])] as const)
    : [];
  // A link costs no bytes, but may read many: not under the lock of the video's row.
  const aliases: { output: Output; objectKey: string }[] = [];
  for (const output of alsoAs) {
    const wanted = outputKey(videoId, version, output);
    const objectKey = await linkUnowned(deps, facts.objectKey, wanted);
    aliases.push({ output, objectKey });
  }
  await asActiveRun(deps, videoId, async (tx) => {
    await saveStream(tx, videoId, version, rendition.quality, {
      ...facts,
      ...(piece.facts.fragments && { fragments: piece.facts.fragments }),
    });
    for (const { output, objectKey } of aliases) {
      await saveStream(tx, videoId, version, output, { ...facts, objectKey });
    }
  });
}
