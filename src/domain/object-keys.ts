import type { VideoId } from './ids.ts';
import type { Output } from './video.ts';

/**
 * Where bytes lie in the store.
 *
 *   videos/original/<stored name>                 the upload, under a name of ours
 *   videos/processed/<id>/v<version>.mp4          MP4/H.264 copy, where the original is not one already
 *   videos/compressed/<id>/v<version>.mp4         the tallest rendition, the same bytes
 *   videos/streams/<id>/v<version>/<quality>.mp4  one rendition
 *   videos/thumbnails/<id>/v<version>/<n>.jpg     those asked for later: <random>.jpg
 *   videos/storyboards/<id>/v<version>/<n>.jpg    sheets
 *   videos/posters/<id>/<random>.<ext>            pictures at a second, own posters, and their files as they came
 *   videos/work/<id>/<random>.<ext>               pieces of a run
 *
 * Keys are relative, with `/` on every platform, never starting with one, never with `..`.
 */
export const MEDIA_PREFIX = 'videos/';
export const ORIGINAL_PREFIX = `${MEDIA_PREFIX}original/`;

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

/** A thumbnail that was asked for after the version was made. @param random unguessable */
export function addedThumbnailKey(videoId: VideoId, version: number, random: string): string {
  return `videos/thumbnails/${videoId}/v${version}/${random}.jpg`;
}

export function sheetKey(videoId: VideoId, version: number, sheet: number): string {
  return `videos/storyboards/${videoId}/v${version}/${sheet}.jpg`;
}

/** @param random unguessable: posters are made and replaced at any time */
export function posterKey(videoId: VideoId, random: string, extension: string): string {
  return `videos/posters/${videoId}/${random}.${extension}`;
}

/** @param random unguessable, so that two attempts at one piece never write the same object */
export function workKey(videoId: VideoId, random: string, extension: string): string {
  return `videos/work/${videoId}/${random}.${extension}`;
}

/** Of what is made here; undefined of originals, whose rows say it. */
export function contentTypeOf(key: string): string | undefined {
  if (key.startsWith(ORIGINAL_PREFIX)) return undefined;
  if (key.endsWith('.mp4')) return 'video/mp4';
  return key.endsWith('.jpg') ? 'image/jpeg' : undefined;
}

/**
 * Everything but originals: what no row names here is a leftover. Uploaded posters are named by a row from the moment they are
 * acknowledged.
 */
export const MADE_PREFIXES = [
  'processed',
  'compressed',
  'streams',
  'thumbnails',
  'storyboards',
  'posters',
  'work',
].map((folder) => `${MEDIA_PREFIX}${folder}/`);

export function isOriginalKey(key: string): boolean {
  return key.startsWith(ORIGINAL_PREFIX);
}

/** One that a run or a person's wish made: below one of {@link MADE_PREFIXES}. */
export function isMadeKey(key: string): boolean {
  return MADE_PREFIXES.some((prefix) => key.startsWith(prefix));
}

/** Every prefix that holds objects of one video, its original apart. */
export function ownedPrefixes(videoId: VideoId): readonly string[] {
  return MADE_PREFIXES.map((prefix) => `${prefix}${videoId}/`);
}
