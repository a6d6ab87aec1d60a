import { readFile, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { crc32, createDeflate, deflateSync } from 'node:zlib';

/** Pictures that are small files and large claims, and one that is turned. */

export interface FlatPng {
  readonly widthPx: number;
  readonly heightPx: number;
  /** Of those that it claims; all when left out. */
  readonly lines?: number;
  /** What its colour profile blows up to. */
  readonly iccpMiB?: number;
}

/** A PNG of zeros: each line compresses to nothing. */
export async function writeFlatPng(
  file: string,
  { widthPx, heightPx, lines = heightPx, iccpMiB = 0 }: FlatPng,
): Promise<string> {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(widthPx, 0);
  head.writeUInt32BE(heightPx, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const pixels = deflateSync(Buffer.alloc((widthPx * 3 + 1) * lines));
  const profile = iccpMiB === 0 ? [] : [chunk('iCCP', await longProfile(iccpMiB))];
  await writeFile(
    file,
    Buffer.concat([
      Buffer.from('89504e470d0a1a0a', 'hex'),
      chunk('IHDR', head),
      ...profile,
      chunk('IDAT', pixels),
      chunk('IEND', Buffer.alloc(0)),
    ]),
  );
  return file;
}

/** Compressed piece by piece, since it is large only for those who unpack it. */
async function longProfile(mib: number): Promise<Buffer> {
  const zeros = Readable.from(repeat(Buffer.alloc(1024 ** 2), mib));
  const packed = (await zeros.pipe(createDeflate({ level: 1 })).toArray()) as Buffer[];
  return Buffer.concat([Buffer.from('x\0\0', 'latin1'), ...packed]);
}

function* repeat(bytes: Buffer, times: number): Generator<Buffer> {
  for (let time = 0; time < times; time += 1) yield bytes;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

/** A JPEG with the mark of a camera that was held upright: to be turned by 90 degrees when shown. */
export async function turnJpeg(file: string, turned: string): Promise<string> {
  const bytes = await readFile(file);
  const exif = Buffer.concat([
    Buffer.from('Exif\0\0MM\0*\0\0\0\x08', 'latin1'),
    Buffer.from('0001' + '0112000300000001' + '00060000' + '00000000', 'hex'),
  ]);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(exif.length + 2);
  await writeFile(
    turned,
    Buffer.concat([
      bytes.subarray(0, 2),
      Buffer.from([0xff, 0xe1]),
      length,
      exif,
      bytes.subarray(2),
    ]),
  );
  return turned;
}
