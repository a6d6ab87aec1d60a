import { describe, expect, it } from '@jest/globals';

import { copyToMp4Args } from '../../../src/media/copy-args.ts';
import {
  encodeAudioArgs,
  type EncodeChunk,
  encodeChunkArgs,
} from '../../../src/media/encode-args.ts';
import { indexSourceArgs } from '../../../src/media/index-source-args.ts';
import { concatList, muxRenditionArgs } from '../../../src/media/join-args.ts';
import { thumbnailArgs } from '../../../src/media/thumbnail-args.ts';

const GUARDED = [
  '-protocol_whitelist',
  'file',
  '-format_whitelist',
  'mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif',
  '-max_pixels',
  '35389440',
  '-max_streams',
  '64',
];
const OWN = ['-protocol_whitelist', 'file', '-format_whitelist', 'mov,matroska,concat,image2'];

const CHUNK: EncodeChunk = {
  sourcePath: '/scratch/input',
  clock: { firstSeconds: 0, zeroSeconds: 0 },
  videoStreamIndex: 2,
  frameRate: { num: 30_000, den: 1001 },
  originSeconds: 0.5,
  firstFrame: 0,
  endFrame: 900,
  gopFrames: 60,
  interlaced: false,
  toneMap: false,
  colorMatrix: 'bt709',
  preset: 'veryfast',
  renditions: [
    {
      widthPx: 1280,
      heightPx: 720,
      rateControl: { kind: 'capped-crf', crf: 22, maxrateBps: 2_800_000, bufsizeBps: 5_600_000 },
      outputPath: '/scratch/720p.mp4',
    },
    {
      widthPx: 640,
      heightPx: 360,
      rateControl: {
        kind: 'abr',
        bitrateBps: 700_000,
        maxrateBps: 1_050_000,
        bufsizeBps: 1_400_000,
      },
      outputPath: '/scratch/360p.mp4',
    },
  ],
};

describe('encodeChunkArgs', () => {
  it('decodes once and scales in a cascade', () => {
    const command = encodeChunkArgs(CHUNK);
    expect(command.inputs).toEqual([
      { options: [...GUARDED, '-copyts', '-t', '31.53'], path: '/scratch/input' },
    ]);
    expect(command.filterGraph).toBe(
      [
        '[0:2]setpts=PTS-0.5/TB,fps=fps=30000/1001:start_time=0,trim=start_pts=0:end_pts=900,setpts=N/(30000/1001)/TB,' +
          'scale=1280:720:flags=bicubic:in_color_matrix=bt709:out_color_matrix=bt709:out_range=tv,setsar=1,format=yuv420p,' +
          'split=2[v0][x0]',
        '[x0]scale=640:360:flags=bicubic,setsar=1[v1]',
      ].join(';'),
    );
  });

  it('gives each rendition its cap, closed groups and plain colours', () => {
    const [tall, low] = encodeChunkArgs(CHUNK).outputs;
    expect(tall).toEqual({
      options: [
        '-map',
        '[v0]',
        '-an',
        '-sn',
        '-dn',
        '-map_metadata',
        '-1',
        '-map_chapters',
        '-1',
        '-c:v',
        'libx264',
        '-preset',
        'veryfast',
        '-profile:v',
        'high',
        '-pix_fmt',
        'yuv420p',
        '-crf',
        '22',
        '-maxrate',
        '2800000',
        '-bufsize',
        '5600000',
        '-g',
        '60',
        '-keyint_min',
        '60',
        '-sc_threshold',
        '0',
        '-color_primaries',
        'bt709',
        '-color_trc',
        'bt709',
        '-colorspace',
        'bt709',
        '-color_range',
        'tv',
        '-video_track_timescale',
        '90000',
        '-fs',
        '98640364',
        '-f',
        'mp4',
      ],
      path: '/scratch/720p.mp4',
    });
    expect(low?.options).toEqual(expect.arrayContaining(['-b:v', '700000', '-maxrate', '1050000']));
    expect(low?.options).not.toContain('-crf');
  });

  it('seeks to a second before a later piece and cuts it by frame numbers', () => {
    const command = encodeChunkArgs({
      ...CHUNK,
      frameRate: { num: 25, den: 1 },
      firstFrame: 750,
      endFrame: 1500,
    });
    expect(command.inputs[0]?.options.slice(GUARDED.length)).toEqual([
      '-copyts',
      '-ss',
      '29.5',
      '-t',
      '32',
    ]);
    expect(command.filterGraph).toContain(
      'setpts=PTS-0.5/TB,fps=fps=25/1,trim=start_pts=750:end_pts=1500,setpts=N/(25/1)/TB,',
    );
  });

  it('places frames by timestamps as they are, and seeks from the first one in the file', () => {
    const later = { ...CHUNK, frameRate: { num: 25, den: 1 }, firstFrame: 750, endFrame: 1500 };
    const source = encodeChunkArgs({ ...later, clock: { firstSeconds: 10, zeroSeconds: 10 } });
    expect(source.inputs[0]?.options.slice(GUARDED.length)).toEqual([
      ...['-copyts', '-ss', '29.5', '-t', '32'],
    ]);
    expect(source.filterGraph).toContain('setpts=PTS-10.5/TB,fps=fps=25/1,trim=start_pts=750');
    // Its copy has the picture alone, which begins half a second after zero.
    const copy = encodeChunkArgs({ ...later, clock: { firstSeconds: 0.5, zeroSeconds: 0 } });
    expect(copy.inputs[0]?.options.slice(GUARDED.length)).toEqual([
      ...['-copyts', '-ss', '29', '-t', '32'],
    ]);
    expect(copy.filterGraph).toContain('setpts=PTS-0.5/TB,fps=fps=25/1,trim=start_pts=750');
  });

  it('deinterlaces before all else', () => {
    expect(encodeChunkArgs({ ...CHUNK, interlaced: true }).filterGraph).toMatch(
      /^\[0:2\]bwdif=mode=send_frame,setpts=/,
    );
  });

  it('maps HDR after scaling to the tallest rendition', () => {
    expect(encodeChunkArgs({ ...CHUNK, toneMap: true }).filterGraph).toContain(
      'scale=1280:720:flags=bicubic,setsar=1,zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,' +
        'tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,format=yuv420p,split=2[v0][x0]',
    );
  });

  it('reads tagged colours as they are tagged', () => {
    expect(encodeChunkArgs({ ...CHUNK, colorMatrix: 'tagged' }).filterGraph).not.toContain(
      'in_color_matrix',
    );
  });

  it('bounds the threads when asked to', () => {
    const [one, four] = [1, 4].map((threads) =>
      encodeChunkArgs({ ...CHUNK, threads: { encode: threads, decode: threads + 1 } }),
    );
    expect(one?.outputs[0]?.options.join(' ')).toContain('-threads:v 1');
    expect(one?.inputs[0]?.options.join(' ')).toContain('-threads 2 -filter_complex_threads 2');
    expect(four?.outputs[0]?.options.join(' ')).toContain('-threads:v 4');
    expect(four?.inputs[0]?.options.join(' ')).toContain('-threads 5 -filter_complex_threads 5');
  });
});

