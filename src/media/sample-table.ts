import { type Box, findBox, readBoxes, requireBox } from './boxes.ts';
import { readCodec, readSampleEntry, readTrackBoxes } from './mp4-boxes.ts';

/** One frame of picture or sound as the index of an MP4 knows it. Times are in ticks of its track. */
export interface Sample {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly durationTicks: number;
  /** From decoding to being shown. */
  readonly compositionTicks: number;
  readonly isKey: boolean;
}

export interface Mp4Track {
  /** `trak`, in the index. */
  readonly box: Box;
  readonly id: number;
  readonly kind: 'video' | 'audio';
  /** RFC 6381. */
  readonly codec: string;
  /** Ticks in a second. */
  readonly timescale: number;
  /** Ticks at the beginning that are not shown: an encoder's run-up, taken away by the edit list. */
  readonly hiddenTicks: number;
  /** Of sound; 0 for pictures. */
  readonly channels: number;
  readonly sampleRateHz: number;
  /** In the order of decoding, one at a time: the tables are read as they stand, so that a long track costs no memory. */
  samples(): Iterable<Sample>;
}

/**
 * The picture and the sound of an MP4 by its sample tables (ISO 14496-12 §8.6, §8.7).
 * @param moov with its header
 * @throws a plain `Error` for anything but one H.264 track and at most one of AAC, each coded in one way throughout
 */
export function readTracks(moov: Buffer): { video: Mp4Track; audio: Mp4Track | undefined } {
  const tracks = readTrackBoxes(moov).map((box) => readTrack(moov, box));
  const [video, ...moreVideo] = tracks.filter(({ kind }) => kind === 'video');
  const [audio, ...moreAudio] = tracks.filter(({ kind }) => kind === 'audio');
  if (video === undefined || moreVideo.length + moreAudio.length > 0)
    throw new Error('there has to be one picture and at most one sound');
  return { video, audio };
}

function readTrack(moov: Buffer, box: Box): Mp4Track {
  const codec = readCodec(moov, box);
  const entry = readSampleEntry(moov, box);
  if (codec === undefined || entry === undefined) throw new Error('a track has an unknown codec');
  const descriptions = requireBox(moov, box, ['mdia', 'minf', 'stbl', 'stsd']);
  if (moov.readUInt32BE(descriptions.body + 4) !== 1)
    throw new Error('the way of coding changes within a track');
  const kind = codec.startsWith('avc1') ? 'video' : 'audio';
  const stbl = requireBox(moov, box, ['mdia', 'minf', 'stbl']);
  return {
    box,
    id: readTrackId(moov, box),
    kind,
    codec,
    timescale: readTimescale(moov, requireBox(moov, box, ['mdia', 'mdhd'])),
    hiddenTicks: readHiddenTicks(moov, findBox(moov, box, ['edts', 'elst'])),
    // ISO 14496-12 §12.2.3: channel count, and the rate in its upper half.
    channels: kind === 'audio' ? moov.readUInt16BE(entry.body + 16) : 0,
    sampleRateHz: kind === 'audio' ? moov.readUInt16BE(entry.body + 24) : 0,
    samples: () => readSamples(moov, stbl),
  };
}

function readTrackId(moov: Buffer, track: Box): number {
  const { body } = requireBox(moov, track, ['tkhd']);
  return moov.readUInt32BE(body + (moov.readUInt8(body) === 1 ? 20 : 12));
}

function readTimescale(moov: Buffer, { body }: Box): number {
  return moov.readUInt32BE(body + (moov.readUInt8(body) === 1 ? 20 : 12));
}

/** Where the first edit that shows something begins. */
function readHiddenTicks(moov: Buffer, list: Box | undefined): number {
  if (list === undefined) return 0;
  const isLong = moov.readUInt8(list.body) === 1;
  const count = moov.readUInt32BE(list.body + 4);
  for (let index = 0; index < count; index += 1) {
    const at = list.body + 8 + index * (isLong ? 20 : 12);
    const mediaTime = isLong ? Number(moov.readBigInt64BE(at + 8)) : moov.readInt32BE(at + 4);
    if (mediaTime >= 0) return mediaTime;
  }
  return 0;
}

function* readSamples(moov: Buffer, stbl: Box): Generator<Sample> {
  const tables = new Map(
    readBoxes(moov, stbl.body, stbl.end).map((box) => [box.type, moov.subarray(box.body, box.end)]),
  );
  const sizes = requireTable(tables, 'stsz');
  const sizeOfAll = sizes.readUInt32BE(4);
  const durations = readRuns(requireTable(tables, 'stts'));
  const compositions = readRuns(tables.get('ctts'));
  const isKey = readKeys(tables.get('stss'));
  const chunks = readChunks(tables);

  const count = sizes.readUInt32BE(8);
  let left = 0;
  let offsetBytes = 0;
  for (let index = 0; index < count; index += 1) {
    if (left === 0) {
      const chunk = chunks.next();
      if (chunk.done === true) throw new Error('the index has more samples than chunks hold');
      ({ offset: offsetBytes, samples: left } = chunk.value);
    }
    const sizeBytes = sizeOfAll === 0 ? sizes.readUInt32BE(12 + index * 4) : sizeOfAll;
    yield {
      offsetBytes,
      sizeBytes,
      durationTicks: durations(),
      compositionTicks: compositions(),
      isKey: isKey(index),
    };
    offsetBytes += sizeBytes;
    left -= 1;
  }
}

function requireTable(tables: ReadonlyMap<string, Buffer>, type: string): Buffer {
  const table = tables.get(type);
  if (table === undefined) throw new Error(`a track has no ${type}`);
  return table;
}

/** A cursor over pairs of count and value, as in `stts` and `ctts`; zeros where there is no table or it has ended. */
function readRuns(table: Buffer | undefined): () => number {
  const entries = table?.readUInt32BE(4) ?? 0;
  let entry = 0;
  let left = 0;
  let value = 0;
  return () => {
    while (left === 0 && entry < entries && table !== undefined) {
      left = table.readUInt32BE(8 + entry * 8);
      value = table.readInt32BE(12 + entry * 8);
      entry += 1;
    }
    if (left === 0) return 0;
    left -= 1;
    return value;
  };
}

/** Without a table every sample is a key. Numbers in it count from one. */
function readKeys(table: Buffer | undefined): (index: number) => boolean {
  if (table === undefined) return () => true;
  const entries = table.readUInt32BE(4);
  let entry = 0;
  return (index) => {
    if (entry >= entries || table.readUInt32BE(8 + entry * 4) !== index + 1) return false;
    entry += 1;
    return true;
  };
}

function* readChunks(
  tables: ReadonlyMap<string, Buffer>,
): Generator<{ offset: number; samples: number }> {
  const runs = requireTable(tables, 'stsc');
  const long = tables.get('co64');
  const offsets = long ?? requireTable(tables, 'stco');
  const runCount = runs.readUInt32BE(4);
  const count = offsets.readUInt32BE(4);
  let run = 0;
  for (let chunk = 0; chunk < count; chunk += 1) {
    // A run begins with the number of its first chunk, from one on.
    while (run + 1 < runCount && runs.readUInt32BE(8 + (run + 1) * 12) <= chunk + 1) run += 1;
    yield {
      offset:
        long === undefined
          ? offsets.readUInt32BE(8 + chunk * 4)
          : Number(long.readBigUInt64BE(8 + chunk * 8)),
      samples: runs.readUInt32BE(12 + run * 12),
    };
  }
}
