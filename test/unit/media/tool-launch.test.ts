import { describe, expect, it } from '@jest/globals';

import { FFPROBE_LIMITS, ffmpegLimits, prlimitArgs } from '../../../src/media/process-limits.ts';
import { bubblewrapArgs, type SystemMounts } from '../../../src/media/sandbox.ts';
import { createToolLauncher } from '../../../src/media/tool-launcher.ts';

const SYSTEM: SystemMounts = {
  folders: ['/usr/bin', '/usr/lib'],
  links: [{ path: '/lib', target: 'usr/lib' }],
  files: [{ from: '/opt/build/7.1/ffmpeg', at: '/opt/ffmpeg' }],
};

describe('bubblewrapArgs', () => {
  it('shows the system, two devices, the folders to write and, over them, the files to read', () => {
    const access = {
      reads: ['/scratch/job-1/source.mp4'],
      writes: ['/scratch/job-1', '/scratch/job-1'],
    };
    expect(bubblewrapArgs(SYSTEM, access)).toEqual([
      '--unshare-all',
      '--die-with-parent',
      ...['--ro-bind', '/usr/bin', '/usr/bin'],
      ...['--ro-bind', '/usr/lib', '/usr/lib'],
      ...['--symlink', 'usr/lib', '/lib'],
      ...['--ro-bind', '/opt/build/7.1/ffmpeg', '/opt/ffmpeg'],
      ...['--dev-bind', '/dev/null', '/dev/null'],
      ...['--dev-bind', '/dev/urandom', '/dev/urandom'],
      ...['--bind', '/scratch/job-1', '/scratch/job-1'],
      ...['--ro-bind', '/scratch/job-1/source.mp4', '/scratch/job-1/source.mp4'],
      ...['--remount-ro', '/'],
      ...['--chdir', '/scratch/job-1'],
    ]);
  });

  it('leaves a tool that writes nothing nowhere to write', () => {
    const args = bubblewrapArgs(SYSTEM, { reads: ['/scratch/job-1/source.mp4'], writes: [] });
    expect(args).not.toContain('--bind');
    expect(args.slice(-2)).toEqual(['--chdir', '/']);
  });
});

describe('prlimitArgs', () => {
  it('bounds memory, files and core dumps', () => {
    expect(prlimitArgs({ addressSpaceBytes: 4096, dataBytes: 1024, fileBytes: 0 })).toEqual([
      '--as=4096',
      '--data=1024',
      '--fsize=0',
      '--core=0',
      '--nofile=256',
      '--',
    ]);
  });

  it('gives ffprobe less than ffmpeg, and no file to write', () => {
    expect(FFPROBE_LIMITS.fileBytes).toBe(0);
    expect(FFPROBE_LIMITS.addressSpaceBytes).toBeLessThan(ffmpegLimits().addressSpaceBytes);
    expect(FFPROBE_LIMITS.dataBytes).toBeLessThan(300 * 1024 ** 2);
    expect(ffmpegLimits(1000).fileBytes).toBe(1000);
  });
});

describe('createToolLauncher', () => {
  it('ties and bounds a tool before it shuts it in', async () => {
    const launcher = await createToolLauncher({
      kind: 'bubblewrap',
      command: '/usr/bin/bwrap',
      system: SYSTEM,
    });
    const { prefix } = launcher.launch({ reads: ['/a'], writes: ['/b'] }, FFPROBE_LIMITS);
    const order = ['setpriv', 'choom', 'nice', 'prlimit', 'bwrap'];
    const found = prefix.flatMap((word) => order.filter((name) => word.endsWith(`/${name}`)));
    expect(found).toEqual(order.filter((name) => found.includes(name)));
    expect(found.at(-1)).toBe('bwrap');
  });

  it.each(['source.mp4', 'http://localhost/source.mp4'])(
    'does not start a tool on %s',
    async (name) => {
      const launcher = await createToolLauncher({ kind: 'none' });
      expect(() => launcher.launch({ reads: [name], writes: [] }, FFPROBE_LIMITS)).toThrow(
        'absolute paths only',
      );
    },
  );

  it('does not show the whole root to a tool', async () => {
    const launcher = await createToolLauncher({ kind: 'none' });
    expect(() => launcher.launch({ reads: [], writes: ['/'] }, FFPROBE_LIMITS)).toThrow('root');
  });
});