describe('encodeAudioArgs', () => {
  it('makes stereo AAC that begins and ends with the picture', () => {
    const audio = {
      sourcePath: '/scratch/input',
      audioStreamIndex: 1,
      clock: { firstSeconds: 1.4, zeroSeconds: 1.4 },
      originSeconds: 0.0109,
      durationSeconds: 8.083333,
    };
    expect(encodeAudioArgs({ ...audio, outputPath: '/scratch/audio.m4a' })).toEqual({
      inputs: [{ options: [...GUARDED, '-copyts'], path: '/scratch/input' }],
      outputs: [
        {
          options: [
            '-map',
            '0:1',
            '-vn',
            '-sn',
            '-dn',
            '-map_metadata',
            '-1',
            '-map_chapters',
            '-1',
            '-af',
            'asetpts=PTS-1.4109/TB,aresample=async=1:first_pts=0,apad',
            '-c:a',
            'aac',
            '-b:a',
            '128k',
            '-ac',
            '2',
            '-ar',
            '48000',
            '-t',
            '8.083333',
            '-f',
            'mp4',
          ],
          path: '/scratch/audio.m4a',
        },
      ],
    });
  });
});

describe('indexSourceArgs', () => {
  it('copies every packet of the picture, by a clock that begins with the source', () => {
    const copy = { sourcePath: '/scratch/input', videoStreamIndex: 2, startSeconds: 1.456778 };
    const outputPath = '/scratch/indexed.mkv';
    expect(indexSourceArgs({ ...copy, sizeBytes: 1000, outputPath })).toEqual({
      inputs: [{ options: [...GUARDED, '-fflags', '+genpts', '-copyts'], path: '/scratch/input' }],
      outputs: [
        {
          options: [
            ...['-map', '0:2', '-c', 'copy', '-copyinkf', '-an', '-sn', '-dn'],
            ...['-map_metadata', '-1', '-map_chapters', '-1'],
            ...['-output_ts_offset', '-1.456778', '-avoid_negative_ts', 'disabled'],
            ...['-fs', '67110864', '-f', 'matroska'],
          ],
          path: outputPath,
        },
      ],
    });
  });
});

