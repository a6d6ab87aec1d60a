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

/** Longest side of a picture that is taken. */
export const LARGEST_SIDE_PX = 8192;
