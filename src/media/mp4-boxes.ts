import { type FileHandle, open } from 'node:fs/promises';
import { type Box, findBox, readBox, readBoxes, readTopLevel } from './boxes.ts';

/** What the structure of a finished MP4 says. */
export interface Mp4Structure {
  /** The index stands before the media, so a player can start at once. */
  readonly isFastStart: boolean;
  /** RFC 6381, e.g. `avc1.64001f,mp4a.40.2`; tracks of other kinds are left out. */
  readonly codecs: string;
  /** Of H.264: SPS, PPS and what stands around them (`avcC`, ISO 14496-15 §5.3.3), in hex; empty where there is no such track. */
  readonly parameterSets: string;
}

/** The index of six hours at 60 frames a second has about 20 MB. */
const LARGEST_INDEX_BYTES = 256 * 1024 * 1024;
/** ISO 14496-12 §12.1.3 and §12.2.3: fixed fields of a sample entry before its own boxes. */
const VISUAL_ENTRY_BYTES = 78;
const AUDIO_ENTRY_BYTES = 28;

/** Reads an MP4's boxes (ISO 14496-12). @throws a plain `Error` where they do not add up */
export async function readMp4Structure(file: string): Promise<Mp4Structure> {
  await using handle = await open(file);
  const { moov, isFastStart } = await readMp4Head(handle);
  const tracks = readTrackBoxes(moov);
  const codecs = tracks.map((track) => readCodec(moov, track));
  return {
    isFastStart,
    codecs: codecs.filter((codec) => codec !== undefined).join(','),
    parameterSets: tracks.map((track) => readParameterSets(moov, track)).join(''),
  };
}

/** What stands around the media of an MP4, each with its own header. */
export interface Mp4Head {
  readonly ftyp: Buffer;
  readonly moov: Buffer;
  readonly isFastStart: boolean;
}

/** @throws a plain `Error` where something is missing or the index is absurdly large */
export async function readMp4Head(handle: FileHandle): Promise<Mp4Head> {
  const boxes = await readTopLevel(handle);
  const [brands, index, media] = ['ftyp', 'moov', 'mdat'].map((wanted) =>
    boxes.find(({ type }) => type === wanted),
  );
  if (index === undefined || media === undefined)
    throw new Error('the file has no index or no media');
  if (index.end - index.start > LARGEST_INDEX_BYTES) throw new Error('the index is too large');
  return {
    ftyp: brands === undefined ? Buffer.alloc(0) : await readBox(handle, brands),
    moov: await readBox(handle, index),
    isFastStart: index.start < media.start,
  };
}

/** The tracks of an index. @param moov with its header */
export function readTrackBoxes(moov: Buffer): readonly Box[] {
  const [index] = readBoxes(moov, 0, moov.length);
  if (index === undefined) return [];
  return readBoxes(moov, index.body, index.end).filter(({ type }) => type === 'trak');
}

/** RFC 6381, for H.264 and AAC. */
export function readCodec(moov: Buffer, track: Box): string | undefined {
  const entry = readSampleEntry(moov, track);
  return entry === undefined ? undefined : describeEntry(moov, entry);
}

/** How the samples of a track are coded; the first entry where there are several. */
export function readSampleEntry(moov: Buffer, track: Box): Box | undefined {
  const descriptions = findBox(moov, track, ['mdia', 'minf', 'stbl', 'stsd']);
  // A version, flags and a count stand before the entries.
  return descriptions && readBoxes(moov, descriptions.body + 8, descriptions.end)[0];
}

function readParameterSets(moov: Buffer, track: Box): string {
  const entry = readSampleEntry(moov, track);
  const config = entry?.type === 'avc1' ? readConfig(moov, entry) : undefined;
  return config === undefined ? '' : moov.toString('hex', config.body, config.end);
}

function readConfig(moov: Buffer, entry: Box): Box | undefined {
  return readBoxes(moov, entry.body + VISUAL_ENTRY_BYTES, entry.end).find(
    ({ type }) => type === 'avcC',
  );
}

function describeEntry(moov: Buffer, entry: Box): string | undefined {
  if (entry.type === 'avc1') {
    const config = readConfig(moov, entry);
    // Profile, constraints and level (ISO 14496-15 §5.3.3).
    return config === undefined
      ? undefined
      : `avc1.${moov.toString('hex', config.body + 1, config.body + 4)}`;
  }
  if (entry.type === 'mp4a') {
    const descriptor = readBoxes(moov, entry.body + AUDIO_ENTRY_BYTES, entry.end).find(
      ({ type }) => type === 'esds',
    );
    return descriptor === undefined
      ? undefined
      : describeAudio(moov.subarray(descriptor.body + 4, descriptor.end));
  }
  return undefined;
}

const ES_DESCRIPTOR = 3;
const DECODER_CONFIG = 4;
const DECODER_SPECIFIC = 5;

/** Descriptors in each other (ISO 14496-1 §7.2.6): the object type, and the audio object type in the decoder's own bytes. */
function describeAudio(esds: Buffer): string | undefined {
  const stream = readDescriptor(esds, ES_DESCRIPTOR);
  const config =
    stream === undefined ? undefined : readDescriptor(stream.subarray(3), DECODER_CONFIG);
  if (config === undefined) return undefined;
  const objectType = config.readUInt8(0).toString(16).padStart(2, '0');
  const specific = readDescriptor(config.subarray(13), DECODER_SPECIFIC);
  if (specific === undefined || specific.length === 0) return `mp4a.${objectType}`;
  return `mp4a.${objectType}.${specific.readUInt8(0) >> 3}`;
}

function readDescriptor(buffer: Buffer, tag: number): Buffer | undefined {
  if (buffer.length < 2 || buffer.readUInt8(0) !== tag) return undefined;
  let length = 0;
  let at = 1;
  for (let byte = 0x80; (byte & 0x80) !== 0 && at < buffer.length && at < 5; at += 1) {
    byte = buffer.readUInt8(at);
    length = (length << 7) | (byte & 0x7f);
  }
  return buffer.subarray(at, at + length);
}
