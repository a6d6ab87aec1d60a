import type { FileHandle } from 'node:fs/promises';

/** Boxes of ISO 14496-12, of which MP4 files consist: reading and writing, without a word about what is in them. */
export interface Box {
  readonly type: string;
  readonly start: number;
  /** Where the contents begin. */
  readonly body: number;
  readonly end: number;
}

/** The outermost boxes of a file. Offsets are the file's. @throws a plain `Error` where they do not add up */
export async function readTopLevel(handle: FileHandle): Promise<readonly Box[]> {
  const { size } = await handle.stat();
  const boxes: Box[] = [];
  const header = Buffer.alloc(16);
  for (let start = 0; start + 8 <= size;) {
    const { bytesRead } = await handle.read(header, 0, 16, start);
    const box = readHeader(header.subarray(0, bytesRead), start, size);
    boxes.push(box);
    start = box.end;
  }
  return boxes;
}

/** @param header  at least 8 bytes, 16 where the size needs 64 bits */
function readHeader(header: Buffer, start: number, limit: number): Box {
  const size = header.readUInt32BE(0);
  const type = header.toString('latin1', 4, 8);
  const isLarge = size === 1;
  const bytes = isLarge ? Number(header.readBigUInt64BE(8)) : size === 0 ? limit - start : size;
  const headerBytes = isLarge ? 16 : 8;
  if (bytes < headerBytes || start + bytes > limit) throw new Error(`the box ${type} does not fit`);
  return { type, start, body: start + headerBytes, end: start + bytes };
}

/** A whole box with its header. */
export async function readBox(handle: FileHandle, { start, end }: Box): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(end - start);
  await readFully(handle, buffer, start);
  return buffer;
}

/** Fills a buffer from a place in a file. @throws a plain `Error` where the file is shorter */
export async function readFully(
  handle: FileHandle,
  buffer: Buffer,
  position: number,
): Promise<void> {
  for (let at = 0; at < buffer.length;) {
    const { bytesRead } = await handle.read(buffer, at, buffer.length - at, position + at);
    if (bytesRead === 0) throw new Error('the file ends too early');
    at += bytesRead;
  }
}

/** The boxes between two offsets. @throws a plain `Error` where they do not add up */
export function readBoxes(buffer: Buffer, from: number, to: number): readonly Box[] {
  const boxes: Box[] = [];
  for (let start = from; start + 8 <= to;) {
    const box = readHeader(buffer.subarray(start), start, to);
    boxes.push(box);
    start = box.end;
  }
  return boxes;
}

/** The first box at the end of a path, if it is there. */
export function findBox(buffer: Buffer, from: Box, types: readonly string[]): Box | undefined {
  return types.reduce<Box | undefined>(
    (box, type) =>
      box === undefined
        ? undefined
        : readBoxes(buffer, box.body, box.end).find((child) => child.type === type),
    from,
  );
}

/** @throws a plain `Error` that names the path */
export function requireBox(buffer: Buffer, from: Box, types: readonly string[]): Box {
  const box = findBox(buffer, from, types);
  if (box === undefined) throw new Error(`there is no ${[from.type, ...types].join('/')}`);
  return box;
}

/** A box with its header, which has 64 bits for the size only where that is needed. */
export function makeBox(type: string, ...contents: readonly Buffer[]): Buffer {
  const bytes = contents.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([makeHeader(type, bytes), ...contents]);
}

/** The header of a box whose contents are written after it. */
export function makeHeader(type: string, contentBytes: number): Buffer {
  const isLarge = contentBytes + 8 > 0xffff_ffff;
  const header = Buffer.alloc(isLarge ? 16 : 8);
  header.writeUInt32BE(isLarge ? 1 : contentBytes + 8, 0);
  header.write(type, 4, 'latin1');
  if (isLarge) header.writeBigUInt64BE(BigInt(contentBytes + 16), 8);
  return header;
}

/** A box that begins with a version and flags. */
export function makeFullBox(
  type: string,
  { version = 0, flags = 0 }: { readonly version?: number; readonly flags?: number },
  ...contents: readonly Buffer[]
): Buffer {
  return makeBox(type, uint32([version * 0x100_0000 + flags]), ...contents);
}

/** Numbers of 32 bits. Negative ones are written as signed. */
export function uint32(values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => buffer.writeUInt32BE(value >>> 0, index * 4));
  return buffer;
}

export function uint64(values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 8);
  values.forEach((value, index) => buffer.writeBigUInt64BE(BigInt(value), index * 8));
  return buffer;
}

const CONTAINERS: readonly string[] = ['moov', 'trak', 'edts', 'mdia', 'minf', 'stbl'];

/**
 * Copies a box and all in it, but for what `edit` gives another shape: an empty buffer takes a box out, undefined keeps it.
 */
export function copyBox(buffer: Buffer, box: Box, edit: (box: Box) => Buffer | undefined): Buffer {
  const edited = edit(box);
  if (edited !== undefined) return edited;
  if (!CONTAINERS.includes(box.type)) return buffer.subarray(box.start, box.end);
  const children = readBoxes(buffer, box.body, box.end);
  return makeBox(box.type, ...children.map((child) => copyBox(buffer, child, edit)));
}
