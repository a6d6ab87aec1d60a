import { listCues } from '../../domain/storyboard.ts';
import type { Storyboard } from '../../usecases/find-pictures.ts';

export const VTT_TYPE = 'text/vtt; charset=utf-8';

/**
 * WebVTT whose cues name parts of pictures (Media Fragments, `#xywh=`), as players with previews take it. Pure.
 *
 * The addresses of the sheets carry the version, so that a reprocess never changes them under a player.
 */
export function storyboardVtt({ videoId, version, layout }: Storyboard): string {
  const { tileWidthPx, tileHeightPx } = layout;
  const cues = listCues(layout).map(({ startSeconds, endSeconds, sheet, xPx, yPx }) => {
    const address = `/videos/${videoId}/storyboard/${sheet}.jpg?v=${version}`;
    const part = `#xywh=${xPx},${yPx},${tileWidthPx},${tileHeightPx}`;
    return `${clock(startSeconds)} --> ${clock(endSeconds)}\n${address}${part}\n`;
  });
  return ['WEBVTT\n', ...cues].join('\n');
}

/** `00:00:02.000` */
function clock(seconds: number): string {
  const ms = Math.round(seconds * 1000);
  const part = (unitMs: number, base: number, digits: number): string =>
    String(Math.floor(ms / unitMs) % base).padStart(digits, '0');
  return `${part(3_600_000, 1000, 2)}:${part(60_000, 60, 2)}:${part(1000, 60, 2)}.${part(1, 1000, 3)}`;
}
