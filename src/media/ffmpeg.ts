import type { ChildProcess } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { isMainThread } from 'node:worker_threads';

import createCommand from 'fluent-ffmpeg';

import { classifyFailure } from './classify-failure.ts';
import type { FfmpegCommand } from './ffmpeg-command.ts';
import { createProgressParser, type EncodeProgress, hasAdvanced } from './ffmpeg-progress.ts';
import { cancellationOf, ProcessFailure } from './process-failure.ts';
import { ffmpegLimits } from './process-limits.ts';
import { cancelledBeforeStart, runProcess } from './run-process.ts';
import type { ToolAccess } from './sandbox.ts';
import { type SupervisedChild, superviseChild } from './supervise-child.ts';
import { type Launch, type ToolLauncher, unconfinedLauncher } from './tool-launcher.ts';

/** The part of a structured logger that media tools need. */
export interface MediaLogger {
  debug(fields: object, message: string): void;
}

export interface FfmpegDeps {
  /** Absolute. */
  readonly ffmpegPath: string;
  readonly logger: MediaLogger;
  /** Default: no sandbox, only ties to this process and bounds. */
  readonly launcher?: ToolLauncher | undefined;
}

export interface FfmpegRunOptions {
  readonly signal?: AbortSignal | undefined;
  /** Time for this run of the tool. */
  readonly budgetMs: number;
  /** Asked when the budget is used up: a larger whole budget in ms, or undefined. */
  readonly extendDeadline?: (() => Promise<number | undefined>) | undefined;
  /** Longest time without a step forward; default 60 s. */
  readonly stallMs?: number | undefined;
  readonly onProgress?: ((progress: EncodeProgress) => void) | undefined;
  readonly cwd?: string | undefined;
  /** Of its own memory, kept by the kernel; no bound of its own when left out. */
  readonly dataBytes?: number | undefined;
}

export interface FfmpegRun {
  readonly durationMs: number;
  /** Complaints of a run that ended well; with a damaged source there are some. */
  readonly stderr: string;
}

export interface Ffmpeg {
  /** First line of `ffmpeg -version`. */
  readonly version: string;
  /**
   * Runs one command to its end. Exit status 0 is not success: check what was written.
   * @throws `AppError` by `classifyFailure`; the reason of `signal` when that ended it
   */
  run(command: FfmpegCommand, options: FfmpegRunOptions): Promise<FfmpegRun>;
}

const STALL_MS = 60_000;
const CHECK_MS = 20_000;
/** Linux takes 128 KiB for one argument; a graph that long is a mistake of ours. */
const LONGEST_ARGUMENT = 100_000;
const GLOBAL_OPTIONS = [
  '-hide_banner',
  '-nostdin',
  '-v',
  'error',
  '-progress',
  'pipe:1',
  '-stats_period',
  '1',
  '-nostats',
];

/**
 * The one place that knows fluent-ffmpeg 2.1.3 (archived upstream, so its faults stay as they are). It assembles the command and
 * spawns it; watching and ending are ours. What is never used: its `progress` event and `ffprobe()` (they start an unguarded
 * ffprobe on the input), arrays or single strings of options (split at spaces), `kill()`, `timeout`, the picture helpers.
 * Checks the binary and fills fluent's cache of formats and encoders, so that later spawns are the command and nothing else.
 */
export async function createFfmpeg(deps: FfmpegDeps): Promise<Ffmpeg> {
  await access(deps.ffmpegPath, constants.X_OK);
  const launcher = deps.launcher ?? (await unconfinedLauncher());
  const bare = launcher.launch({ reads: [], writes: [] }, ffmpegLimits());
  const { stdout } = await runProcess({
    command: deps.ffmpegPath,
    args: ['-version'],
    launchPrefix: bare.prefix,
    env: bare.env,
    deadline: { budgetMs: CHECK_MS },
  });
  await fillCapabilityCache(bare, deps.ffmpegPath);
  const version = stdout.split('\n')[0] ?? '';
  return { version, run: (command, options) => run(command, options, deps, launcher) };
}

