/**
 * Names: ours for storage, theirs for show.
 *
 * A stored name is `20261122T113015123Z-<random>.mov`: time of arrival, randomness, and the extension of the container that
 * the bytes show. The uploader's name is metadata only.
 */

/** @param extension from the sniffed container, without a dot: letters and digits only */
export function storedName(arrivedAt: Date, random: string, extension: string): string {
  if (!/^[0-9a-z]{1,8}$/.test(extension)) throw new Error(`not an extension: ${extension}`);
  return `${arrivedAt.toISOString().replaceAll(/[-:.]/g, '')}-${random}.${extension}`;
}

const LONGEST_NAME_BYTES = 180;
const CONTROL_AND_BIDI = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i;

/**
 * Makes an uploader's file name safe to show and to send in `Content-Disposition`: last path segment, NFC, no control or
 * bidirectional characters, none of `/ \ : * ? " < > |`, no leading dots, at most 180 bytes with the extension kept.
 * @returns `video` when nothing is left
 */
export function sanitizeFileName(name: string): string {
  const segment = name.normalize('NFC').split(/[/\\]/).at(-1) ?? '';
  const cleaned = segment
    .toWellFormed()
    .replaceAll(CONTROL_AND_BIDI, '')
    .replaceAll(/[:*?"<>|]/g, '_')
    .replace(/^[.\s]+/, '')
    .trimEnd()
    .replace(WINDOWS_DEVICE, '_$1');
  return shorten(cleaned) || 'video';
}

function shorten(name: string): string {
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 && name.length - dot <= 10 ? name.slice(dot) : '';
  const characters = [...name.slice(0, name.length - extension.length)];
  while (
    characters.length > 0 &&
    byteLength(characters.join('') + extension) > LONGEST_NAME_BYTES
  ) {
    characters.pop();
  }
  return characters.join('') + extension;
}

/** Length in UTF-8, counted without Node's Buffer: the domain runs in workflows too. */
function byteLength(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}
