import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { checkFetchedNode, isInstalled } from '../../../scripts/set-up/node-modules.mjs';
import { PROJECT_NODE } from '../../../scripts/set-up/paths.mjs';
import { checkPlatform } from '../../../scripts/set-up/platform.mjs';
import { ensureFfmpeg, ffmpegVersion, findProgram } from '../../../scripts/set-up/programs.mjs';
import { extractFromZip } from '../../../scripts/set-up/zip.mjs';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'steadyreel-set-up-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('checkPlatform', () => {
  it.each(['x64', 'arm64'])('lets Linux with glibc on %s pass', (arch) => {
    expect(() => checkPlatform({ platform: 'linux', arch, isMusl: false })).not.toThrow();
  });

  it.each([
    [{ platform: 'win32', arch: 'x64', isMusl: false }, /Windows.*WSL/],
    [{ platform: 'freebsd', arch: 'x64', isMusl: false }, /freebsd.*use Linux/],
    [{ platform: 'linux', arch: 'x64', isMusl: true }, /musl.*use Debian/],
    [{ platform: 'linux', arch: 'ia32', isMusl: false }, /ia32/],
  ])('refuses %j in one sentence', (machine, sentence) => {
    expect(() => checkPlatform(machine)).toThrow(sentence);
  });
});

describe('ffmpegVersion', () => {
  it.each([
    ['ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026', 5.1],
    ['ffmpeg version 4.4.2 Copyright', 4.4],
    ['ffmpeg version n7.0 Copyright', 7],
    ['ffmpeg version N-109542-g8a3bd0a Copyright', Infinity],
    ['something else', undefined],
    [undefined, undefined],
  ])('%s is %s', (output, expected) => {
    expect(ffmpegVersion(output)).toBe(expected);
  });
});

describe('ensureFfmpeg', () => {
  const program = (name: string, version: string) => {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\necho '${version}'\n`, { mode: 0o755 });
    return path;
  };

  const both = (proberSays: string) => ({
    FFMPEG_PATH: program('encoder', 'ffmpeg version 7.1 Copyright'),
    FFPROBE_PATH: program('prober', proberSays),
  });

  it('is satisfied by an ffmpeg and an ffprobe', () => {
    expect(() => ensureFfmpeg(both('ffprobe version 7.1 Copyright'))).not.toThrow();
  });

  it.each(['', 'ffmpeg version 7.1'])('names FFPROBE_PATH where its program says "%s"', (says) => {
    expect(() => ensureFfmpeg(both(says))).toThrow(
      /^\S+prober is not an ffprobe: .*FFPROBE_PATH\.$/,
    );
  });

  it.each(['', 'ffprobe version 7.1', 'ffmpeg version 4.4.2'])(
    'names FFMPEG_PATH where its program says "%s"',
    (version) => {
      const env = { FFMPEG_PATH: program('encoder', version) };
      expect(() => ensureFfmpeg(env)).toThrow(/^\S+encoder is not an ffmpeg .*FFMPEG_PATH\.$/);
    },
  );
});

describe('findProgram', () => {
  it('looks a name up on PATH and takes only what can be run', () => {
    writeFileSync(join(folder, 'tool'), '', { mode: 0o644 });
    expect(findProgram('tool', { PATH: folder })).toBeUndefined();
    rmSync(join(folder, 'tool'));
    writeFileSync(join(folder, 'tool'), '', { mode: 0o755 });
    expect(findProgram('tool', { PATH: `/nowhere:${folder}` })).toBe(join(folder, 'tool'));
    expect(findProgram(join(folder, 'tool'), {})).toBe(join(folder, 'tool'));
  });
});

describe('isInstalled', () => {
  const wanted = {
    '': { version: '1.0.0' },
    'node_modules/a': { version: '1.2.3', integrity: 'sha512-a' },
    'node_modules/b-windows': { version: '1.0.0', integrity: 'sha512-b', optional: true },
  };
  const present = { 'node_modules/a': { version: '1.2.3', integrity: 'sha512-a' } };

  it('is satisfied without the optional packages of other platforms', () => {
    expect(isInstalled(wanted, present)).toBe(true);
  });

  it.each([
    ['another version', { 'node_modules/a': { version: '1.2.4', integrity: 'sha512-a' } }],
    ['other content', { 'node_modules/a': { version: '1.2.3', integrity: 'sha512-z' } }],
    ['a missing package', {}],
    ['a package too many', { ...present, 'node_modules/c': { version: '1.0.0' } }],
    ['nothing', undefined],
  ])('is not satisfied by %s', (_, found) => {
    expect(isInstalled(wanted, found)).toBe(false);
  });
});

describe('checkFetchedNode', () => {
  it('lets the Node of this checkout pass, and removes any other before it is run', () => {
    expect(() => checkFetchedNode(PROJECT_NODE)).not.toThrow();
    const other = join(folder, 'node');
    writeFileSync(other, '#!/bin/sh\n', { mode: 0o755 });
    expect(() => checkFetchedNode(other)).toThrow(/not the one that was tried/);
    expect(existsSync(other)).toBe(false);
    expect(() => checkFetchedNode(other)).not.toThrow();
  });
});

describe('extractFromZip', () => {
  const text = 'a line that repeats itself\n'.repeat(5000);

  it.each([true, false])('takes one file out of many (packed: %s)', async (packed) => {
    const archive = join(folder, 'a.zip');
    writeFileSync(archive, zipOf({ 'other.txt': 'no', 'in/side.txt': text }, packed));
    await extractFromZip(archive, 'in/side.txt', join(folder, 'out'));
    expect(digest(readFileSync(join(folder, 'out')))).toBe(digest(Buffer.from(text)));
  });

  it('rejects an archive without that file, and a file that is no archive', async () => {
    const archive = join(folder, 'a.zip');
    writeFileSync(archive, zipOf({ 'other.txt': 'no' }, true));
    await expect(extractFromZip(archive, 'x', join(folder, 'out'))).rejects.toThrow('x is not in');
    writeFileSync(archive, 'plain text');
    await expect(extractFromZip(archive, 'x', join(folder, 'out'))).rejects.toThrow('no zip');
  });
});

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The least that APPNOTE asks of an archive. */
function zipOf(files: Record<string, string>, packed: boolean): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const data = packed ? deflateRawSync(content) : Buffer.from(content);
    const local = Buffer.alloc(30);
    local.write('PK\x03\x04', 'latin1');
    local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.write('PK\x01\x02', 'latin1');
    entry.writeUInt16LE(packed ? 8 : 0, 10);
    entry.writeUInt32LE(data.length, 20);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    locals.push(local, Buffer.from(name), data);
    directory.push(entry, Buffer.from(name));
    offset += 30 + name.length + data.length;
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...directory, end]);
}