describe('copyToMp4Args', () => {
  const copy = {
    sourcePath: '/scratch/input',
    videoStreamIndex: 0,
    sizeBytes: 1000,
    outputPath: '/scratch/copy.mp4',
  };
  const optionsOf = (audio: { streamIndex: number; copyable: boolean } | null) =>
    copyToMp4Args({ ...copy, audio }).outputs[0]?.options;

  it('copies picture and sound', () => {
    expect(copyToMp4Args({ ...copy, audio: { streamIndex: 1, copyable: true } })).toEqual({
      inputs: [{ options: [...GUARDED, '-fflags', '+genpts'], path: '/scratch/input' }],
      outputs: [
        {
          options: [
            '-map',
            '0:0',
            '-c:v',
            'copy',
            '-map',
            '0:1',
            '-c:a',
            'copy',
            '-sn',
            '-dn',
            '-map_metadata',
            '-1',
            '-map_chapters',
            '-1',
            '-movflags',
            '+faststart',
            '-fs',
            '67110864',
            '-f',
            'mp4',
          ],
          path: '/scratch/copy.mp4',
        },
      ],
    });
  });

  it('encodes sound that an MP4 cannot carry, and leaves out none that is not there', () => {
    expect(optionsOf({ streamIndex: 1, copyable: false })).toEqual(
      expect.arrayContaining(['-c:a', 'aac', '-ac', '2']),
    );
    expect(optionsOf(null)).toContain('-an');
  });
});

describe('muxRenditionArgs', () => {
  it('joins pieces and sound by copy, as long as the pieces are', () => {
    const mux = {
      listPath: '/scratch/list.txt',
      audioPath: '/scratch/audio.m4a',
      durationSeconds: 60.06,
      outputPath: '/scratch/720p.mp4',
    };
    expect(muxRenditionArgs(mux)).toEqual({
      inputs: [
        { options: [...OWN, '-f', 'concat', '-safe', '0'], path: '/scratch/list.txt' },
        { options: [...OWN, '-t', '60.06'], path: '/scratch/audio.m4a' },
      ],
      outputs: [
        {
          options: [
            '-map',
            '0:v:0',
            '-map',
            '1:a:0',
            '-c',
            'copy',
            '-map_metadata',
            '-1',
            '-map_chapters',
            '-1',
            '-video_track_timescale',
            '90000',
            '-f',
            'mp4',
          ],
          path: '/scratch/720p.mp4',
        },
      ],
    });
  });

  it('expects no sound where there is none', () => {
    const command = muxRenditionArgs({
      listPath: '/scratch/list.txt',
      audioPath: null,
      durationSeconds: 60.06,
      outputPath: '/scratch/720p.mp4',
    });
    expect(command.inputs).toHaveLength(1);
    expect(command.outputs[0]?.options).toContain('-an');
  });
});

describe('concatList', () => {
  it('says how long each piece is and quotes its name', () => {
    const pieces = [
      { path: '/scratch/a.mp4', frames: 900 },
      { path: "/it's/b.mp4", frames: 30 },
    ];
    expect(concatList(pieces, { num: 30_000, den: 1001 })).toBe(
      "ffconcat version 1.0\nfile '/scratch/a.mp4'\nduration 30.03\nfile '/it'\\''s/b.mp4'\nduration 1.001\n",
    );
  });
});

describe('thumbnailArgs', () => {
  const thumbnail = { sourcePath: '/scratch/720p.mp4', outputPath: '/scratch/0.jpg' };

  it('seeks before it opens the file', () => {
    expect(thumbnailArgs({ ...thumbnail, atSeconds: 2.5, chooseEvery: null })).toEqual({
      inputs: [{ options: [...OWN, '-ss', '2.5'], path: '/scratch/720p.mp4' }],
      outputs: [
        {
          options: [
            '-map',
            '0:v:0',
            '-an',
            '-map_metadata',
            '-1',
            '-map_chapters',
            '-1',
            '-frames:v',
            '1',
            '-q:v',
            '3',
            '-update',
            '1',
            '-f',
            'image2',
          ],
          path: '/scratch/0.jpg',
        },
      ],
    });
  });

  it('lets the very last picture win where it is asked for', () => {
    const command = thumbnailArgs({ ...thumbnail, atSeconds: 'last', chooseEvery: null });
    expect(command.inputs[0]?.options).toEqual([...OWN, '-sseof', '-2']);
    expect(command.outputs[0]?.options).not.toContain('-frames:v');
    expect(command.outputs[0]?.options).toContain('-update');
  });

  it('chooses among the first two seconds for the very first picture', () => {
    const command = thumbnailArgs({ ...thumbnail, atSeconds: 0, chooseEvery: 3 });
    expect(command.inputs[0]?.options).toEqual([...OWN, '-ss', '0', '-t', '2']);
    expect(command.outputs[0]?.options.join(' ')).toContain(
      String.raw`-vf select=not(mod(n\,3)),thumbnail=n=20 -frames:v 1`,
    );
    const lit = thumbnailArgs({ ...thumbnail, atSeconds: 0, chooseEvery: 3, avoidBlack: true });
    expect(lit.outputs[0]?.options.join(' ')).toMatch(
      /-vf select=[^ ]*,blackframe=[^ ]*,metadata=mode=select:[^ ]*,thumbnail=n=20 -frames:v 1/,
    );
  });
});
