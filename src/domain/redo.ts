import type { Piece } from './recipe.ts';
import type { RunRequest } from './run-request.ts';
import { type Quality, type Step, STEPS } from './video.ts';

/**
 * Finished work that a run makes anew.
 *
 * Every piece in the ledger carries the version of the run that made it. A run counts those that are to be made anew only from
 * `sinceVersion` on: what it has remade itself stays made, through attempts, resets and runs that go on with the same wish.
 */
export interface Redo {
  /** This step and those after it. */
  readonly from: Step;
  /** Only of these renditions; left out: everything. */
  readonly renditions?: readonly Quality[];
  readonly sinceVersion: number;
}

/**
 * What a request wants made anew, or undefined.
 * @param since  the version of the new run, and the wish of the run that it goes on from, if it goes on from one
 */
export function chooseRedo(
  { from, renditions }: RunRequest,
  since: { readonly version: number; readonly earlier: Redo | undefined },
): Redo | undefined {
  if (from === undefined && renditions === undefined) return undefined;
  const wish = {
    from: from ?? 'compress',
    ...(renditions !== undefined && { renditions: [...new Set(renditions)].toSorted() }),
  };
  const goesOn = since.earlier !== undefined && isSameWish(since.earlier, wish);
  return { ...wish, sinceVersion: goesOn ? since.earlier.sinceVersion : since.version };
}

function isSameWish(a: Omit<Redo, 'sinceVersion'>, b: Omit<Redo, 'sinceVersion'>): boolean {
  return a.from === b.from && a.renditions?.join() === b.renditions?.join();
}

/** The lowest version whose piece a run may use. */
export function oldestUsableVersion(
  piece: Pick<Piece, 'step' | 'quality'>,
  redo: Redo | undefined,
): number {
  return redo !== undefined && isRedone(piece, redo) ? redo.sinceVersion : 0;
}

function isRedone({ step, quality }: Pick<Piece, 'step' | 'quality'>, redo: Redo): boolean {
  if (STEPS.indexOf(step) < STEPS.indexOf(redo.from)) return false;
  return (
    redo.renditions === undefined || (quality !== undefined && redo.renditions.includes(quality))
  );
}
