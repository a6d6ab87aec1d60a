import type { Chunk } from './chunk-grid.ts';
import type { EncodingPlan } from './encoding-plan.ts';
import type { RenditionPlan } from './rendition-ladder.ts';
import type { RunSettings } from './run-settings.ts';
import { sheetCount, type StoryboardLayout } from './storyboard.ts';
import type { PieceKind, Quality, Step } from './video.ts';

/**
 * Names and recipes of the pieces of work.
 *
 * A piece is done when the ledger has a row with its name and recipe for this video and this source. The recipe is readable
 * text of everything that shapes the bytes, except the number of threads: x264's headers do not depend on it. Change
 * `RECIPE_VERSION` when the same parameters would give other bytes.
 */
export const RECIPE_VERSION = 2;

/** How a joined rendition is packaged: changes with the layout of the file. */
const PACKAGING = 'package=hybrid/1';

export interface Piece {
  readonly kind: PieceKind;
  /** Unique among the pieces of one video: `chunk/0/720p`, `audio`, `rendition/720p`, `copy`, `indexed-copy`, `thumbnail/2` … */
  readonly name: string;
  readonly recipe: string;
  /** The step that makes it. */
  readonly step: Step;
  /** Of a piece that belongs to one rendition. */
  readonly quality?: Quality;
}

type RecipeSettings = Pick<RunSettings, 'preset'>;

export function copyPiece(plan: EncodingPlan): Piece {
  const recipe = join([source(plan), audio(plan)]);
  return { kind: 'copy', name: 'copy', recipe, step: 'convert' };
}

/** The picture alone, in a container with an index. */
export function indexedCopyPiece(plan: EncodingPlan): Piece {
  const recipe = join([`video=${plan.video.streamIndex} container=matroska`]);
  return { kind: 'copy', name: 'indexed-copy', recipe, step: 'compress' };
}

export function chunkPiece(
  plan: EncodingPlan,
  chunk: Chunk,
  rendition: RenditionPlan,
  settings: RecipeSettings,
): Piece {
  return {
    kind: 'chunk',
    name: `chunk/${chunk.index}/${rendition.quality}`,
    recipe: join([
      picture(plan, rendition, settings),
      `frames=${chunk.firstFrame}-${chunk.endFrame}`,
    ]),
    step: 'compress',
    quality: rendition.quality,
  };
}

export function audioPiece(plan: EncodingPlan): Piece {
  return {
    kind: 'audio',
    name: 'audio',
    recipe: join([audio(plan), `origin=${plan.originSeconds}`, `end=${plan.durationSeconds}`]),
    step: 'compress',
  };
}

export function renditionPiece(
  plan: EncodingPlan,
  rendition: RenditionPlan,
  settings: RecipeSettings,
): Piece {
  return {
    kind: 'rendition',
    name: `rendition/${rendition.quality}`,
    recipe: join([
      picture(plan, rendition, settings),
      `frames=${plan.frames} chunks=${plan.chunks.length}`,
      audio(plan),
      PACKAGING,
    ]),
    step: 'ladder',
    quality: rendition.quality,
  };
}

/**
 * What a rendition's recipe says of the result and not of the source: `picture` with size, rate and settings, `layout` with the
 * number of frames and the packaging. Undefined for a recipe that is none of ours.
 */
export function renditionOutcome(
  recipe: string,
): { readonly picture: string; readonly layout: string } | undefined {
  const found = /^(v\d+) .* (size=.*) (frames=\d+) .* (package=\S+)$/.exec(recipe);
  if (found === null) return undefined;
  const [, version = '', picture = '', frames = '', packaging = ''] = found;
  return { picture, layout: [version, frames, packaging].join(' ') };
}

export function thumbnailPiece(
  plan: EncodingPlan,
  { index, atSeconds }: { readonly index: number; readonly atSeconds: number },
  from: Quality,
): Piece {
  return {
    kind: 'thumbnail',
    name: `thumbnail/${index}`,
    recipe: join([`at=${atSeconds} black=avoided`, `from=${from}`, source(plan)]),
    step: 'thumbnails',
  };
}

/** One piece per sheet, in their order. */
export function storyboardPieces(
  plan: EncodingPlan,
  layout: StoryboardLayout,
  from: Quality,
): readonly Piece[] {
  const recipe = join([
    `every=${layout.everyFrames} tiles=${layout.tiles} grid=${layout.columns}x${layout.rows} size=${layout.tileWidthPx}x${layout.tileHeightPx}`,
    `from=${from} gop=${plan.gopFrames} fps=${plan.frameRate.num}/${plan.frameRate.den}`,
    source(plan),
  ]);
  return Array.from({ length: sheetCount(layout) }, (_, sheet) => ({
    kind: 'storyboard',
    name: `storyboard/${sheet}`,
    recipe,
    step: 'thumbnails',
  }));
}

/** The rendition that pictures are taken from: large enough to look good, the smaller the cheaper. */
export function pictureSource(plan: EncodingPlan): Quality {
  const chosen = plan.renditions[1] ?? plan.renditions[0];
  if (chosen === undefined) throw new Error('a plan has at least one rendition');
  return chosen.quality;
}

/** The rendition that the storyboard is made from: the smallest, since its pictures are smaller still. */
export function storyboardSource(plan: EncodingPlan): RenditionPlan {
  const chosen = plan.renditions.at(-1);
  if (chosen === undefined) throw new Error('a plan has at least one rendition');
  return chosen;
}

function source(plan: EncodingPlan): string {
  return `video=${plan.video.streamIndex} origin=${plan.originSeconds}`;
}

function audio(plan: EncodingPlan): string {
  return plan.audio === null ? 'audio=none' : `audio=${plan.audio.streamIndex} aac=128k`;
}

function picture(plan: EncodingPlan, rendition: RenditionPlan, settings: RecipeSettings): string {
  const rate = rendition.rateControl;
  const spend = rate.kind === 'abr' ? `abr=${rate.bitrateBps}` : `crf=${rate.crf}`;
  const filters = `${plan.video.interlaced ? ' bwdif' : ''}${plan.video.toneMap ? ' tonemap' : ''} matrix=${plan.video.colorMatrix}`;
  const from = plan.needsIndex ? ' from=indexed-copy' : '';
  return (
    `${source(plan)}${from}${filters} size=${rendition.widthPx}x${rendition.heightPx} fps=${plan.frameRate.num}/${plan.frameRate.den} ` +
    `gop=${plan.gopFrames} preset=${settings.preset} ${spend} maxrate=${rate.maxrateBps} bufsize=${rate.bufsizeBps}`
  );
}

function join(parts: readonly string[]): string {
  return [`v${RECIPE_VERSION}`, ...parts].join(' ');
}
