import { resolve } from 'node:path';
import { ConfigError, loadConfig, loadStackConfig, readEnvironment } from '../config/env.ts';
import type { VideoView } from '../usecases/present-video.ts';
import { openLocalServer } from './client/local-server.ts';
import { createMeter } from './client/meter.ts';
import { CommandProblem, Refusal } from './client/problem.ts';
import { runCommand } from './client/run-command.ts';
import type { Server } from './client/server.ts';
import { watchVideo } from './client/watch-video.ts';
import { isAsWanted, type Outcome, renderTable } from './corpus/outcome.ts';
import { type CorpusCase, readCorpus } from './corpus/read-corpus.ts';

/**
 * `npm run corpus -- DIR [--clean]`: uploads every file of a folder to the running stack, waits for all of them and prints what
 * became of each, beside what its `manifest.tsv` wants. Ends with 1 when one is not as wanted, and with 130 after Ctrl-C.
 * The videos stay, unless `--clean` is given.
 */

/** Beyond the time that one step may take. */
const SPARE_PATIENCE_MS = 60_000;
/** For what follows a video that stood still: most likely all do. */
const SHORT_PATIENCE_MS = 10_000;

interface Result {
  readonly case: CorpusCase;
  readonly outcome: Outcome;
}

await runCommand(main, ConfigError);

async function main(args: readonly string[], signal: AbortSignal): Promise<void> {
  const { folder, clean } = readArguments(args);
  const cases = readCorpus(folder);
  const adminApiKey = readEnvironment()['ADMIN_API_KEY']?.trim();
  const server = await openLocalServer({ ...loadStackConfig(), adminApiKey }, signal);
  const patienceMs = loadConfig().videoProcessingTimeoutSeconds * 1000 + SPARE_PATIENCE_MS;
  const started = await uploadAll(server, cases, signal);
  const results = await waitForAll(server, started, { patienceMs, signal });
  print(`\n${renderTable(results)}`);
  if (clean) {
    for (const { outcome } of results)
      if (outcome.video !== null) await server.deleteVideo(outcome.video.id);
  }
  report(results);
}

/** From the folder in which `npm run` was called: npm itself changes to the root. */
function readArguments(args: readonly string[]): { folder: string; clean: boolean } {
  const [folder, ...rest] = args.filter((argument) => argument !== '--clean');
  if (folder === undefined || rest.length > 0 || folder.startsWith('-'))
    throw new CommandProblem('Usage: npm run corpus -- DIR [--clean]');
  return {
    folder: resolve(process.env['INIT_CWD'] ?? '.', folder),
    clean: args.includes('--clean'),
  };
}

async function uploadAll(
  server: Server,
  cases: readonly CorpusCase[],
  signal: AbortSignal,
): Promise<readonly Result[]> {
  const meter = createMeter('Uploading', process.stdout);
  const results: Result[] = [];
  for (const [index, one] of cases.entries()) {
    const outcome = await server
      .upload(one.path, () => undefined)
      .then(begun, (error: unknown) => {
        if (signal.aborted || !(error instanceof CommandProblem)) throw error;
        return refused(error);
      });
    results.push({ case: one, outcome });
    meter.show((index + 1) / cases.length);
  }
  meter.end();
  return results;
}

function begun(video: VideoView): Outcome {
  return { status: 'unfinished', code: null, detail: '', video };
}

function refused(error: CommandProblem): Outcome {
  const code = error instanceof Refusal ? (error.code ?? null) : null;
  const status = error instanceof Refusal ? 'refused' : 'unfinished';
  return { status, code, detail: error.message, video: null };
}

/** In the order in which they were uploaded: each is watched while the others go on. */
async function waitForAll(
  server: Server,
  started: readonly Result[],
  { patienceMs, signal }: { patienceMs: number; signal: AbortSignal },
): Promise<readonly Result[]> {
  const meter = createMeter('Processing', process.stdout);
  const results: Result[] = [];
  let isStuck = false;
  for (const [index, { case: one, outcome }] of started.entries()) {
    const { video } = outcome;
    const ended = video === null ? outcome : await waitFor(video);
    isStuck ||= ended.status === 'unfinished';
    results.push({ case: one, outcome: ended });
    meter.show((index + 1) / started.length);
  }
  meter.end();
  return results;

  async function waitFor(video: VideoView): Promise<Outcome> {
    const options = {
      patienceMs: isStuck ? SHORT_PATIENCE_MS : patienceMs,
      signal,
      onLook: () => undefined,
    };
    try {
      return ended(await watchVideo(server, video.id, options));
    } catch (error) {
      if (signal.aborted || !(error instanceof CommandProblem)) throw error;
      return { status: 'unfinished', code: null, detail: error.message, video };
    }
  }
}

function ended(video: VideoView): Outcome {
  const status =
    video.status === 'completed' || video.status === 'cancelled' ? video.status : 'failed';
  const { code = null, detail = '' } = video.failure ?? {};
  return { status, code, detail: detail ?? '', video };
}

function report(results: readonly Result[]): void {
  const wrong = results.filter((result) => !isAsWanted(result.case, result.outcome));
  const count = (status: Outcome['status']) =>
    results.filter(({ outcome }) => outcome.status === status).length;
  print(
    `\n${results.length} files: ${count('completed')} completed, ${count('failed')} failed, ${count('refused')} refused at the upload; ` +
      `${wrong.length === 0 ? 'all as wanted' : `${wrong.length} not as wanted`}.`,
  );
  for (const { case: one, outcome } of wrong) {
    const words = `${outcome.code ?? ''} ${outcome.detail}`.trim();
    print(`  ${one.name}: ${one.wanted} was wanted, it is ${outcome.status}. ${words}`);
  }
  if (wrong.length > 0) process.exitCode = 1;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
