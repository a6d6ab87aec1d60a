import {
  averageBitrateBps,
  longestFragmentSeconds,
  peakBitrateBps,
  type TrackFragments,
} from '../../domain/fragment-index.ts';
import { framesPerSecond } from '../../domain/frame-rate.ts';
import type { PackagedVideo } from '../../usecases/find-media.ts';
import { chooseSoundSource } from './media-urls.ts';

/**
 * HLS playlists (RFC 8216) of a packaged video. Pure.
 *
 * The master names the playlists of its own version, so that what a player has begun it can go on with after a reprocess.
 */
export function hlsMaster(video: PackagedVideo): string {
  const sound = chooseSoundSource(video)?.fragments.audio ?? undefined;
  const version = `v=${video.version}`;
  const lines = [
    '#EXTM3U',
    '#EXT-X-VERSION:7',
    '#EXT-X-INDEPENDENT-SEGMENTS',
    ...(sound === undefined
      ? []
      : [
          `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="main",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="${sound.channels}",URI="audio.m3u8?${version}"`,
        ]),
  ];
  for (const { quality, widthPx, heightPx, fragments } of video.renditions) {
    const { video: picture } = fragments;
    const tracks = sound === undefined ? [picture] : [picture, sound];
    const attributes = [
      `BANDWIDTH=${sum(tracks.map(peakBitrateBps))}`,
      `AVERAGE-BANDWIDTH=${sum(tracks.map(averageBitrateBps))}`,
      `RESOLUTION=${widthPx}x${heightPx}`,
      `FRAME-RATE=${framesPerSecond(picture.frameRate).toFixed(3)}`,
      `CODECS="${tracks.map(({ codec }) => codec).join(',')}"`,
      ...(sound === undefined ? [] : ['AUDIO="audio"']),
    ];
    lines.push(`#EXT-X-STREAM-INF:${attributes.join(',')}`, `${quality}.m3u8?${version}`);
  }
  return toText(lines);
}

/** One track of one file, by byte ranges. @param url of the file */
export function hlsMediaPlaylist(track: TrackFragments, url: string): string {
  const [initOffset, initSize] = track.init;
  const lines = [
    '#EXTM3U',
    '#EXT-X-VERSION:7',
    `#EXT-X-TARGETDURATION:${Math.max(1, Math.ceil(longestFragmentSeconds(track)))}`,
    '#EXT-X-MEDIA-SEQUENCE:0',
    '#EXT-X-PLAYLIST-TYPE:VOD',
    '#EXT-X-INDEPENDENT-SEGMENTS',
    `#EXT-X-MAP:URI="${url}",BYTERANGE="${initSize}@${initOffset}"`,
  ];
  for (const [offset, size, ticks] of track.fragments) {
    const seconds = (ticks / track.timescale).toFixed(6);
    lines.push(`#EXTINF:${seconds},`, `#EXT-X-BYTERANGE:${size}@${offset}`, url);
  }
  return toText([...lines, '#EXT-X-ENDLIST']);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function toText(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}