async function run(
  command: FfmpegCommand,
  options: FfmpegRunOptions,
  deps: FfmpegDeps,
  launcher: ToolLauncher,
): Promise<FfmpegRun> {
  if (!isMainThread)
    throw new Error('tools are started on the main thread: their lives are tied to it');
  const argv = [deps.ffmpegPath, ...toArguments(command)];
  refuseUnsafeArguments(argv);
  if (options.signal?.aborted === true) throw cancelledBeforeStart(argv, options.signal);

  const state: { watched?: SupervisedChild; hasFrames: boolean } = { hasFrames: false };
  const onSpawn = (child: ChildProcess): void => {
    const watched = superviseChild(child, {
      signal: options.signal,
      deadline: { budgetMs: options.budgetMs, extend: options.extendDeadline },
      stallMs: options.stallMs ?? STALL_MS,
    });
    state.watched = watched;
    readProgress(child, (progress, isForward) => {
      state.hasFrames ||= (progress.frames ?? 0) > 0 || (progress.outTimeSeconds ?? 0) > 0;
      if (isForward) watched.progressed();
      options.onProgress?.(progress);
    });
  };

  deps.logger.debug({ argv }, 'ffmpeg starts');
  const launch = launcher.launch(accessOf(command, options.cwd), {
    ...ffmpegLimits(largestFile(command)),
    ...(options.dataBytes === undefined ? {} : { dataBytes: options.dataBytes }),
  });
  const spawnError = await spawnWithFluent(command, {
    launch,
    ffmpegPath: deps.ffmpegPath,
    cwd: options.cwd,
    onSpawn,
  });
  const end = await state.watched?.ended;
  if (end === undefined) throw spawnError ?? new Error('ffmpeg was not started');
  deps.logger.debug({ exitCode: end.exitCode, durationMs: end.durationMs }, 'ffmpeg ended');

  if (end.exitCode === 0 && end.killedFor === null)
    return { durationMs: end.durationMs, stderr: end.stderr };
  const failure = new ProcessFailure(
    argv,
    end,
    end.killedFor === 'cancel' ? options.signal?.reason : undefined,
  );
  if (failure.cancelled) throw cancellationOf(options.signal, failure);
  throw classifyFailure(failure, { hasFrames: state.hasFrames });
}

function readProgress(
  child: ChildProcess,
  report: (progress: EncodeProgress, isForward: boolean) => void,
): void {
  if (child.stdout === null) return;
  const parse = createProgressParser();
  let latest: EncodeProgress = { outTimeSeconds: null, totalSizeBytes: null, frames: null };
  createInterface({ input: child.stdout }).on('line', (line) => {
    const progress = parse(line);
    if (progress === undefined) return;
    const isForward = hasAdvanced(latest, progress);
    if (isForward) latest = progress;
    report(progress, isForward);
  });
}

/** All of a command's arguments, as fluent puts them together: for records and for people who want to repeat it. */
export function toArguments({ inputs, filterGraph, outputs }: FfmpegCommand): readonly string[] {
  const [first, ...others] = inputs.map(({ options, path: file }) => [...options, '-i', file]);
  return [
    ...GLOBAL_OPTIONS,
    ...(first ?? []),
    ...others.flat(),
    '-y',
    ...(filterGraph === undefined ? [] : ['-filter_complex', filterGraph]),
    ...outputs.flatMap(({ options, path: file }) => [...options, file]),
  ];
}

/** Pieces that are named in a list lie beside what is made of them. */
function accessOf({ inputs, outputs }: FfmpegCommand, cwd: string | undefined): ToolAccess {
  return {
    reads: inputs.map((input) => input.path),
    writes: [
      ...(cwd === undefined ? [] : [cwd]),
      ...outputs.map((output) => path.dirname(output.path)),
    ],
  };
}

/** `-fs` makes ffmpeg stop in order when it notices; the kernel's bound lies above what it overshoots. */
const FILE_OVERSHOOT_BYTES = 256 * 1024 * 1024;

/** @returns undefined where some output has no limit of its own */
function largestFile({ outputs }: FfmpegCommand): number | undefined {
  const limits = outputs.map(({ options }) => {
    const at = options.indexOf('-fs');
    return at < 0 ? Number.POSITIVE_INFINITY : Number(options[at + 1]);
  });
  const largest = Math.max(...limits);
  return Number.isFinite(largest) ? largest + FILE_OVERSHOOT_BYTES : undefined;
}

function refuseUnsafeArguments(argv: readonly string[]): void {
  if (argv.some((argument) => argument.length > LONGEST_ARGUMENT))
    throw new Error('an argument of ffmpeg is too long');
}

