import { mkdirSync, rmSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import { PROJECT_ROOT } from '../src/config/env.ts';
import { startFaultProxy } from '../test/support/fault-proxy.ts';
import { spacesVariables, startS3Server } from '../test/support/s3-server.ts';
import { prepareClips } from './encode/clips.ts';
import { startProduct, stopProducts } from './encode/product.ts';
import { hasMissed, renderTable, type Row } from './encode/report.ts';
import { UsageError } from './options.ts';
import { readStorageOptions, type StorageOptions } from './storage/options.ts';
import { judgeProxy, judgeSource, judgeUpload, judgeWall } from './storage/parts.ts';

/**
 * `npm run bench:storage`: what object storage costs against a disk, and viewers through us against viewers of the store; see
 * docs/benchmarks.md. Ends with 1 where a bound is missed.
 */

const BENCH = path.join(PROJECT_ROOT, '.cache/bench');
const CLIP_SECONDS = 30;

const folder = path.join(BENCH, `storage-${process.pid}`);
mkdirSync(folder, { recursive: true });
const s3 = await startS3Server();
const proxy = await startFaultProxy(s3.port);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void stopAll().finally(() => process.exit(130)));
try {
  const rows = await main(readStorageOptions(process.argv.slice(2)));
  process.stdout.write(`\n${renderTable(rows)}\n`);
  if (hasMissed(rows)) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
} finally {
  await stopAll();
}

async function stopAll(): Promise<void> {
  await stopProducts();
  await proxy.close();
  await s3.close();
  rmSync(folder, { recursive: true, force: true });
}

async function main({ parts, rounds, seconds }: StorageOptions): Promise<readonly Row[]> {
  process.stdout.write(`${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} cores\n`);
  const rows: Row[] = [];
  const add = (row: Row): void => {
    rows.push(row);
    process.stdout.write(`${row.measure}: ${row.value}  ${row.note ?? ''}\n`);
  };
  const settings = spacesVariables(s3);
  if (parts.has('source')) {
    const SPACES_ENDPOINT_URL = `http://127.0.0.1:${proxy.port}`;
    await using counted = await startProduct(folder, { ...settings, SPACES_ENDPOINT_URL });
    add(await judgeSource(counted, folder, proxy));
  }
  if (parts.size === 1 && parts.has('source')) return rows;
  await using spaces = await startProduct(folder, settings);
  if (parts.has('upload')) for (const gib of [1, 10]) add(await judgeUpload(spaces, gib));
  if (parts.has('proxy'))
    for (const row of await judgeProxy(spaces, s3, { rounds, seconds })) add(row);
  if (parts.has('wall')) {
    const clip = await (await prepareClips(BENCH, CLIP_SECONDS)).short();
    await using local = await startProduct(folder);
    add(await judgeWall({ local, spaces }, clip.file, rounds));
  }
  return rows;
}
