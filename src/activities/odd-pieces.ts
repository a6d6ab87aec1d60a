import { type FinishedPiece, findPieces, forgetPiece } from '../db/pieces.ts';
import type { EncodingPlan } from '../domain/encoding-plan.ts';
import { AppError } from '../domain/errors.ts';
import { chunkPiece } from '../domain/recipe.ts';
import type { ActivityDeps } from './deps.ts';
import type { HeavyWork } from './heavy-work.ts';
import { deleteIfUnowned, ledgerOf } from './pieces.ts';

/**
 * Pieces of one rendition that cannot be joined with the others: their parameter sets differ from those of the piece that was
 * made last, as when ffmpeg was replaced in the middle of a video. A joined file has one set, so they would decode to rubbish.
 */
export function findOddPieces(pieces: readonly FinishedPiece[]): readonly FinishedPiece[] {
  const latest = pieces.reduce<FinishedPiece | undefined>(
    (last, piece) => (last === undefined || piece.id > last.id ? piece : last),
    undefined,
  );
  return pieces.filter(({ facts }) => facts.parameterSets !== latest?.facts.parameterSets);
}

/**
 * Takes the odd pieces of all renditions out of the ledger, so that they are made again all at once.
 * @returns `piece-missing`, to be thrown: it sends the run back to where pieces are made
 */
export async function forgetOddPieces(
  deps: ActivityDeps,
  { run, video }: HeavyWork,
  plan: EncodingPlan,
): Promise<AppError> {
  const odd: FinishedPiece[] = [];
  for (const rendition of plan.renditions) {
    const chunks = plan.chunks.map((chunk) => chunkPiece(plan, chunk, rendition, run.settings));
    const found = await deps.database.run((em) => findPieces(em, ledgerOf(run), chunks));
    odd.push(...findOddPieces([...found.values()]));
  }
  for (const piece of odd) await deps.database.run((em) => forgetPiece(em, piece));
  await deleteIfUnowned(
    deps,
    odd.map(({ objectKey }) => objectKey),
  );
  const pieces = odd.map(({ name }) => name);
  deps.logger.warn({ videoId: video.id, pieces }, 'pieces of another encoder are made again');
  return new AppError('piece-missing', {
    detail: 'Some pieces were made by another version of the encoder; they are made again.',
    pieces,
  });
}
