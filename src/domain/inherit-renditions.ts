import type { EncodingPlan } from './encoding-plan.ts';
import type { MediaInfo } from './media-info.ts';
import { type Piece, renditionOutcome, renditionPiece } from './recipe.ts';
import type { RenditionPlan } from './rendition-ladder.ts';
import type { RunSettings } from './run-settings.ts';
import type { RunSource } from './run-source.ts';

/** A rendition that the ledger has, whatever it was made from. */
export interface KnownRendition {
  readonly name: string;
  readonly recipe: string;
  readonly sha256: string;
}

/** A piece that a run would make, and the rendition that serves as it. */
export interface Inherited<Known extends KnownRendition> {
  readonly piece: Piece;
  readonly from: Known;
}

/** An encoder misses a mean bitrate by a few percent. */
const BITRATE_TOLERANCE = 1.1;

/**
 * Which renditions a run that has to read the processed version need not make: those that were made of the original just as they are
 * wanted now, and the source itself, where it is a rendition that spends no more than it may. Encoding them again could only make
 * them worse.
 * @param known oldest first, of the same video
 */
export function findInheritable<Known extends KnownRendition>(
  work: {
    readonly plan: EncodingPlan;
    readonly settings: RunSettings;
    readonly info: MediaInfo;
    readonly source: RunSource;
  },
  known: readonly Known[],
): readonly Inherited<Known>[] {
  const { plan, settings, info, source } = work;
  return plan.renditions.flatMap((rendition) => {
    const piece = renditionPiece(plan, rendition, settings);
    const wanted = renditionOutcome(piece.recipe);
    const from = known.find(({ name, recipe, sha256 }) => {
      const made = renditionOutcome(recipe);
      if (name !== piece.name || made?.layout !== wanted?.layout) return false;
      if (made?.picture === wanted?.picture) return true;
      return sha256 === source.sha256 && isWithin(info.video.bitrateBps, rendition);
    });
    return from === undefined ? [] : [{ piece, from }];
  });
}

function isWithin(bitrateBps: number | null, { rateControl }: RenditionPlan): boolean {
  const most = rateControl.kind === 'abr' ? rateControl.bitrateBps : rateControl.maxrateBps;
  return bitrateBps !== null && bitrateBps <= most * BITRATE_TOLERANCE;
}
