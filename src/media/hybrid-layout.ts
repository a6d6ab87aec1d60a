import type { ByteSpan, Fragment, FragmentIndex } from '../domain/fragment-index.ts';
import type { FrameRate } from '../domain/frame-rate.ts';
import { copyBox, makeBox, makeFullBox, makeHeader, readBoxes, uint32, uint64 } from './boxes.ts';
import { cutFragments, makeInitSegment, makeMoof, shownSpan } from './fragments.ts';
import type { Mp4Head } from './mp4-boxes.ts';
import { type Mp4Track, readTracks } from './sample-table.ts';

/**
 * Where everything goes in a hybrid MP4:
 *
 *   ftyp | moov | mdat { init segment of the picture, of the sound, moof mdat, moof mdat, … }
 *
 * To a player that opens the file it is an ordinary MP4 with its index in front: each inner `mdat` is a chunk of that index, and
 * the `moof`s are bytes that nobody points at. HLS and DASH address init segments and fragments by byte range and never see
 * the outer boxes. So one copy of the media serves all of them.
 */
export interface HybridLayout {
  /** All that stands before the first fragment. */
  readonly head: Buffer;
  readonly index: FragmentIndex;
  readonly video: Mp4Track;
  readonly audio: Mp4Track | undefined;
}

const LARGEST_32_BIT_OFFSET = 0xffff_ffff;
const INNER_HEADER_BYTES = 8;

/**
 * Lays a finished MP4 out anew; pure but for the size of what it reads.
 *
 * Fragments are told by walking through the sample tables, which whoever writes the file does once more.
 * @throws a plain `Error` for what is no MP4 of one H.264 and at most one AAC track
 */
export function layOutHybrid({ ftyp, moov }: Mp4Head, frameRate: FrameRate): HybridLayout {
  const { video, audio } = readTracks(moov);
  const inits = [video, ...(audio === undefined ? [] : [audio])].map((track) =>
    makeInitSegment(moov, track),
  );
  const initBytes = inits.reduce((sum, init) => sum + init.length, 0);
  const { placed, bodyBytes } = placeFragments(video, audio, initBytes);

  const makeHead = (bodyAt: number, isLong: boolean): Buffer =>
    Buffer.concat([
      ftyp,
      makeIndex(moov, [...placed.values()], { bodyAt, isLong }),
      makeHeader('mdat', bodyBytes),
      ...inits,
    ]);
  // The index's own length does not depend on the offsets in it, but on how wide they are.
  const shortHead = makeHead(0, false).length - initBytes;
  const isLong = shortHead + bodyBytes > LARGEST_32_BIT_OFFSET;
  const bodyAt = isLong ? makeHead(0, true).length - initBytes : shortHead;

  const spanOf = (track: Mp4Track) => {
    const sizes = inits.map((init) => init.length);
    const init: ByteSpan =
      track === video ? [bodyAt, sizes[0] ?? 0] : [bodyAt + (sizes[0] ?? 0), sizes[1] ?? 0];
    const fragments = placed.get(track)?.fragments ?? [];
    return {
      codec: track.codec,
      timescale: track.timescale,
      init,
      fragments: fragments.map(({ at, bytes, ticks }): Fragment => [bodyAt + at, bytes, ticks]),
    };
  };
  return {
    head: makeHead(bodyAt, isLong),
    index: {
      video: { ...spanOf(video), frameRate },
      audio:
        audio === undefined
          ? null
          : { ...spanOf(audio), channels: audio.channels, sampleRateHz: audio.sampleRateHz },
    },
    video,
    audio,
  };
}

interface PlacedTrack {
  readonly track: Mp4Track;
  readonly fragments: PlacedFragment[];
}

/** Offsets count from the beginning of the outer `mdat`'s contents. */
interface PlacedFragment {
  readonly at: number;
  readonly bytes: number;
  /** Where the samples begin. */
  readonly mediaAt: number;
  readonly sampleCount: number;
  readonly ticks: number;
}

function placeFragments(
  video: Mp4Track,
  audio: Mp4Track | undefined,
  from: number,
): { placed: ReadonlyMap<Mp4Track, PlacedTrack>; bodyBytes: number } {
  const placed = new Map<Mp4Track, PlacedTrack>();
  let at = from;
  for (const fragment of cutFragments(video, audio)) {
    const { track, samples } = fragment;
    const known = placed.get(track) ?? { track, fragments: [] };
    placed.set(track, known);
    const mediaBytes = samples.reduce((sum, sample) => sum + sample.sizeBytes, 0);
    const mediaAt = at + makeMoof(fragment).length + INNER_HEADER_BYTES;
    const bytes = mediaAt + mediaBytes - at;
    if (bytes > LARGEST_32_BIT_OFFSET) throw new Error('a fragment is too large');
    known.fragments.push({
      at,
      bytes,
      mediaAt,
      sampleCount: samples.length,
      ticks: shownSpan(fragment).ticks,
    });
    at += bytes;
  }
  return { placed, bodyBytes: at };
}

/** The index of the whole file: as it was, but each inner `mdat` is one chunk of it. Names and places of the maker go. */
function makeIndex(
  moov: Buffer,
  placed: readonly PlacedTrack[],
  { bodyAt, isLong }: { bodyAt: number; isLong: boolean },
): Buffer {
  const [index] = readBoxes(moov, 0, moov.length);
  if (index === undefined) throw new Error('there is no index');
  const parts = readBoxes(moov, index.body, index.end).map((part) => {
    const owner = placed.find(({ track }) => track.box.start === part.start);
    const tables = owner === undefined ? undefined : chunkTables(owner, { bodyAt, isLong });
    return copyBox(moov, part, ({ type }) =>
      type === 'udta' ? Buffer.alloc(0) : tables?.get(type),
    );
  });
  return makeBox('moov', ...parts);
}

function chunkTables(
  { fragments }: PlacedTrack,
  { bodyAt, isLong }: { bodyAt: number; isLong: boolean },
): ReadonlyMap<string, Buffer> {
  const runs: number[] = [];
  fragments.forEach(({ sampleCount }, index) => {
    // A row holds from its chunk on, with samples described by the first and only entry.
    if (sampleCount !== fragments[index - 1]?.sampleCount) runs.push(index + 1, sampleCount, 1);
  });
  const offsets = fragments.map(({ mediaAt }) => bodyAt + mediaAt);
  const count = uint32([offsets.length]);
  const chunks = isLong
    ? makeFullBox('co64', {}, count, uint64(offsets))
    : makeFullBox('stco', {}, count, uint32(offsets));
  return new Map([
    ['stsc', makeFullBox('stsc', {}, uint32([runs.length / 3, ...runs]))],
    ['stco', chunks],
    ['co64', chunks],
  ]);
}
