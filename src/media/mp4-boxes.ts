import { type FileHandle, open } from 'node:fs/promises';

/** What the structure of a finished MP4 says. */
export interface Mp4Structure {
  /** The index stands before the media, so a player can start at once. */
  readonly isFastStart: boolean;
  /** RFC 6381, e.g. `avc1.64001f,mp4a.40.2`; tracks of other kinds are left out. */
  readonly codecs: string;
}

interface Box {
  readonly type: string;
  readonly start: number;
  /** Where the contents begin. */
  readonly body: number;
  readonly end: number;
}

/** The index of six hours at 60 frames a second has about 20 MB. */
const LARGEST_INDEX_BYTES = 256 * 1024 * 1024;
/** ISO 14496-12 §12.1.3 and §12.2.3: fixed fields of a sample entry before its own boxes. */
const VISUAL_ENTRY_BYTES = 78;
const AUDIO_ENTRY_BYTES = 28;

/** Reads an MP4's boxes (ISO 14496-12). @throws a plain `Error` where they do not add up */
export async function readMp4Structure(file: string): Promise<Mp4Structure> {
  await using handle = await open(file);
  const boxes = await readTopLevel(handle);
  const index = boxes.find(({ type }) => type === 'moov');
  const media = boxes.find(({ type }) => type === 'mdat');
  if (index === undefined || media === undefined)
    throw new Error('the file has no index or no media');
  if (index.end - index.body > LARGEST_INDEX_BYTES) throw new Error('the index is too large');
  const moov = Buffer.alloc(index.end - index.body);
  await handle.read(moov, 0, moov.length, index.body);
  return { isFastStart: index.start < media.start, codecs: readCodecs(moov).join(',') };
}

async function readTopLevel(handle: FileHandle): Promise<readonly Box[]> {
  const { size } = await handle.stat();
  const boxes: Box[] = [];
  const header = Buffer.alloc(16);
  for (let start = 0; start + 8 <= size;) {
    const { bytesRead } = await handle.read(header, 0, 16, start);
    const box = readHeader(header.subarray(0, bytesRead), start, size);
    boxes.push(box);
    start = box.end;
  }
  return boxes;
}

/** @param header  at least 8 bytes, 16 where the size needs 64 bits */
function readHeader(header: Buffer, start: number, limit: number): Box {
  const size = header.readUInt32BE(0);
  const type = header.toString('latin1', 4, 8);
  const isLarge = size === 1;
  const bytes = isLarge ? Number(header.readBigUInt64BE(8)) : size === 0 ? limit - start : size;
  const headerBytes = isLarge ? 16 : 8;
  if (bytes < headerBytes || start + bytes > limit) throw new Error(`the box ${type} does not fit`);
  return { type, start, body: start + headerBytes, end: start + bytes };
}

function children(buffer: Buffer, from: number, to: number): readonly Box[] {
  const boxes: Box[] = [];
  for (let start = from; start + 8 <= to;) {
    const box = readHeader(buffer.subarray(start), start, to);
    boxes.push(box);
    start = box.end;
  }
  return boxes;
}

function readCodecs(moov: Buffer): readonly string[] {
  return children(moov, 0, moov.length)
    .filter(({ type }) => type === 'trak')
    .flatMap((track) => {
      const descriptions = descend(moov, track, ['mdia', 'minf', 'stbl', 'stsd']);
      // A version, flags and a count stand before the entries.
      const entry =
        descriptions === undefined
          ? undefined
          : children(moov, descriptions.body + 8, descriptions.end)[0];
      const codec = entry === undefined ? undefined : describeEntry(moov, entry);
      return codec === undefined ? [] : [codec];
    });
}

function descend(buffer: Buffer, from: Box, types: readonly string[]): Box | undefined {
  return types.reduce<Box | undefined>(
    (box, type) =>
      box === undefined
        ? undefined
        : children(buffer, box.body, box.end).find((child) => child.type === type),
    from,
  );
}

function describeEntry(moov: Buffer, entry: Box): string | undefined {
  if (entry.type === 'avc1') {
    const config = children(moov, entry.body + VISUAL_ENTRY_BYTES, entry.end).find(
      ({ type }) => type === 'avcC',
    );
    // Profile, constraints and level (ISO 14496-15 §5.3.3).
    return config === undefined
      ? undefined
      : `avc1.${moov.toString('hex', config.body + 1, config.body + 4)}`;
  }
  if (entry.type === 'mp4a') {
    const descriptor = children(moov, entry.body + AUDIO_ENTRY_BYTES, entry.end).find(
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
