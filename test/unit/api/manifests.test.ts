import { describe, expect, it } from '@jest/globals';
import { dashManifest } from '../../../src/api/manifests/dash.ts';
import { hlsMaster, hlsMediaPlaylist } from '../../../src/api/manifests/hls.ts';
import { chooseSoundSource, versionUrl } from '../../../src/api/manifests/media-urls.ts';
import type { VideoId } from '../../../src/domain/ids.ts';
import type { PackagedRendition, PackagedVideo } from '../../../src/usecases/find-media.ts';

const FILM = { num: 24_000, den: 1001 };

const sound = {
  codec: 'mp4a.40.2',
  timescale: 48_000,
  init: [1500, 600],
  fragments: [
    [53_000, 65_000, 192_512],
    [178_000, 33_000, 96_000],
  ],
  channels: 2,
  sampleRateHz: 48_000,
} as const;

function rendition(
  quality: PackagedRendition['quality'],
  [widthPx, heightPx]: readonly [number, number],
  scale: number,
  audio: typeof sound | null = sound,
): PackagedRendition {
  return {
    quality,
    widthPx,
    heightPx,
    fragments: {
      video: {
        codec: 'avc1.64001f',
        timescale: 24_000,
        init: [800, 700],
        fragments: [
          [2100, 50_000 * scale, 96_096],
          [118_000, 60_000 * scale, 48_048],
        ],
        frameRate: FILM,
      },
      audio,
    },
  };
}

const video: PackagedVideo = {
  videoId: 42 as VideoId,
  version: 3,
  renditions: [rendition('720p', [1280, 720], 4), rendition('240p', [426, 240], 1)],
};
const silent: PackagedVideo = {
  ...video,
  renditions: [{ ...rendition('240p', [426, 240], 1, null) }],
};

describe('HLS', () => {
  it('lists the renditions with measured rates, and the sound once', () => {
    expect(hlsMaster(video)).toBe(`#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="main",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="audio.m3u8?v=3"
#EXT-X-STREAM-INF:BANDWIDTH=1089476,AVERAGE-BANDWIDTH=716516,RESOLUTION=1280x720,FRAME-RATE=23.976,CODECS="avc1.64001f,mp4a.40.2",AUDIO="audio"
720p.m3u8?v=3
#EXT-X-STREAM-INF:BANDWIDTH=370196,AVERAGE-BANDWIDTH=276956,RESOLUTION=426x240,FRAME-RATE=23.976,CODECS="avc1.64001f,mp4a.40.2",AUDIO="audio"
240p.m3u8?v=3
`);
  });

  it('does not speak of sound where there is none', () => {
    expect(hlsMaster(silent)).toBe(`#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=239761,AVERAGE-BANDWIDTH=146521,RESOLUTION=426x240,FRAME-RATE=23.976,CODECS="avc1.64001f"
240p.m3u8?v=3
`);
  });

  it('lists the fragments of a track by byte ranges of its versioned file', () => {
    const [, smallest] = video.renditions;
    const url = versionUrl(video.videoId, video.version, '240p');
    expect(smallest && hlsMediaPlaylist(smallest.fragments.video, url)).toBe(`#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:5
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="/videos/42/v3/240p.mp4",BYTERANGE="700@800"
#EXTINF:4.004000,
#EXT-X-BYTERANGE:50000@2100
/videos/42/v3/240p.mp4
#EXTINF:2.002000,
#EXT-X-BYTERANGE:60000@118000
/videos/42/v3/240p.mp4
#EXT-X-ENDLIST
`);
  });

  it('takes the sound from the smallest rendition', () => {
    expect(chooseSoundSource(video)?.quality).toBe('240p');
    expect(chooseSoundSource(silent)).toBeUndefined();
  });
});

describe('DASH', () => {
  it('describes renditions and sound by byte ranges', () => {
    expect(dashManifest(video)).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-main:2011" type="static" mediaPresentationDuration="PT6.006S" minBufferTime="PT4.004S">
<Period id="0" start="PT0S">
<AdaptationSet id="0" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">
<Representation id="720p" bandwidth="959041" codecs="avc1.64001f" width="1280" height="720" frameRate="24000/1001" sar="1:1">
<BaseURL>/videos/42/v3/720p.mp4</BaseURL>
<SegmentList timescale="24000">
<Initialization range="800-1499"/>
<SegmentTimeline>
<S t="0" d="96096"/>
<S d="48048"/>
</SegmentTimeline>
<SegmentURL mediaRange="2100-202099"/>
<SegmentURL mediaRange="118000-357999"/>
</SegmentList>
</Representation>
<Representation id="240p" bandwidth="239761" codecs="avc1.64001f" width="426" height="240" frameRate="24000/1001" sar="1:1">
<BaseURL>/videos/42/v3/240p.mp4</BaseURL>
<SegmentList timescale="24000">
<Initialization range="800-1499"/>
<SegmentTimeline>
<S t="0" d="96096"/>
<S d="48048"/>
</SegmentTimeline>
<SegmentURL mediaRange="2100-52099"/>
<SegmentURL mediaRange="118000-177999"/>
</SegmentList>
</Representation>
</AdaptationSet>
<AdaptationSet id="1" contentType="audio" mimeType="audio/mp4" segmentAlignment="true" startWithSAP="1">
<Representation id="audio" bandwidth="130435" codecs="mp4a.40.2" audioSamplingRate="48000">
<AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>
<BaseURL>/videos/42/v3/240p.mp4</BaseURL>
<SegmentList timescale="48000">
<Initialization range="1500-2099"/>
<SegmentTimeline>
<S t="0" d="192512"/>
<S d="96000"/>
</SegmentTimeline>
<SegmentURL mediaRange="53000-117999"/>
<SegmentURL mediaRange="178000-210999"/>
</SegmentList>
</Representation>
</AdaptationSet>
</Period>
</MPD>
`);
  });

  it('writes a line for each fragment, since dash.js does not repeat them in lists, and no set of sounds where there is none', () => {
    const [first] = silent.renditions;
    if (first === undefined) throw new Error('there is one');
    const even = {
      ...first.fragments.video,
      fragments: [
        [0, 9, 5],
        [9, 9, 5],
        [18, 9, 5],
        [27, 9, 1],
      ] as const,
    };
    const text = dashManifest({
      ...silent,
      renditions: [
        {
          ...first,
          fragments: { video: { ...even, frameRate: { num: 25, den: 1 } }, audio: null },
        },
      ],
    });
    expect(text).toContain(
      '<S t="0" d="5"/>\n<S d="5"/>\n<S d="5"/>\n<S d="1"/>\n</SegmentTimeline>',
    );
    expect(text).toContain('frameRate="25"');
    expect(text).not.toContain('audio');
  });
});
