import { parseRange } from './parse-range.ts';

/**
 * What to answer to a request for a file, by the rules of RFC 9110 (§13.2.2 the order of conditions, §14.2 ranges).
 *
 *   If-Match → If-Unmodified-Since → If-None-Match → If-Modified-Since → Range with If-Range
 *
 * Several ranges that can be satisfied are answered by the whole file, which the RFC leaves to the server.
 */
export interface MediaVariant {
  readonly sizeBytes: number;
  /** Strong, with its quotes. */
  readonly etag: string;
  readonly lastModified: Date;
  readonly contentType: string;
  readonly cacheControl: string;
  readonly disposition?: string | undefined;
}

export interface MediaRequest {
  readonly method: 'GET' | 'HEAD';
  /** By lower-case name. */
  header(name: string): string | undefined;
}

export interface MediaPlan {
  readonly status: 200 | 206 | 304 | 412 | 416;
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes to send, both ends inclusive; null where the answer has no bytes of the file. */
  readonly span: { readonly start: number; readonly end: number } | null;
}

/** Pure: decides status, headers and bytes; opens nothing. */
export function planResponse(variant: MediaVariant, request: MediaRequest): MediaPlan {
  const validators = {
    etag: variant.etag,
    'last-modified': variant.lastModified.toUTCString(),
    'cache-control': variant.cacheControl,
  };
  if (isPreconditionFailed(variant, request))
    return { status: 412, headers: validators, span: null };
  if (isNotModified(variant, request)) return { status: 304, headers: validators, span: null };

  const { sizeBytes } = variant;
  const range =
    request.method === 'GET' && mayUseRange(variant, request)
      ? parseRange(request.header('range'), sizeBytes)
      : 'none';
  if (range === 'unsatisfiable') {
    return {
      status: 416,
      headers: { ...validators, 'accept-ranges': 'bytes', 'content-range': `bytes */${sizeBytes}` },
      span: null,
    };
  }

  const span = range === 'none' ? { start: 0, end: sizeBytes - 1 } : range;
  const headers = {
    ...validators,
    'content-type': variant.contentType,
    'content-length': String(span.end - span.start + 1),
    'accept-ranges': 'bytes',
    'x-content-type-options': 'nosniff',
    ...(range === 'none'
      ? {}
      : { 'content-range': `bytes ${span.start}-${span.end}/${sizeBytes}` }),
    ...(variant.disposition === undefined ? {} : { 'content-disposition': variant.disposition }),
  };
  return {
    status: range === 'none' ? 200 : 206,
    headers,
    span: request.method === 'GET' && sizeBytes > 0 ? span : null,
  };
}

function isPreconditionFailed(
  { etag, lastModified }: MediaVariant,
  { header }: MediaRequest,
): boolean {
  const match = header('if-match');
  if (match !== undefined) return match.trim() !== '*' && !splitTags(match).includes(etag);
  const since = parseDate(header('if-unmodified-since'));
  return since !== undefined && wholeSeconds(lastModified) > since;
}

function isNotModified({ etag, lastModified }: MediaVariant, { header }: MediaRequest): boolean {
  const noneMatch = header('if-none-match');
  if (noneMatch !== undefined) {
    return (
      noneMatch.trim() === '*' ||
      splitTags(noneMatch).some((tag) => tag.replace(/^W\//, '') === etag)
    );
  }
  const since = parseDate(header('if-modified-since'));
  return since !== undefined && wholeSeconds(lastModified) <= since;
}

/** A tag that is weak, or a date that is not exactly ours, may belong to other bytes: then the range is not used. */
function mayUseRange({ etag, lastModified }: MediaVariant, { header }: MediaRequest): boolean {
  const condition = header('if-range')?.trim();
  if (condition === undefined || condition === etag) return true;
  return !condition.includes('"') && parseDate(condition) === wholeSeconds(lastModified);
}

function splitTags(list: string): readonly string[] {
  return list.match(/(?:W\/)?"[^"]*"/g) ?? [];
}

/** Seconds since 1970; undefined for what is no HTTP date, which the RFC says to ignore. */
function parseDate(text: string | undefined): number | undefined {
  if (text === undefined || !/GMT$|^\w{3} \w{3} [ \d]\d /.test(text.trim())) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1000);
}

function wholeSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
