import { saveStoryboard } from '../db/pictures.ts';
import type { FinishedPiece } from '../db/pieces.ts';
import { AppError } from '../domain/errors.ts';
import { sheetKey } from '../domain/object-keys.ts';
import { PICTURE_WARNINGS } from '../domain/pictures.ts';
import { renditionPiece, storyboardPieces, storyboardSource } from '../domain/recipe.ts';
import { planStoryboard, type StoryboardLayout } from '../domain/storyboard.ts';
import { makeSheets } from '../media/storyboard.ts';
import type { VideoRef } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { asActiveRun } from './fence.ts';
import { doHeavyWork, type HeavySpec, type HeavyWork } from './heavy-work.ts';
import { fetchPiece, findSoundPieces, keepPiece, ledgerOf, requirePlan } from './pieces.ts';
import { warnOfPictures } from './picture-faults.ts';

/**
 * Makes the storyboard out of the smallest rendition, for the run's version.
 *
 * A fault of the pictures becomes a warning, as with thumbnails.
 * @throws `piece-missing` when the rendition is not there
 */
export function makeStoryboard(
  deps: ActivityDeps,
  { videoId }: VideoRef,
): Promise<{ tiles: number }> {
  const spec: HeavySpec = {
    videoId,
    stage: 'thumbnails',
    piece: 'storyboard',
    onProcessingQueue: true,
  };
  return doHeavyWork(deps, spec, async (attempt) => {
    try {
      const { layout, sheets } = await makeAll(deps, attempt);
      await asActiveRun(deps, videoId, (tx, run) =>
        saveStoryboard(tx, videoId, run.version, { layout, sheets }),
      );
      return { tiles: layout.tiles };
    } catch (error) {
      await warnOfPictures(deps, attempt, error, PICTURE_WARNINGS.storyboard);
      return { tiles: 0 };
    }
  });
}

async function makeAll(
  deps: ActivityDeps,
  attempt: HeavyWork,
): Promise<{ layout: StoryboardLayout; sheets: readonly FinishedPiece[] }> {
  const { run, video, folder } = attempt;
  const plan = requirePlan(run);
  const source = storyboardSource(plan);
  const wanted = renditionPiece(plan, source, run.settings);
  const rendition = (await findSoundPieces(deps, ledgerOf(run), [wanted])).get(wanted.name);
  if (rendition === undefined) throw new AppError('piece-missing', { piece: wanted.name });

  const layout = planStoryboard({
    frames: rendition.facts.frames ?? plan.frames,
    frameRate: plan.frameRate,
    gopFrames: plan.gopFrames,
    widthPx: source.widthPx,
    heightPx: source.heightPx,
  });
  const pieces = storyboardPieces(plan, layout, source.quality);
  const done = await findSoundPieces(deps, ledgerOf(run), pieces);
  const present = pieces.flatMap(({ name }) => done.get(name) ?? []);
  if (present.length === pieces.length) return { layout, sheets: present };

  const sourcePath = await fetchPiece(deps, attempt, rendition, 'rendition.mp4');
  const { gopFrames } = plan;
  const files = await makeSheets(attempt.runFfmpeg, { sourcePath, gopFrames, layout, folder });
  const sheets: FinishedPiece[] = [];
  for (const [sheet, file] of files.entries()) {
    const piece = pieces[sheet];
    if (piece === undefined) throw new Error('there is one piece per sheet');
    const key = sheetKey(video.id, run.version, sheet);
    const made = { piece, path: file, facts: {}, key };
    sheets.push(done.get(piece.name) ?? (await keepPiece(deps, attempt, made)));
  }
  return { layout, sheets };
}
