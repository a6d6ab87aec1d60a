import {
  type Box,
  copyBox,
  makeBox,
  makeFullBox,
  readBoxes,
  requireBox,
  uint32,
  uint64,
} from './boxes.ts';
import type { Mp4Track, Sample } from './sample-table.ts';

/** Fragments of ISO 14496-12 §8.8: how a track is cut into them, and their boxes. */
export interface TrackFragment {
  readonly track: Mp4Track;
  /** From one on, within its track. */
  readonly number: number;
  /** Of the first sample, on the clock of decoding. */
  readonly decodeTicks: number;
  readonly samples: readonly Sample[];
}

/** Two groups of pictures of two seconds each; half a second less for rates at which a group is a little shorter. */
const SHORTEST_SECONDS = 3.5;

/**
 * Cuts the picture at key frames, about every four seconds, and the sound at the same times, so that both are at hand when one
 * reads on from anywhere. Picture and sound take turns.
 */
export function* cutFragments(
  video: Mp4Track,
  audio: Mp4Track | undefined,
): Generator<TrackFragment> {
  const takeSound = audio === undefined ? () => undefined : soundTaker(audio);
  let last: TrackFragment | undefined;
  for (const fragment of cutPicture(video)) {
    if (last !== undefined) {
      yield last;
      const sound = takeSound(shownSpan(fragment).from / video.timescale);
      if (sound !== undefined) yield sound;
    }
    last = fragment;
  }
  if (last === undefined) throw new Error('there is no picture');
  yield last;
  const rest = takeSound(Number.POSITIVE_INFINITY);
  if (rest !== undefined) yield rest;
}

/** When a fragment is shown, in ticks of its track. What an encoder put before zero is not. */
export function shownSpan({ track, decodeTicks, samples }: TrackFragment): {
  readonly from: number;
  readonly ticks: number;
} {
  const delay = (samples[0]?.compositionTicks ?? 0) - track.hiddenTicks;
  const decodedTicks = samples.reduce((sum, sample) => sum + sample.durationTicks, 0);
  const from = Math.max(0, decodeTicks + delay);
  return { from, ticks: Math.max(0, decodeTicks + decodedTicks + delay) - from };
}

function* cutPicture(track: Mp4Track): Generator<TrackFragment> {
  let samples: Sample[] = [];
  let number = 1;
  let decodeTicks = 0;
  let ticks = 0;
  for (const sample of track.samples()) {
    if (sample.isKey && ticks >= SHORTEST_SECONDS * track.timescale) {
      yield { track, number, decodeTicks, samples };
      samples = [];
      number += 1;
      decodeTicks += ticks;
      ticks = 0;
    }
    samples.push(sample);
    ticks += sample.durationTicks;
  }
  if (samples.length > 0) yield { track, number, decodeTicks, samples };
}

/** Each call takes the sound up to a moment on the clock of the viewer; undefined where there is none. */
function soundTaker(track: Mp4Track): (untilSeconds: number) => TrackFragment | undefined {
  const iterator = track.samples()[Symbol.iterator]();
  let next = iterator.next();
  let number = 0;
  let decodeTicks = 0;
  return (untilSeconds) => {
    const samples: Sample[] = [];
    const from = decodeTicks;
    const until = untilSeconds * track.timescale + track.hiddenTicks;
    while (next.done !== true && decodeTicks < until) {
      samples.push(next.value);
      decodeTicks += next.value.durationTicks;
      next = iterator.next();
    }
    if (samples.length === 0) return undefined;
    number += 1;
    return { track, number, decodeTicks: from, samples };
  };
}

// Sample flags of §8.8.3.1: depends on no other sample; depends on others and is no key.
const KEY = 0x0200_0000;
const NO_KEY = 0x0101_0000;
// Flags of `tfhd` and `trun` (§8.8.7, §8.8.8).
const OFFSETS_FROM_MOOF = 0x02_0000;
const DEFAULT_DURATION = 0x08;
const DEFAULT_FLAGS = 0x20;
const DATA_OFFSET = 0x001;
const DURATIONS = 0x100;
const SIZES = 0x200;
const FLAGS = 0x400;
const COMPOSITIONS = 0x800;

