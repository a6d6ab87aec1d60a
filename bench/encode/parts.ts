import { statSync } from 'node:fs';
import path from 'node:path';
import type { Clip } from './clips.ts';
import { renditionFile } from './designs.ts';
import { judgeEta } from './eta.ts';
import { killOnce } from './kill.ts';
import { endMs, type Product, type ProductRun } from './product.ts';
import { measureSsim, readX264Settings } from './quality.ts';
import { judge, median, type Row } from './report.ts';
import { type Cost, runFfmpeg } from './run-tool.ts';
import type { Design, Round } from './rounds.ts';

/** Each part of the benchmark as rows of its table. */

export function reportCost(rounds: readonly Round[], label: string): readonly Row[] {
  const designs = [...(rounds[0]?.costs.keys() ?? [])];
  return designs.map((design) => {
    const wall = medianOf(rounds, design, 'wallSeconds').toFixed(1);
    const cpu = medianOf(rounds, design, 'cpuSeconds').toFixed(1);
    const runs = rounds.flatMap(({ product }) => product ?? []);
    const tools = median(runs.map((run) => run.cpu.children)).toFixed(1);
    const node = median(runs.map((run) => run.cpu.own)).toFixed(1);
    return {
      measure: `${label}, ${design}`,
      value: `${wall} s, ${cpu} CPU s`,
      ...(design === 'd' && { note: `tools ${tools}, Node ${node} CPU s` }),
    };
  });
}

export function judgeCpu(rounds: readonly Round[]): readonly Row[] {
  const toNaive = ratios(rounds, 'd', 'a', 'cpuSeconds');
  const ofFloor = ratios(rounds, 'c', 'd', 'cpuSeconds');
  return [
    judge('CPU, d / a', median(toNaive), {
      better: 'smaller',
      must: 0.52,
      aim: 0.45,
      note: list(toNaive),
    }),
    judge('CPU, c / d (share of the floor)', median(ofFloor), {
      better: 'larger',
      must: 0.82,
      aim: 0.92,
      note: list(ofFloor),
    }),
  ];
}

export function judgeWall(
  rounds: readonly Round[],
  label: string,
  bounds: { readonly must: number; readonly aim: number },
): Row {
  const found = ratios(rounds, 'd', 'b', 'wallSeconds');
  return judge(`wall, d / b, ${label}`, median(found), {
    better: 'smaller',
    ...bounds,
    note: list(found),
  });
}

export async function judgeQuality(clip: Clip, folder: string): Promise<readonly Row[]> {
  const [tallest] = clip.plan.renditions;
  if (tallest === undefined) throw new Error('the plan has no renditions');
  const files = { a: '', b: '', d: '' };
  for (const design of ['a', 'b', 'd'] as const)
    files[design] = renditionFile(path.join(folder, design), tallest);
  const ssim = {
    a: await measureSsim(files.a, clip.file),
    b: await measureSsim(files.b, clip.file),
    d: await measureSsim(files.d, clip.file),
  };
  const note = `a ${ssim.a.toFixed(4)}, b ${ssim.b.toFixed(4)}, d ${ssim.d.toFixed(4)}`;
  const bounds = { better: 'larger', digits: 4, note } as const;
  const settings = new Set(Object.values(files).map(readX264Settings));
  return [
    judge(`SSIM of ${tallest.quality}, d − b`, ssim.d - ssim.b, {
      ...bounds,
      must: -0.001,
      aim: 0,
    }),
    judge(`SSIM of ${tallest.quality}, d − a`, ssim.d - ssim.a, { ...bounds, must: 0.005 }),
    {
      measure: 'x264 as set in the files of a, b, d',
      value: settings.size === 1 ? 'equal' : 'different',
      must: 'equal',
      verdict: settings.size === 1 ? 'must' : 'missed',
      note: [...settings].join(' ≠ '),
    },
  ];
}

/** What the product stores of a clip's renditions, against plain MP4s of the same streams. */
export async function judgeBytes(clip: Clip, folder: string): Promise<Row> {
  let stored = 0;
  let plain = 0;
  for (const rendition of clip.plan.renditions) {
    const file = renditionFile(path.join(folder, 'd'), rendition);
    const plainFile = path.join(folder, `plain-${rendition.quality}.mp4`);
    await runFfmpeg(['-i', file, '-map', '0', '-c', 'copy', '-movflags', '+faststart', plainFile]);
    stored += statSync(file).size;
    plain += statSync(plainFile).size;
  }
  return judge('stored bytes / plain MP4 set', stored / plain, {
    better: 'smaller',
    must: 1.01,
    digits: 4,
    note: `${(stored / 1e6).toFixed(2)} / ${(plain / 1e6).toFixed(2)} MB`,
  });
}

export function judgeEtas(runs: readonly ProductRun[]): readonly Row[] {
  const found = runs.map(({ samples, video }) => judgeEta(samples, endMs(video)));
  return (found[0] ?? []).map(({ percent }, index) => {
    const errors = found.flatMap((run) => run[index] ?? []);
    return judge(`ETA at ${percent} %, off by`, median(errors.map(({ error }) => error)), {
      better: 'smaller',
      must: 0.25,
      aim: 0.1,
      note: errors
        .map((each) => `${each.toldSeconds ?? '–'} for ${each.trueSeconds.toFixed(0)} s`)
        .join(', '),
    });
  });
}

export async function judgeKill(product: Product, clip: Clip): Promise<readonly Row[]> {
  const outcome = await killOnce(product, clip.file);
  const { atPercent, inFlight, finished, repeated, pauseSeconds } = outcome;
  const twice = repeated.filter((step) => finished.includes(step));
  const bounds = { better: 'smaller', digits: 0 } as const;
  return [
    judge(`worker killed at ${atPercent} %: pieces begun again`, repeated.length, {
      ...bounds,
      must: inFlight.length,
      note: `${repeated.join(', ')}; in flight ${inFlight.join(', ')}; paused ${pauseSeconds.toFixed(1)} s`,
    }),
    judge('finished pieces made twice', twice.length, {
      ...bounds,
      must: 0,
      note: twice.join(', '),
    }),
  ];
}

type Figure = keyof Cost;

/** Each round against itself, since a machine is not equally fast all the time. */
function ratios(
  rounds: readonly Round[],
  over: Design,
  under: Design,
  figure: Figure,
): readonly number[] {
  return rounds.map(
    ({ costs }) =>
      (costs.get(over)?.[figure] ?? Number.NaN) / (costs.get(under)?.[figure] ?? Number.NaN),
  );
}

function medianOf(rounds: readonly Round[], design: Design, figure: Figure): number {
  return median(rounds.map(({ costs }) => costs.get(design)?.[figure] ?? Number.NaN));
}

function list(values: readonly number[]): string {
  return values.map((value) => value.toFixed(3)).join(', ');
}
