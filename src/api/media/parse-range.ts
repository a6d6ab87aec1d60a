/** Both inclusive. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** More ranges than this are nobody's player. */
const MOST_RANGES = 100;

/**
 * Reads a `Range` field for a file of `sizeBytes`.
 *
 * `none`: there is no field, or one that is to be ignored (malformed, another unit, several ranges that can be satisfied).
 * Of several ranges the one that lies in the file is used when the others do not.
 */
export function parseRange(
  field: string | undefined,
  sizeBytes: number,
): Span | 'none' | 'unsatisfiable' {
  const list = /^bytes=(.*)$/i.exec(field?.trim() ?? '')?.[1];
  if (list === undefined) return 'none';
  const parts = list
    .split(',', MOST_RANGES + 1)
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (parts.length === 0 || parts.length > MOST_RANGES) return 'none';

  const spans = parts.map((part) => parseSpan(part, sizeBytes));
  if (spans.includes('malformed')) return 'none';
  const [first, ...others] = spans.filter((span) => typeof span === 'object');
  if (first === undefined) return 'unsatisfiable';
  return others.length === 0 ? first : 'none';
}

function parseSpan(part: string, sizeBytes: number): Span | 'malformed' | 'outside' {
  const match = /^(\d*)-(\d*)$/.exec(part);
  const [first, last] = [match?.[1] ?? '', match?.[2] ?? ''];
  if (first === '' && last === '') return 'malformed';
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes);
    return length === 0 ? 'outside' : { start: sizeBytes - length, end: sizeBytes - 1 };
  }
  const start = Number(first);
  const end = last === '' ? Number.POSITIVE_INFINITY : Number(last);
  if (end < start) return 'malformed';
  return start >= sizeBytes ? 'outside' : { start, end: Math.min(end, sizeBytes - 1) };
}