/** The box that stands before a fragment's `mdat`. It says nothing about where in the file it is. */
export function makeMoof({ track, number, decodeTicks, samples }: TrackFragment): Buffer {
  const durationTicks = samples[0]?.durationTicks ?? 0;
  const has = {
    durations: samples.some((sample) => sample.durationTicks !== durationTicks),
    flags: samples.some(({ isKey }) => !isKey),
    compositions: samples.some(({ compositionTicks }) => compositionTicks !== 0),
  };
  const rows = samples.flatMap((sample) => [
    ...(has.durations ? [sample.durationTicks] : []),
    sample.sizeBytes,
    ...(has.flags ? [sample.isKey ? KEY : NO_KEY] : []),
    ...(has.compositions ? [sample.compositionTicks] : []),
  ]);
  const flags =
    DATA_OFFSET |
    SIZES |
    (has.durations ? DURATIONS : 0) |
    (has.flags ? FLAGS : 0) |
    (has.compositions ? COMPOSITIONS : 0);
  // Version 1 has signed composition offsets.
  const run = (dataOffset: number): Buffer =>
    makeFullBox('trun', { version: 1, flags }, uint32([samples.length, dataOffset, ...rows]));
  const moof = (dataOffset: number): Buffer =>
    makeBox(
      'moof',
      makeFullBox('mfhd', {}, uint32([number])),
      makeBox(
        'traf',
        makeFullBox(
          'tfhd',
          { flags: OFFSETS_FROM_MOOF | DEFAULT_DURATION | DEFAULT_FLAGS },
          uint32([track.id, durationTicks, KEY]),
        ),
        makeFullBox('tfdt', { version: 1 }, uint64([decodeTicks])),
        run(dataOffset),
      ),
    );
  // The media begin after this box and the header of the next.
  return moof(moof(0).length + 8);
}

/** What a decoder needs before a track's fragments: brands, and an index without samples that keeps the edit list. */
export function makeInitSegment(moov: Buffer, track: Mp4Track): Buffer {
  const [index] = readBoxes(moov, 0, moov.length);
  if (index === undefined) throw new Error('there is no index');
  const header = withoutDuration(moov, requireBox(moov, index, ['mvhd']));
  const trak = copyBox(moov, track.box, (part) => emptyPart(moov, track.box, part));
  const defaults = makeFullBox('trex', {}, uint32([track.id, 1, 0, 0, 0]));
  return Buffer.concat([
    makeBox('ftyp', Buffer.from('iso5'), uint32([512]), Buffer.from('iso5iso6mp41')),
    makeBox('moov', header, trak, makeBox('mvex', defaults)),
  ]);
}

function emptyPart(moov: Buffer, trak: Box, part: Box): Buffer | undefined {
  if (part.type === 'udta') return Buffer.alloc(0);
  if (part.type === 'tkhd' || part.type === 'mdhd') return withoutDuration(moov, part);
  if (part.type === 'elst') return openEnded(moov, part);
  if (part.type !== 'stbl') return undefined;
  const stsd = requireBox(moov, trak, ['mdia', 'minf', 'stbl', 'stsd']);
  return makeBox(
    'stbl',
    moov.subarray(stsd.start, stsd.end),
    makeFullBox('stts', {}, uint32([0])),
    makeFullBox('stsc', {}, uint32([0])),
    makeFullBox('stsz', {}, uint32([0, 0])),
    makeFullBox('stco', {}, uint32([0])),
  );
}

/** `mvhd`, `mdhd` and `tkhd` say zero where fragments tell the length. In `tkhd` a reserved word stands before it. */
function withoutDuration(moov: Buffer, box: Box): Buffer {
  const copy = Buffer.from(moov.subarray(box.start, box.end));
  const body = box.body - box.start;
  const isLong = copy.readUInt8(body) === 1;
  const at = body + (isLong ? 24 : 16) + (box.type === 'tkhd' ? 4 : 0);
  copy.fill(0, at, at + (isLong ? 8 : 4));
  return copy;
}

/** An edit that shows something lasts as long as the fragments do, which is written as zero. */
function openEnded(moov: Buffer, box: Box): Buffer {
  const copy = Buffer.from(moov.subarray(box.start, box.end));
  const body = box.body - box.start;
  const isLong = copy.readUInt8(body) === 1;
  for (let at = body + 8; at < copy.length; at += isLong ? 20 : 12) {
    const mediaTime = isLong ? Number(copy.readBigInt64BE(at + 8)) : copy.readInt32BE(at + 4);
    if (mediaTime >= 0) copy.fill(0, at, at + (isLong ? 8 : 4));
  }
  return copy;
}