interface FluentSpawn {
  readonly launch: Launch;
  readonly ffmpegPath: string;
  readonly cwd: string | undefined;
  readonly onSpawn: (child: ChildProcess) => void;
}

type Ring = {
  get(): string;
  append(text: string): void;
  close(): void;
  callback(take: (line: string) => void): void;
};
type EndCallback = (error?: Error | null, stdout?: Ring, stderr?: Ring) => void;
type SpawnCallback = (child: ChildProcess, stdout: Ring, stderr: Ring) => void;

/** The inner methods of fluent-ffmpeg 2.1.3 that are replaced below; its typings leave them out. */
interface FluentInternals {
  _getFfmpegPath(done: (error: Error | null, path: string) => void): void;
  _spawnFfmpeg(
    args: string[],
    options: object,
    onSpawn: SpawnCallback | EndCallback,
    onEnd?: EndCallback,
  ): void;
}

const EMPTY_RING: Ring = {
  get: () => '',
  append: () => undefined,
  close: () => undefined,
  callback: () => undefined,
};

/** @returns what fluent complained about; undefined where the command ended with status 0 */
function spawnWithFluent(command: FfmpegCommand, spawn: FluentSpawn): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const fluent = createCommand({ cwd: spawn.cwd, stdoutLines: 10 });
    assemble(fluent, command);
    guardSpawn(fluent, spawn, resolve);
    fluent.on('error', (error: Error) => resolve(error));
    fluent.on('end', () => resolve(undefined));
    fluent.run();
  });
}

function assemble(fluent: ReturnType<typeof createCommand>, command: FfmpegCommand): void {
  for (const [index, { options, path: file }] of command.inputs.entries()) {
    mustBeSafe(file);
    fluent.input(file).inputOptions(...(index === 0 ? GLOBAL_OPTIONS : []), ...options);
  }
  if (command.filterGraph !== undefined) fluent.complexFilter(command.filterGraph);
  for (const { options, path: file } of command.outputs) {
    mustBeSafe(file);
    fluent.output(file).outputOptions(...options);
  }
}

/** A relative name could be an option or a protocol. */
function mustBeSafe(file: string): void {
  if (!path.isAbsolute(file)) throw new Error(`tools get absolute paths only: ${file}`);
}

/**
 * Makes fluent's spawn safe: through the launchers, in a process group of its own, and without the trap that a failed spawn
 * throws a TypeError (it reads rings that were never made) where nobody can catch it.
 */
function guardSpawn(
  fluent: ReturnType<typeof createCommand>,
  { launch, ffmpegPath, onSpawn }: Pick<FluentSpawn, 'launch' | 'ffmpegPath' | 'onSpawn'>,
  fail: (error: Error) => void,
): void {
  const internals = fluent as unknown as FluentInternals;
  const [command, ...launchArgs] = [...launch.prefix, ffmpegPath];
  const spawnFluent = internals._spawnFfmpeg;
  internals._getFfmpegPath = (done) => done(null, command);
  internals._spawnFfmpeg = function (args, options, first, second) {
    const taken = second === undefined ? undefined : (first as SpawnCallback);
    const end = second ?? (first as EndCallback);
    try {
      spawnFluent.call(
        this,
        [...launchArgs, ...args],
        { ...options, env: launch.env, detached: true },
        (child: ChildProcess, stdout: Ring, stderr: Ring) => {
          onSpawn(child);
          taken?.(child, stdout, stderr);
        },
        (error, stdout = EMPTY_RING, stderr = EMPTY_RING) => end(error, stdout, stderr),
      );
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)));
    }
  };
}

/** fluent asks ffmpeg for its formats and encoders before the first command of a process and remembers the answers. */
async function fillCapabilityCache(launch: Launch, ffmpegPath: string): Promise<void> {
  const fluent = createCommand();
  const onSpawn = (child: ChildProcess): void =>
    void superviseChild(child, { deadline: { budgetMs: CHECK_MS } });
  await new Promise<void>((resolve, reject) => {
    guardSpawn(fluent, { launch, ffmpegPath, onSpawn }, reject);
    fluent.getAvailableFormats((error: Error | null) => (error ? reject(error) : resolve()));
  });
  await new Promise<void>((resolve, reject) => {
    fluent.getAvailableEncoders((error: Error | null) => (error ? reject(error) : resolve()));
  });
}
