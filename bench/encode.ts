import { mkdirSync, rmSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import { PROJECT_ROOT } from '../src/config/env.ts';
import { type Clip, prepareClips } from './encode/clips.ts';
import { describeEncoder } from './encode/designs.ts';
import { type BenchOptions, readOptions } from './encode/options.ts';
import {
  judgeBytes,
  judgeCpu,
  judgeEtas,
  judgeKill,
  judgeQuality,
  judgeWall,
  reportCost,
} from './encode/parts.ts';
import { describeAccounting, runProduct, startProduct, stopProducts } from './encode/product.ts';
import { hasMissed, renderTable, type Row } from './encode/report.ts';
import { type Design, runRounds } from './encode/rounds.ts';
import { runFfmpeg } from './encode/run-tool.ts';
import { renderTimeline } from './encode/timeline.ts';
import { UsageError } from './options.ts';

/**
 * `npm run bench:encode`: what the product costs against other ways of making the same renditions; see docs/benchmarks.md.
 * Ends with 1 where a bound is missed.
 */

const BENCH = path.join(PROJECT_ROOT, '.cache/bench');

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void stopProducts().finally(() => process.exit(130)));
try {
  const rows = await main(readOptions(process.argv.slice(2)));
  if (rows.length > 0) print(`\n${renderTable(rows)}`);
  if (hasMissed(rows)) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}

async function main(options: BenchOptions): Promise<readonly Row[]> {
  const clips = await prepareClips(BENCH, options.seconds);
  const short = await clips.short();
  print(`${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} cores`);
  print(((await runFfmpeg(['-version'])).stdout.split('\n')[0] ?? '').trim());
  print(describeEncoder(short));
  print('d is the whole stack: API, worker, PostgreSQL and Temporal, as `npm start` runs it');
  print(`${describeAccounting()}\n`);

  const folder = path.join(BENCH, `run-${process.pid}`);
  mkdirSync(folder);
  try {
    if (options.timeline) await showTimeline(short, folder);
    const onShort = await measureShort(short, path.join(folder, 'short'), options);
    const needsLong = (['wall3', 'eta', 'kill'] as const).some((part) => options.parts.has(part));
    if (!needsLong) return onShort;
    return [
      ...onShort,
      ...(await measureLong(await clips.long(), path.join(folder, 'long'), options)),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureShort(
  clip: Clip,
  folder: string,
  { parts, rounds }: BenchOptions,
): Promise<readonly Row[]> {
  const designs = new Set<Design>([
    ...(parts.has('cpu') ? (['a', 'b', 'c', 'd'] as const) : []),
    ...(parts.has('quality') ? (['a', 'b', 'd'] as const) : []),
    ...(parts.has('bytes') ? (['d'] as const) : []),
  ]);
  if (designs.size === 0) return [];
  const found = await runRounds(clip, folder, { designs, rounds: parts.has('cpu') ? rounds : 1 });
  const label = `${Math.round(clip.plan.durationSeconds)} s clip`;
  const bounds = { must: 1.25, aim: 1.1 };
  return [
    ...reportCost(found, label),
    ...(parts.has('cpu') ? [...judgeCpu(found), judgeWall(found, label, bounds)] : []),
    ...(parts.has('quality') ? await judgeQuality(clip, folder) : []),
    ...(parts.has('bytes') ? [await judgeBytes(clip, folder)] : []),
  ];
}

async function measureLong(
  clip: Clip,
  folder: string,
  { parts, rounds }: BenchOptions,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const isTimed = parts.has('wall3');
  if (isTimed || parts.has('eta')) {
    const designs = new Set<Design>(isTimed ? ['b', 'd'] : ['d']);
    const found = await runRounds(clip, folder, { designs, rounds: isTimed ? rounds : 1 });
    const label = `${Math.round(clip.plan.durationSeconds)} s clip`;
    rows.push(...reportCost(found, label));
    if (isTimed) rows.push(judgeWall(found, label, { must: 1.12, aim: 1.02 }));
    if (parts.has('eta')) rows.push(...judgeEtas(found.flatMap(({ product }) => product ?? [])));
  }
  if (parts.has('kill')) {
    mkdirSync(folder, { recursive: true });
    await using product = await startProduct(folder);
    rows.push(...(await judgeKill(product, clip)));
  }
  return rows;
}

async function showTimeline(clip: Clip, folder: string): Promise<void> {
  await using product = await startProduct(folder);
  print(await renderTimeline(product, await runProduct(product, clip.file)));
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
