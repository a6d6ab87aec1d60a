import type { MediaInfo } from './media-info.ts';

/** What a source's kind of container promises, and where its packets really end. */

/** With an index, in which a chunk finds its first frame. In the others seeking loses frames. */
const INDEXED_FORMATS: readonly string[] = ['mp4', 'matroska', 'avi'];
/** Streams without a head that could promise a length: what is there is the video. */
const ENDLESS_FORMATS: readonly string[] = ['mpegts', 'mpeg', 'mpegvideo', 'gif'];

/**
 * How the work on a source is divided. `indexed-copy`: in chunks out of a copy that has an index. `one`: not at all, for pictures
 * that depend on all before them or whose length nobody tells.
 */
export function choosePieces(
  { formatNames }: Pick<MediaInfo, 'formatNames'>,
  { isTold }: { readonly isTold: boolean },
): 'chunks' | 'indexed-copy' | 'one' {
  if (!isTold || formatNames.includes('gif')) return 'one';
  return INDEXED_FORMATS.some((format) => formatNames.includes(format)) ? 'chunks' : 'indexed-copy';
}

/** True where the length stands in the file, so that a file which ends earlier has lost something. */
export function promisesLength({ formatNames }: Pick<MediaInfo, 'formatNames'>): boolean {
  return !ENDLESS_FORMATS.some((format) => formatNames.includes(format));
}

const MISSING_SECONDS = 0.5;
const MISSING_SHARE = 0.01;

/** A source may end this much before its headers say so: they tell the longest stream, and round. */
export function allowedMissingSeconds(durationSeconds: number): number {
  return Math.max(MISSING_SECONDS, MISSING_SHARE * durationSeconds);
}

/** Lengths of a source that was cut off, in seconds; null where it was not, or where its packets were not counted. */
export function missingAtEnd(
  info: MediaInfo,
): { readonly saidSeconds: number; readonly foundSeconds: number } | null {
  const { durationSeconds: saidSeconds, packetsEndSeconds, startSeconds } = info;
  if (saidSeconds === null || packetsEndSeconds === null || !promisesLength(info)) return null;
  const foundSeconds = packetsEndSeconds - startSeconds;
  const isMissing = saidSeconds - foundSeconds > allowedMissingSeconds(saidSeconds);
  return isMissing ? { saidSeconds, foundSeconds } : null;
}
