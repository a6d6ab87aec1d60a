import { stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { signAddress } from '../../src/storage/presign.ts';
import type { FaultProxy } from '../../test/support/fault-proxy.ts';
import { sendLongUpload } from '../../test/support/long-upload.ts';
import { makeClip } from '../../test/support/make-clip.ts';
import type { S3Server } from '../../test/support/s3-server.ts';
import { type Product, runProduct } from '../encode/product.ts';
import { judge, median, type Row } from '../encode/report.ts';
import { countDescriptors, readPeakMemory, resetPeakMemory } from './process-files.ts';
import { measureReading, type Reading } from './readers.ts';

const MIB = 1024 ** 2;
const VIEWERS = 32;
const READ_MIB = 256;

/** Noise that was uploaded: whatever becomes of its run, its owner can watch the original. */
interface LongFile {
  readonly id: number;
  readonly sizeBytes: number;
}

/** The API's memory while it takes a file in and hands it on. */
export async function judgeUpload(product: Product, gib: number): Promise<Row> {
  const pid = product.pidOf('api');
  resetPeakMemory(pid);
  const startedAt = performance.now();
  await uploadNoise(product, gib * 1024);
  const seconds = (performance.now() - startedAt) / 1000;
  return judge(`${gib} GiB upload, peak of the API, MiB`, readPeakMemory(pid), {
    better: 'smaller',
    must: 250,
    digits: 0,
    note: `${Math.round((gib * 1024) / seconds)} MiB/s`,
  });
}

/** Waits for the end of its run, so that nothing else goes on afterwards. */
export async function uploadNoise(product: Product, mib: number): Promise<LongFile> {
  const { stack } = product;
  const sizeBytes = mib * MIB;
  const port = Number(new URL(stack.url).port);
  const { status, body } = await sendLongUpload({ port, key: stack.apiKey, sizeBytes });
  if (status !== 201) throw new Error(`the upload was answered ${status}`);
  const id = Number(body['id']);
  await product.follow(id).catch(() => undefined);
  return { id, sizeBytes };
}

/** Viewers through the API against viewers of the store itself; and what is left when they have gone. */
export async function judgeProxy(
  product: Product,
  s3: S3Server,
  options: { readonly rounds: number; readonly seconds: number },
): Promise<readonly Row[]> {
  const { id, sizeBytes } = await uploadNoise(product, READ_MIB);
  const key = await findOriginal(s3, sizeBytes);
  const shared = { sizeBytes, viewers: VIEWERS, seconds: options.seconds };
  const through: Omit<Reading, 'rangeBytes'> = {
    ...shared,
    url: `${product.stack.url}/videos/stream/${id}/original/`,
    headers: { Authorization: `Bearer ${product.stack.apiKey}` },
  };
  const direct: Omit<Reading, 'rangeBytes'> = { ...shared, url: addressOf(s3, key), headers: {} };
  const pid = product.pidOf('api');
  const before = countDescriptors(pid);

  const rows: Row[] = [];
  for (const [label, rangeBytes] of [
    ['64 KiB', 64 * 1024],
    ['4 MiB', 4 * MIB],
  ] as const) {
    const ratios: number[] = [];
    const speeds: string[] = [];
    for (let round = 0; round < options.rounds; round += 1) {
      const own = await measureReading({ ...direct, rangeBytes });
      const ours = await measureReading({ ...through, rangeBytes });
      ratios.push(ours / own);
      speeds.push(`${Math.round(ours)}/${Math.round(own)}`);
    }
    rows.push(
      judge(`${label} ranges, ${VIEWERS} viewers, proxy / store`, median(ratios), {
        better: 'larger',
        must: 0.35,
        aim: 0.5,
        note: `MiB/s: ${speeds.join(', ')}`,
      }),
    );
  }
  return [...rows, await judgeLeftovers(pid, before)];
}

const PATIENCE_MS = 30_000;

async function judgeLeftovers(
  pid: number,
  before: { readonly sockets: number; readonly others: number },
): Promise<Row> {
  const left = () => {
    const now = countDescriptors(pid);
    return Math.max(0, now.sockets - before.sockets) + Math.max(0, now.others - before.others);
  };
  const startedAt = performance.now();
  while (left() > 0 && performance.now() - startedAt < PATIENCE_MS) await sleep(250);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  return judge('sockets and descriptors left when they have gone', left(), {
    better: 'smaller',
    must: 0,
    digits: 0,
    note: `after ${seconds} s`,
  });
}

async function findOriginal(s3: S3Server, sizeBytes: number): Promise<string> {
  const { createS3Store } = await import('../../src/storage/s3-store.ts');
  const store = createS3Store(s3.settings);
  try {
    for await (const object of store.list('videos/original/'))
      if (object.sizeBytes === sizeBytes) return object.key;
    throw new Error('the original is not in the store');
  } finally {
    store.close();
  }
}

function addressOf(s3: S3Server, key: string): string {
  const as = { contentType: 'video/mp4', cacheControl: 'no-store', expiresSeconds: 86_400 };
  return signAddress(s3.settings, key, as, Date.now());
}

const MINUTES = 3;

/**
 * A small picture for three minutes: many pieces, little work.
 * @param proxy before the store, through which the product reaches it
 */
export async function judgeSource(
  product: Product,
  folder: string,
  proxy: FaultProxy,
): Promise<Row> {
  const options = ['-c:v', 'mpeg4', '-b:v', '4M'];
  const file = await makeClip(path.join(folder, 'pieces.mp4'), { seconds: 60 * MINUTES, options });
  const { size: sizeBytes } = await stat(file);
  let bytes = 0;
  proxy.choose = ({ method, url = '', headers: { range } }) => {
    if (method === 'GET' && url.includes('/videos/original/'))
      bytes += askedBytes(range, sizeBytes);
    return undefined;
  };
  const { video } = await runProduct(product, file);
  if (bytes === 0) throw new Error('the original was never fetched, or nobody saw it');
  return judge('source bytes fetched / size', bytes / sizeBytes, {
    better: 'smaller',
    must: 1.05,
    note: `${MINUTES} minutes, ${(sizeBytes / MIB).toFixed(0)} MiB, ${video.plan?.pieces ?? '?'} chunks, one host`,
  });
}

/** What breaks off is counted in full. */
function askedBytes(range: string | undefined, sizeBytes: number): number {
  const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  return start === undefined ? sizeBytes : Number(end || sizeBytes - 1) - Number(start) + 1;
}

/** The same clip by both, one after the other, in rounds. */
export async function judgeWall(
  { local, spaces }: { readonly local: Product; readonly spaces: Product },
  file: string,
  rounds: number,
): Promise<Row> {
  const ratios: number[] = [];
  const walls: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const onDisk = (await runProduct(local, file)).wallSeconds;
    const inStore = (await runProduct(spaces, file)).wallSeconds;
    ratios.push(inStore / onDisk);
    walls.push(`${inStore.toFixed(1)}/${onDisk.toFixed(1)}`);
  }
  return judge('wall with S3 / with the disk, same clip', median(ratios), {
    better: 'smaller',
    must: 1.15,
    note: `s: ${walls.join(', ')}`,
  });
}
