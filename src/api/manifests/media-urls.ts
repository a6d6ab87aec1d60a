import type { VideoId } from '../../domain/ids.ts';
import type { Quality } from '../../domain/video.ts';
import type { PackagedRendition, PackagedVideo } from '../../usecases/find-media.ts';

/** The bytes of a rendition. The version is part of the address, so that a reprocess never changes them under a player. */
export function versionUrl(videoId: VideoId, version: number, quality: Quality): string {
  return `/videos/${videoId}/v${version}/${quality}.mp4`;
}

/** The sound is the same in all renditions, so players take it from one: the smallest. */
export function chooseSoundSource({ renditions }: PackagedVideo): PackagedRendition | undefined {
  return renditions.findLast(({ fragments }) => fragments.audio !== null);
}
