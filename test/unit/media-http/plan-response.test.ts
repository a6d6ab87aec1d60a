import { describe, expect, it } from '@jest/globals';
import { planResponse } from '../../../src/api/media/plan-response.ts';

const SIZE = 3_000_000;
const ETAG = '"0123456789abcdef"';
const DATE = 'Sun, 22 Nov 2026 11:30:15 GMT';
const BEFORE = 'Sun, 22 Nov 2026 11:30:14 GMT';
const VARIANT = {
  sizeBytes: SIZE,
  etag: ETAG,
  lastModified: new Date('2026-11-22T11:30:15.400Z'),
  contentType: 'video/mp4',
  cacheControl: 'private, no-cache',
};

type Row = [
  title: string,
  headers: Record<string, string>,
  status: number,
  bytes: [number, number] | null,
  method?: 'HEAD',
];

const range = (value: string) => ({ range: value });
const WHOLE: [number, number] = [0, SIZE - 1];
const FIRST_TEN: [number, number] = [0, 9];

const ROWS: readonly Row[] = [
  ['GET', {}, 200, WHOLE],
  ['HEAD', {}, 200, null, 'HEAD'],
  ['HEAD with Range: ranges are defined for GET alone', range('bytes=0-9'), 200, null, 'HEAD'],
  ['first ten bytes', range('bytes=0-9'), 206, FIRST_TEN],
  ['suffix', range('bytes=-5'), 206, [SIZE - 5, SIZE - 1]],
  ['open end', range(`bytes=${SIZE - 5}-`), 206, [SIZE - 5, SIZE - 1]],
  ['end past the file', range(`bytes=${SIZE - 5}-${SIZE + 100}`), 206, [SIZE - 5, SIZE - 1]],
  ['suffix longer than the file', range(`bytes=-${SIZE + 1}`), 206, WHOLE],
  ['start at the size', range(`bytes=${SIZE}-`), 416, null],
  ['suffix of nothing', range('bytes=-0'), 416, null],
  ['start of twenty digits', range('bytes=99999999999999999999-'), 416, null],
  ['end before start', range('bytes=5-2'), 200, WHOLE],
  ['no numbers', range('bytes=abc'), 200, WHOLE],
  ['another unit', range('items=0-9'), 200, WHOLE],
  ['unit in capitals', range('BYTES=0-9'), 206, FIRST_TEN],
  ['two ranges', range('bytes=0-9,20-29'), 200, WHOLE],
  [
    'a thousand ranges',
    range(`bytes=${Array.from({ length: 1000 }, (_, i) => `${i}-${i}`).join(',')}`),
    200,
    WHOLE,
  ],
  ['one of two ranges lies outside', range(`bytes=${SIZE}-,0-9`), 206, FIRST_TEN],
  ['If-Range with our tag', { ...range('bytes=0-9'), 'if-range': ETAG }, 206, FIRST_TEN],
  ['If-Range with our date', { ...range('bytes=0-9'), 'if-range': DATE }, 206, FIRST_TEN],
  ['If-Range with a stale tag', { ...range('bytes=0-9'), 'if-range': '"other"' }, 200, WHOLE],
  ['If-Range with an old date', { ...range('bytes=0-9'), 'if-range': BEFORE }, 200, WHOLE],
  ['If-Range with a weak tag', { ...range('bytes=0-9'), 'if-range': `W/${ETAG}` }, 200, WHOLE],
  ['If-None-Match, equal', { 'if-none-match': ETAG }, 304, null],
  ['If-None-Match, in a list', { 'if-none-match': `"a", ${ETAG}` }, 304, null],
  ['If-None-Match, *', { 'if-none-match': '*' }, 304, null],
  ['If-None-Match, weak', { 'if-none-match': `W/${ETAG}` }, 304, null],
  ['If-None-Match with Range', { ...range('bytes=0-9'), 'if-none-match': ETAG }, 304, null],
  ['If-Modified-Since, equal', { 'if-modified-since': DATE }, 304, null],
  [
    'If-Modified-Since beside If-None-Match',
    { 'if-modified-since': DATE, 'if-none-match': '"other"' },
    200,
    WHOLE,
  ],
  ['If-Match fails', { 'if-match': '"other"' }, 412, null],
  [
    'If-Match fails, before Range',
    { ...range(`bytes=${SIZE}-`), 'if-match': `W/${ETAG}` },
    412,
    null,
  ],
  ['If-Unmodified-Since fails', { 'if-unmodified-since': BEFORE }, 412, null],
];

describe('planResponse', () => {
  it.each(ROWS)('%s', (_title, headers, status, bytes, method = 'GET' as never) => {
    const plan = planResponse(VARIANT, { method, header: (name) => headers[name] });

    expect(plan.status).toBe(status);
    expect(plan.span).toEqual(bytes === null ? null : { start: bytes[0], end: bytes[1] });
    expect(plan.headers).toMatchObject({
      etag: ETAG,
      'last-modified': DATE,
      'cache-control': 'private, no-cache',
    });
    expect(plan.headers['content-range']).toBe(
      status === 206
        ? `bytes ${bytes?.[0]}-${bytes?.[1]}/${SIZE}`
        : status === 416
          ? `bytes */${SIZE}`
          : undefined,
    );
    const length = bytes === null ? SIZE : bytes[1] - bytes[0] + 1;
    expect(plan.headers['content-length']).toBe(
      status === 200 || status === 206 ? String(length) : undefined,
    );
    expect(plan.headers['accept-ranges']).toBe(
      status === 304 || status === 412 ? undefined : 'bytes',
    );
  });

  it('covers the whole table', () => {
    expect(ROWS).toHaveLength(33);
  });

  it.each([
    ['If-Match *', { 'if-match': '*' }],
    ['If-Match in a list', { 'if-match': `"a",${ETAG}` }],
    ['a date that is none', { 'if-modified-since': 'yesterday', 'if-unmodified-since': '0' }],
    [
      'If-Unmodified-Since beside a matching If-Match',
      { 'if-match': ETAG, 'if-unmodified-since': BEFORE },
    ],
    ['an empty range list', range('bytes=')],
    ['a range of a minus', range('bytes=-')],
  ])('answers whole to %s', (_title, headers: Record<string, string>) => {
    expect(planResponse(VARIANT, { method: 'GET', header: (name) => headers[name] }).status).toBe(
      200,
    );
  });
});
