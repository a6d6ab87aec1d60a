import { setTimeout as sleep } from 'node:timers/promises';
import { CommandProblem } from '../src/cli/client/problem.ts';
import { runCommand } from '../src/cli/client/run-command.ts';
import { BREAKAGES } from './breakages.ts';
import { createDice } from './dice.ts';
import { FAULTS, type FaultTools, inflictFaults } from './faults.ts';
import { judge, type Verdict } from './judge.ts';
import { countMadePieces, keepDiary } from './ledger.ts';
import { type ChaosOptions, parseOptions } from './options.ts';
import { untilQuiet } from './quiet.ts';
import { report, say } from './report.ts';
import { clipsIn, keepUploading } from './uploads.ts';
import { openWorld, type World } from './world.ts';

/**
 * `npm run chaos -- [--kills 30] [--seed N] [--storage local|s3] [--videos N] [--only FAULT,…]`: starts a product of its own, uploads videos, kills, freezes and
 * confuses everything meanwhile, waits until all is quiet and judges from outside whether anything was lost, doubled, stuck or
 * left behind. Ends with 1 on any breach.
 */

/** Uploads for each fault. */
const UPLOADS_PER_KILL = 0.4;
const FEWEST_UPLOADS = 5;

await runCommand(async (args, signal) => {
  const options = readOptions(args);
  say(
    `${options.kills} faults, seed ${options.seed}, media on ${options.storage === 's3' ? 'an S3 server' : 'the disk'}.`,
  );
  if (options.breakage !== undefined)
    say(`Broken on purpose: ${BREAKAGES[options.breakage].what}.`);
  await using world = await openWorld(options);
  const stopped = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('stopped')));
  });
  const verdicts = await Promise.race([wreak(world, options, signal), stopped]);
  report(verdicts, `Seed ${options.seed}.`);
});

function readOptions(args: readonly string[]): ChaosOptions {
  try {
    return parseOptions(args);
  } catch (error) {
    throw new CommandProblem((error as Error).message, { cause: error });
  }
}

async function wreak(
  world: World,
  options: ChaosOptions,
  signal: AbortSignal,
): Promise<readonly Verdict[]> {
  const dice = createDice(options.seed);
  const marked = { cancelled: new Set<number>(), terminated: new Set<number>() };
  const pending = new Set<() => Promise<void>>();
  const tools: FaultTools = {
    dice,
    marked,
    later(afterMs, action) {
      const due = sleep(afterMs).then(action);
      const wait = () => due;
      pending.add(wait);
      due.finally(() => pending.delete(wait)).catch(() => undefined);
    },
  };
  await keepDiary(world);
  const broken = options.breakage && BREAKAGES[options.breakage];
  const total =
    options.videos ??
    broken?.videos ??
    Math.max(FEWEST_UPLOADS, Math.round(options.kills * UPLOADS_PER_KILL));
  const clips = clipsIn(world.folder, broken && ['tiny.mp4']);
  let isHit = false;
  const uploading = keepUploading(world, clips, {
    total,
    dice: createDice(options.seed + 1),
    signal,
    isEnough: () => isHit,
  });
  const counts = await inflictFaults(world, {
    faults: chooseFaults(options),
    kills: options.kills,
    tools,
    say,
    isTooLate: () => signal.aborted,
  }).finally(() => {
    isHit = true;
  });
  await Promise.all([...pending].map((wait) => wait()));
  const uploads = await uploading;
  say('Everything is let be; waiting until it is quiet …');
  const isQuiet = await untilQuiet(world);
  if (!isQuiet) say('It does not become quiet.');
  say(
    `${uploads.length} uploads, ${uploads.filter(({ videoId }) => videoId !== undefined).length} acknowledged; ` +
      `${await countMadePieces(world)} pieces made; ${[...counts].map(([name, count]) => `${count} × ${name}`).join(', ')}.`,
  );
  return judge(world, { uploads, marked, wasWiped: counts.has('wipe temporal') });
}

function chooseFaults({ storage, breakage, only }: ChaosOptions) {
  const wanted: readonly string[] | undefined = breakage ? BREAKAGES[breakage].faults : only;
  return FAULTS.filter(
    ({ name, needsS3 = false }) =>
      (!needsS3 || storage === 's3') && (wanted?.includes(name) ?? true),
  );
}
