import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { hasMissed, renderTable, type Row } from './encode/report.ts';
import { UsageError } from './options.ts';
import { type BenchStack, openStack, stopAll } from './orchestration/bench-stack.ts';
import { measureCancel, measureKill } from './orchestration/faults.ts';
import { measureMany } from './orchestration/many.ts';
import { type BenchOptions, type Part, readOptions } from './orchestration/options.ts';
import { measureOverhead } from './orchestration/overhead.ts';
import { measureReconcile } from './orchestration/reconcile.ts';
import { measureReplay } from './orchestration/replay.ts';

/**
 * `npm run bench:orchestration`: what workflows, cancels, kills and the clean-up cost, on a stack as `npm start` runs it; see
 * docs/benchmarks.md. Ends with 1 where a bound is missed.
 */
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void stopAll().finally(() => process.exit(130)));
try {
  const rows = await main(readOptions(process.argv.slice(2)));
  print(`\n${renderTable(rows)}`);
  if (hasMissed(rows)) process.exitCode = 1;
} catch (error) {
  await stopAll();
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}

async function main({ parts, rounds }: BenchOptions): Promise<readonly Row[]> {
  print(`${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} cores`);
  const folder = mkdtempSync(path.join(tmpdir(), 'steadyreel-bench-'));
  const measures: Record<Part, (bench: BenchStack) => Promise<readonly Row[]>> = {
    overhead: measureOverhead,
    many: measureMany,
    replay: measureReplay,
    cancel: (bench) => measureCancel(bench, folder, rounds),
    kill: (bench) => measureKill(bench, folder, rounds),
    reconcile: measureReconcile,
  };
  const rows: Row[] = [];
  try {
    await using bench = await openStack({ VIDEO_PRESET: 'medium' });
    for (const [part, measure] of Object.entries(measures)) {
      if (!parts.has(part as Part)) continue;
      print(`${part} …`);
      rows.push(...(await measure(bench).catch((error: unknown) => [failed(part, error)])));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return rows;
}

/** The others are measured all the same. */
function failed(part: string, error: unknown): Row {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return { measure: part, value: 'could not be measured', verdict: 'missed' };
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
