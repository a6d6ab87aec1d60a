import type { PosterFormat } from '../domain/pictures.ts';

/**
 * Flags for every ffprobe and ffmpeg that reads a file; they stand before its `-i`.
 *
 * `-protocol_whitelist file` alone does not help: an HLS, DASH or concat playlist named `video.mp4` needs nothing but `file` to
 * read its neighbours. The list of formats is what stops it. mp3 and still pictures are left out on purpose.
 */
export const UPLOAD_INPUT_FLAGS: readonly string[] = [
  '-protocol_whitelist',
  'file',
  '-format_whitelist',
  'mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif',
  '-max_pixels',
  String(8192 * 4320),
  '-max_streams',
  '64',
];

/** For files that we have made ourselves. */
export const OWN_INPUT_FLAGS: readonly string[] = [
  '-protocol_whitelist',
  'file',
  '-format_whitelist',
  'mov,matroska,concat,image2',
];

/** Demuxer and decoder of each kind of picture; the one that the bytes name, and no other. */
const PICTURE_READERS: Readonly<Record<PosterFormat, { demuxer: string; decoder: string }>> = {
  jpg: { demuxer: 'jpeg_pipe', decoder: 'mjpeg' },
  png: { demuxer: 'png_pipe', decoder: 'png' },
  webp: { demuxer: 'webp_pipe', decoder: 'webp' },
};

/**
 * For a picture that somebody has uploaded. Decoded and scaled by one thread: each would hold a picture, and a file of some
 * kilobytes can claim to be as large as the bound allows.
 */
export function pictureInputFlags(format: PosterFormat): readonly string[] {
  const { demuxer, decoder } = PICTURE_READERS[format];
  return [
    '-protocol_whitelist',
    'file',
    '-format_whitelist',
    demuxer,
    '-codec_whitelist',
    decoder,
    '-max_pixels',
    String(8192 * 4320),
    '-threads',
    '1',
    '-filter_threads',
    '1',
    '-f',
    demuxer,
  ];
}

/** Longest side of a picture that is taken. */
export const LARGEST_SIDE_PX = 8192;
