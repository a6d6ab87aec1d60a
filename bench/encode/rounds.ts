import { copyFileSync, mkdirSync, rmSync, statfsSync } from 'node:fs';
import path from 'node:path';
import type { Clip } from './clips.ts';
import { floor, naiveChain, oneDecode, rawBytes, rawInputs, renditionFile } from './designs.ts';
import { type ProductRun, runProduct, startProduct } from './product.ts';
import { type Cost, runAll } from './run-tool.ts';

/** The designs of the comparison; see docs/benchmarks.md. */
export type Design = 'a' | 'b' | 'c' | 'd';

/** One round: each design once, one after the other. */
export interface Round {
  readonly costs: ReadonlyMap<Design, Cost>;
  readonly product: ProductRun | undefined;
}

/** Runs the designs on a clip. What the last round made stays below `folder`, one folder for each design. */
export async function runRounds(
  clip: Clip,
  folder: string,
  options: { readonly designs: ReadonlySet<Design>; readonly rounds: number },
): Promise<readonly Round[]> {
  const { designs } = options;
  const folderOf = (design: Design): string => path.join(folder, design);
  for (const design of designs) mkdirSync(folderOf(design), { recursive: true });
  if (designs.has('c')) await makeRawInputs(clip, folderOf('c'));
  const rounds: Round[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    const costs = new Map<Design, Cost>();
    const measure = async (design: Design, commands: readonly (readonly string[])[]) => {
      if (designs.has(design)) tell(round, design, costs, await runAll(commands));
    };
    await measure('a', naiveChain(clip, folderOf('a')));
    await measure('b', oneDecode(clip, folderOf('b')));
    await measure('c', floor(clip, folderOf('c')));
    const product = designs.has('d') ? await runInProduct(clip, folderOf('d')) : undefined;
    if (product !== undefined) tell(round, 'd', costs, costOf(product));
    rounds.push({ costs, product });
  }
  if (designs.has('c')) {
    for (const { quality } of clip.plan.renditions)
      rmSync(path.join(folderOf('c'), `${quality}.yuv`));
  }
  return rounds;
}

function tell(round: number, design: Design, costs: Map<Design, Cost>, cost: Cost): void {
  costs.set(design, cost);
  process.stdout.write(
    `round ${round}, ${design}: ${cost.wallSeconds.toFixed(1)} s, ${cost.cpuSeconds.toFixed(1)} CPU s\n`,
  );
}

export function costOf({ cpu, wallSeconds }: ProductRun): Cost {
  return { cpuSeconds: cpu.own + cpu.children, wallSeconds };
}

/** A product of its own for each round. */
async function runInProduct(clip: Clip, folder: string): Promise<ProductRun> {
  await using product = await startProduct(folder);
  const run = await runProduct(product, clip.file);
  for (const rendition of clip.plan.renditions) {
    copyFileSync(product.streamFile(run.id, rendition.quality), renditionFile(folder, rendition));
  }
  return run;
}

async function makeRawInputs(clip: Clip, folder: string): Promise<void> {
  const { bavail, bsize } = statfsSync(folder);
  const neededBytes = rawBytes(clip) * 1.2;
  if (bavail * bsize < neededBytes)
    throw new Error(
      `${folder} has no room for ${(neededBytes / 1e9).toFixed(1)} GB of raw pictures`,
    );
  await runAll(rawInputs(clip, folder));
}
