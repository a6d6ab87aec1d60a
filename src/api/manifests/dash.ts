import {
  fragmentedSeconds,
  longestFragmentSeconds,
  peakBitrateBps,
  type TrackFragments,
} from '../../domain/fragment-index.ts';
import type { PackagedVideo } from '../../usecases/find-media.ts';
import { chooseSoundSource, versionUrl } from './media-urls.ts';

/**
 * The DASH manifest (ISO 23009-1) of a packaged video: one set of renditions to choose from, and one of the shared sound, by
 * lists of byte ranges. Pure. Nothing in it needs escaping: numbers, and words of our own.
 */
export function dashManifest(video: PackagedVideo): string {
  const { videoId, version, renditions } = video;
  const pictures = renditions.map(({ fragments }) => fragments.video);
  const source = chooseSoundSource(video);
  const sound = source?.fragments.audio ?? undefined;
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    tag('MPD', {
      xmlns: 'urn:mpeg:dash:schema:mpd:2011',
      profiles: 'urn:mpeg:dash:profile:isoff-main:2011',
      type: 'static',
      mediaPresentationDuration: isoSeconds(Math.max(...pictures.map(fragmentedSeconds))),
      minBufferTime: isoSeconds(Math.max(...pictures.map(longestFragmentSeconds))),
    }),
    '<Period id="0" start="PT0S">',
    tag('AdaptationSet', {
      id: 0,
      contentType: 'video',
      mimeType: 'video/mp4',
      segmentAlignment: 'true',
      startWithSAP: 1,
    }),
    ...renditions.flatMap(({ quality, widthPx, heightPx, fragments: { video: picture } }) => [
      tag('Representation', {
        id: quality,
        bandwidth: peakBitrateBps(picture),
        codecs: picture.codec,
        width: widthPx,
        height: heightPx,
        frameRate:
          picture.frameRate.den === 1
            ? picture.frameRate.num
            : `${picture.frameRate.num}/${picture.frameRate.den}`,
        sar: '1:1',
      }),
      ...segmentList(picture, versionUrl(videoId, version, quality)),
      '</Representation>',
    ]),
    '</AdaptationSet>',
  ];
  if (source !== undefined && sound !== undefined) {
    lines.push(
      tag('AdaptationSet', {
        id: 1,
        contentType: 'audio',
        mimeType: 'audio/mp4',
        segmentAlignment: 'true',
        startWithSAP: 1,
      }),
      tag('Representation', {
        id: 'audio',
        bandwidth: peakBitrateBps(sound),
        codecs: sound.codec,
        audioSamplingRate: sound.sampleRateHz,
      }),
      `<AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="${sound.channels}"/>`,
      ...segmentList(sound, versionUrl(videoId, version, source.quality)),
      '</Representation>',
      '</AdaptationSet>',
    );
  }
  return `${[...lines, '</Period>', '</MPD>'].join('\n')}\n`;
}

function segmentList(track: TrackFragments, url: string): readonly string[] {
  return [
    `<BaseURL>${url}</BaseURL>`,
    `<SegmentList timescale="${track.timescale}">`,
    `<Initialization range="${byteRange(track.init[0], track.init[1])}"/>`,
    '<SegmentTimeline>',
    ...timeline(track),
    '</SegmentTimeline>',
    ...track.fragments.map(
      ([offset, size]) => `<SegmentURL mediaRange="${byteRange(offset, size)}"/>`,
    ),
    '</SegmentList>',
  ];
}

/**
 * One line for each fragment, also where many are of one length: dash.js 5.2 takes the n-th line for the n-th entry of the list
 * and would play a line that is to be repeated again and again.
 */
function timeline({ fragments }: TrackFragments): readonly string[] {
  return fragments.map(([, , ticks], index) => `<S${index === 0 ? ' t="0"' : ''} d="${ticks}"/>`);
}

function tag(name: string, attributes: Readonly<Record<string, string | number>>): string {
  const pairs = Object.entries(attributes).map(([key, value]) => ` ${key}="${value}"`);
  return `<${name}${pairs.join('')}>`;
}

/** Both ends inclusive. */
function byteRange(offset: number, size: number): string {
  return `${offset}-${offset + size - 1}`;
}

function isoSeconds(seconds: number): string {
  return `PT${seconds.toFixed(3)}S`;
}
