import { describeError, isErrorCode } from '../../domain/errors.ts';
import type { VideoView } from '../../usecases/present-video.ts';
import type { CorpusCase } from './read-corpus.ts';

/** What became of a file. */
export interface Outcome {
  /** `refused`: already the upload was. `unfinished`: its run stood still, or the upload had no answer. */
  readonly status: 'completed' | 'failed' | 'cancelled' | 'refused' | 'unfinished';
  readonly code: string | null;
  readonly detail: string;
  readonly video: VideoView | null;
}

/** Pure. A refusal counts only where the file is to blame: a server that fails has no opinion of it. */
export function isAsWanted({ wanted }: Pick<CorpusCase, 'wanted'>, outcome: Outcome): boolean {
  const isAccepted = outcome.status === 'completed';
  const isRejected =
    (outcome.status === 'refused' || outcome.status === 'failed') &&
    isErrorCode(outcome.code) &&
    ['caller', 'source'].includes(describeError(outcome.code).fault);
  if (wanted === 'any') return isAccepted || isRejected;
  return wanted === 'accept' ? isAccepted : isRejected;
}

/** One line for each file, with a heading. Pure. */
export function renderTable(
  results: readonly { readonly case: CorpusCase; readonly outcome: Outcome }[],
): string {
  const heading = [
    ...['', 'file', 'wanted', 'became', 'code', 'bytes', 'picture', 'renditions', 'seconds'],
    'warnings',
  ];
  const rows = results.map((result) => [
    isAsWanted(result.case, result.outcome) ? '✓' : '✗',
    result.case.name,
    result.case.wanted,
    result.outcome.status,
    result.outcome.code ?? '',
    String(result.case.sizeBytes),
    ...describeVideo(result.outcome.video),
  ]);
  const table = [heading, ...rows];
  const widths = heading.map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Picture, renditions, seconds, warnings. */
function describeVideo(video: VideoView | null): readonly [string, string, string, string] {
  if (video === null) return ['', '', '', ''];
  const { widthPx, heightPx, durationSeconds, streams, warnings } = video;
  return [
    widthPx === null || heightPx === null ? '' : `${widthPx}x${heightPx}`,
    streams.map(({ quality }) => quality).join(' '),
    durationSeconds === null ? '' : durationSeconds.toFixed(2),
    warnings.map(({ code }) => code).join(' '),
  ];
}
