import { fileTypeFromBuffer } from 'file-type';

/** What the first bytes of an upload say it is. */
export interface Container {
  /** Of the stored name. */
  readonly extension: string;
  readonly contentType: string;
}

/** Enough for every container of the list; file-type looks no further in a buffer. */
export const SNIFF_BYTES = 4_100;

const MP4: Container = { extension: 'mp4', contentType: 'video/mp4' };
const QUICKTIME: Container = { extension: 'mov', contentType: 'video/quicktime' };
const MATROSKA: Container = { extension: 'mkv', contentType: 'video/x-matroska' };
const TRANSPORT_STREAM: Container = { extension: 'ts', contentType: 'video/mp2t' };
const ASF: Container = { extension: 'wmv', contentType: 'video/x-ms-wmv' };
const OGG: Container = { extension: 'ogv', contentType: 'video/ogg' };

/**
 * The containers that are let in, by file-type's name for them. Kinds for sound share their bytes' shape with those for
 * video (an MP4 of music looks like a film), so those pass here and the probe judges.
 */
const CONTAINERS: ReadonlyMap<string, Container> = new Map([
  ['mp4', MP4],
  ['m4v', { extension: 'm4v', contentType: 'video/x-m4v' }],
  ['m4p', MP4],
  ['m4a', MP4],
  ['m4b', MP4],
  ['f4v', MP4],
  ['f4p', MP4],
  ['f4a', MP4],
  ['f4b', MP4],
  ['mov', QUICKTIME],
  ['3gp', { extension: '3gp', contentType: 'video/3gpp' }],
  ['3g2', { extension: '3g2', contentType: 'video/3gpp2' }],
  ['mkv', MATROSKA],
  ['webm', { extension: 'webm', contentType: 'video/webm' }],
  ['avi', { extension: 'avi', contentType: 'video/x-msvideo' }],
  ['flv', { extension: 'flv', contentType: 'video/x-flv' }],
  ['mts', TRANSPORT_STREAM],
  ['mpg', { extension: 'mpg', contentType: 'video/mpeg' }],
  ['asf', ASF],
  ['ogv', OGG],
  ['ogm', OGG],
  ['ogx', OGG],
  ['gif', { extension: 'gif', contentType: 'image/gif' }],
]);

/**
 * The cheap gate: tells a container by its first bytes. Names and declared types play no part.
 * @param head the first `SNIFF_BYTES`, or all of a shorter file
 * @returns undefined for everything that is not a container of the list
 */
export async function sniffContainer(head: Uint8Array): Promise<Container | undefined> {
  const found = await fileTypeFromBuffer(head);
  return found === undefined ? undefined : CONTAINERS.get(found.ext);
}
