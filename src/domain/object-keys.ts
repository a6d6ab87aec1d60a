import type { VideoId } from './ids.ts';
import type { Output } from './video.ts';

/**
 * Where bytes lie in the store.
 *
 *   videos/original/<stored name>                 the upload, under a name of ours
 *   videos/processed/<id>/v<version>.mp4          MP4/H.264 copy, where the original is not one already
 *   videos/compressed/<id>/v<version>.mp4         the tallest rendition, the same bytes
 *   videos/streams/<id>/v<version>/<quality>.mp4  one rendition
 *   videos/thumbnails/<id>/v<version>/<n>.jpg
 *   videos/work/<id>/<random>.<ext>               pieces of a run
 *
 * Keys are relative, with `/` on every platform, never starting with one, never with `..`.
 */
export const ORIGINAL_PREFIX = 'videos/original/';

export function originalKey(storedName: string): string {
  return `${ORIGINAL_PREFIX}${storedName}`;
}

/** A version is claimed by one run and never given out again, so these names are written once. */
export function outputKey(videoId: VideoId, version: number, output: Output): string {
  return output === 'processed' || output === 'compressed'
    ? `videos/${output}/${videoId}/v${version}.mp4`
    : `videos/streams/${videoId}/v${version}/${output}.mp4`;
}

export function thumbnailKey(videoId: VideoId, version: number, index: number): string {
  return `videos/thumbnails/${videoId}/v${version}/${index}.jpg`;
}

/** @param random unguessable, so that two attempts at one piece never write the same object */
export function workKey(videoId: VideoId, random: string, extension: string): string {
  return `videos/work/${videoId}/${random}.${extension}`;
}

/** Everything that can be made again. Originals are not among it: nobody takes one for a leftover. */
export const MADE_PREFIXES = ['processed', 'compressed', 'streams', 'thumbnails', 'work'].map(
  (folder) => `videos/${folder}/`,
);

/** Every prefix that holds objects of one video, its original apart. */
export function ownedPrefixes(videoId: VideoId): readonly string[] {
  return MADE_PREFIXES.map((prefix) => `${prefix}${videoId}/`);
}
