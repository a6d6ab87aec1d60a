/** What a row has whose owner chose nothing but the file. */
export const PLAIN_UPLOAD = {
  description: '',
  categoryId: null,
  tags: [],
  visibility: 'private',
  profile: 'ladder',
  priority: 'normal',
  thumbnailTimestamps: null,
} as const;
