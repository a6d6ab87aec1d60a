import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';

/**
 * Takes one file out of a zip archive, in flat memory.
 *
 * Reads what PKWARE's APPNOTE calls the central directory (4.3.12) behind its end record (4.3.16); neither ZIP64 nor
 * encryption, which wheels below 4 GB do not use. Checks nothing: the caller knows the hash of what it wants.
 * @param {string} archive
 * @param {string} name     path inside the archive
 * @param {string} target   is overwritten
 * @throws {Error} where the archive is damaged or holds no such file
 */
export async function extractFromZip(archive, name, target) {
  const entry = await findEntry(archive, name);
  if (!entry) throw new Error(`${name} is not in ${archive}.`);
  const packed = createReadStream(archive, {
    start: entry.start,
    end: entry.start + entry.packedBytes - 1,
  });
  const output = createWriteStream(target);
  if (entry.method === STORED) await pipeline(packed, output);
  else if (entry.method === DEFLATED) await pipeline(packed, createInflateRaw(), output);
  else throw new Error(`${name} in ${archive} is packed by an unknown method.`);
}

const STORED = 0;
const DEFLATED = 8;
const END_BYTES = 22;
const LONGEST_COMMENT = 65_535;

/**
 * @param {string} archive
 * @param {string} name
 */
async function findEntry(archive, name) {
  const file = await open(archive);
  try {
    const { size } = await file.stat();
    const tail = await read(file, Math.max(0, size - END_BYTES - LONGEST_COMMENT), size);
    const end = tail.lastIndexOf('PK\x05\x06', undefined, 'latin1');
    if (end < 0) throw new Error(`${archive} is no zip archive.`);
    const start = tail.readUInt32LE(end + 16);
    const directory = await read(file, start, start + tail.readUInt32LE(end + 12));

    for (let at = 0; at + 46 <= directory.length;) {
      const nameBytes = directory.readUInt16LE(at + 28);
      const found = directory.toString('utf8', at + 46, at + 46 + nameBytes);
      if (found === name) {
        const header = directory.readUInt32LE(at + 42);
        const local = await read(file, header, header + 30);
        return {
          method: directory.readUInt16LE(at + 10),
          packedBytes: directory.readUInt32LE(at + 20),
          start: header + 30 + local.readUInt16LE(26) + local.readUInt16LE(28),
        };
      }
      at += 46 + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    }
    return undefined;
  } finally {
    await file.close();
  }
}

/**
 * @param {import('node:fs/promises').FileHandle} file
 * @param {number} start
 * @param {number} end
 */
async function read(file, start, end) {
  const buffer = Buffer.alloc(end - start);
  await file.read(buffer, 0, buffer.length, start);
  return buffer;
}
