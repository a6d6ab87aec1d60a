/** What pictures a video may have beside those that its runs make, and how many. */

/** Kept per version: sheets of the storyboard, by number, and posters at whole seconds, by second. */
export const PICTURE_KINDS = ['storyboard', 'poster'] as const;
export type PictureKind = (typeof PICTURE_KINDS)[number];

/** What people ask for and a worker makes: one more thumbnail, a poster at a second, or a poster out of their own file. */
export const WISH_KINDS = ['thumbnail', 'poster', 'own-poster'] as const;
export type WishKind = (typeof WISH_KINDS)[number];

/** What is told of a video that was published without the pictures that belong to every version. */
export const PICTURE_WARNINGS = {
  thumbnails: { code: 'pictures-failed', detail: 'The thumbnails could not be made.' },
  storyboard: {
    code: 'storyboard-failed',
    detail: 'The small pictures for seeking could not be made.',
  },
} as const;

/** Posters at a second, of one version. Each costs a seek and some 100 kB. */
export const MAX_POSTERS = 200;

/** Of an own poster: photographs of phones are about 3 MB. */
export const MAX_POSTER_BYTES = 5 * 1024 * 1024;

/** The kinds of file that an own poster may be, by the extension that its bytes are kept under. */
export const POSTER_FORMATS = ['jpg', 'png', 'webp'] as const;
export type PosterFormat = (typeof POSTER_FORMATS)[number];

export function isPosterFormat(value: unknown): value is PosterFormat {
  return POSTER_FORMATS.some((format) => format === value);
}
