import { describe, expect, it } from '@jest/globals';
import { planStoryboard } from '../../../src/domain/storyboard.ts';
import { ownPosterArgs, storyboardArgs } from '../../../src/media/picture-args.ts';

describe('storyboardArgs', () => {
  it('decodes key frames only and puts them side by side', () => {
    const layout = planStoryboard({
      frames: 250 * 25,
      frameRate: { num: 25, den: 1 },
      gopFrames: 50,
      widthPx: 426,
      heightPx: 240,
    });
    const job = {
      sourcePath: '/scratch/240p.mp4',
      gopFrames: 50,
      layout,
      outputPattern: '/scratch/sheet-%d.jpg',
    };
    expect(storyboardArgs(job)).toEqual({
      inputs: [
        {
          options: [
            ...['-protocol_whitelist', 'file'],
            ...['-format_whitelist', 'mov,matroska,concat,image2'],
            ...['-skip_frame', 'nokey'],
          ],
          path: '/scratch/240p.mp4',
        },
      ],
      outputs: [
        {
          options: [
            ...['-map', '0:v:0', '-an', '-map_metadata', '-1'],
            '-vf',
            String.raw`select=gte(n*50\,selected_n*63),scale=160:90:flags=bicubic,setsar=1,tile=5x5`,
            ...['-fps_mode', 'passthrough', '-q:v', '5', '-start_number', '0', '-f', 'image2'],
          ],
          path: '/scratch/sheet-%d.jpg',
        },
      ],
    });
  });
});

describe('ownPosterArgs', () => {
  it.each([
    { format: 'jpg', demuxer: 'jpeg_pipe', decoder: 'mjpeg' },
    { format: 'png', demuxer: 'png_pipe', decoder: 'png' },
    { format: 'webp', demuxer: 'webp_pipe', decoder: 'webp' },
  ] as const)(
    'lets $format be nothing but what its bytes say, and no larger than a frame',
    ({ format, demuxer, decoder }) => {
      const job = { sourcePath: '/scratch/upload', format, outputPath: '/scratch/poster.jpg' };
      const { inputs, outputs } = ownPosterArgs(job);
      expect(inputs).toEqual([
        {
          options: [
            ...['-protocol_whitelist', 'file'],
            ...['-format_whitelist', demuxer],
            ...['-codec_whitelist', decoder],
            ...['-max_pixels', '35389440'],
            ...['-threads', '1', '-filter_threads', '1'],
            ...['-f', demuxer],
          ],
          path: '/scratch/upload',
        },
      ]);
      expect(outputs[0]?.options.join(' ')).toContain('-map_metadata -1');
      expect(outputs[0]?.options.join(' ')).toContain('-frames:v 1');
    },
  );
});
