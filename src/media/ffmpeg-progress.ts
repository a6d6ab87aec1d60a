/** One report of `-progress`. With several outputs the numbers are those of one of them. Null while ffmpeg says `N/A`. */
export interface EncodeProgress {
  readonly outTimeSeconds: number | null;
  readonly totalSizeBytes: number | null;
  readonly frames: number | null;
}

/**
 * Reads the `key=value` lines of `-progress pipe:1`; each block ends with `progress=continue` or `progress=end`.
 * @returns a function that takes one line and gives a report when the line completes a block
 * `out_time_ms` is in microseconds too, so only `out_time_us` is read.
 */
export function createProgressParser(): (line: string) => EncodeProgress | undefined {
  let block = new Map<string, string>();
  return (line) => {
    const split = line.indexOf('=');
    if (split < 0) return undefined;
    const key = line.slice(0, split).trim();
    if (key !== 'progress') {
      block.set(key, line.slice(split + 1).trim());
      return undefined;
    }
    const report = readBlock(block);
    block = new Map();
    return report;
  };
}

function readBlock(block: ReadonlyMap<string, string>): EncodeProgress {
  const outTimeUs = readNumber(block.get('out_time_us'));
  return {
    outTimeSeconds: outTimeUs === null ? null : outTimeUs / 1_000_000,
    totalSizeBytes: readNumber(block.get('total_size')),
    frames: readNumber(block.get('frame')),
  };
}

/** Negative times appear before the first frame is out; they are no progress. */
function readNumber(text: string | undefined): number | null {
  if (text === undefined || text === '') return null;
  const value = Number(text);
  return Number.isFinite(value) ? Math.max(0, value) : null;
}

/** True when `next` is further than `previous` in any of its numbers: what a stall watchdog asks. */
export function hasAdvanced(previous: EncodeProgress, next: EncodeProgress): boolean {
  return (
    (next.outTimeSeconds ?? 0) > (previous.outTimeSeconds ?? 0) ||
    (next.totalSizeBytes ?? 0) > (previous.totalSizeBytes ?? 0) ||
    (next.frames ?? 0) > (previous.frames ?? 0)
  );
}
