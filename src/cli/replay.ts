import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { WorkflowNotFoundError } from '@temporalio/client';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { ConfigError, loadTemporalTarget, PROJECT_ROOT } from '../config/env.ts';
import { AppError } from '../domain/errors.ts';
import { openTemporalClient } from '../temporal/client.ts';
import { toTemporalFault } from '../temporal/faults.ts';
import { prepareWorkflowBundle } from '../workers/workflow-bundle.ts';
import { CommandProblem } from './client/problem.ts';
import { runCommand } from './client/run-command.ts';
import { type RecordedRun, readRecordedRun } from './replay/read-recorded-run.ts';

/**
 * `npm run replay -- --workflow-id ID [--run-id ID]` or `-- FILE…`: replays recorded runs with the workflow code of this checkout,
 * to know before a deploy whether runs that are under way could go on with it. Changes nothing. Ends with 1 when one could not.
 */
const USAGE =
  'Usage: npm run replay -- --workflow-id ID [--run-id ID]   or: npm run replay -- FILE…';

await runCommand(main, ConfigError, AppError);

async function main(args: readonly string[]): Promise<void> {
  const { files, workflowId, runId } = readArguments(args);
  const recorded =
    workflowId === undefined
      ? await Promise.all(files.map(readFileOf))
      : [await fetchRun(workflowId, runId)];
  // What the SDK writes of a violation, it tells us too.
  Runtime.install({
    logger: new DefaultLogger('ERROR', () => undefined),
    telemetryOptions: { logging: { forward: {}, filter: 'OFF' } },
    shutdownSignals: [],
  });
  const codePath = await prepareWorkflowBundle(path.join(PROJECT_ROOT, '.cache'));
  for (const run of recorded) {
    if (!(await replays(run, codePath))) process.exitCode = 1;
  }
}

function readArguments(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { 'workflow-id': { type: 'string' }, 'run-id': { type: 'string' } },
    });
    const { 'workflow-id': workflowId, 'run-id': runId } = values;
    if ((workflowId === undefined) === (positionals.length === 0)) throw new Error('either, or');
    if (runId !== undefined && workflowId === undefined) throw new Error('a run of what');
    return { files: positionals, workflowId, runId };
  } catch {
    throw new CommandProblem(USAGE);
  }
}

/** From the folder in which `npm run` was called: npm itself changes to the root. */
async function readFileOf(file: string): Promise<RecordedRun> {
  const text = await readFile(path.resolve(process.env['INIT_CWD'] ?? '.', file), 'utf8').catch(
    (error: Error) => {
      throw new CommandProblem(`${file} cannot be read: ${error.message}`);
    },
  );
  return readRecordedRun(path.basename(file, '.json'), text);
}

async function fetchRun(workflowId: string, runId: string | undefined): Promise<RecordedRun> {
  const client = openTemporalClient(loadTemporalTarget());
  try {
    const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    return { name: workflowId, workflowId, history, events: history.events?.length ?? 0 };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError)
      throw new CommandProblem(`Temporal knows no run ${workflowId}${runId ? ` ${runId}` : ''}.`);
    throw toTemporalFault(error);
  } finally {
    await client.connection.close();
  }
}

async function replays(run: RecordedRun, codePath: string): Promise<boolean> {
  const startedAt = performance.now();
  try {
    await Worker.runReplayHistory({ workflowBundle: { codePath } }, run.history, run.workflowId);
  } catch (error) {
    process.stdout.write(`${run.name}: does not replay. ${explain(error)}\n`);
    return false;
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(`${run.name}: replays, ${run.events} events in ${seconds} s\n`);
  return true;
}

/** A violation is told in the core's own words, in the middle of a dump of its failure. */
function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return /message: "(\[TMPRL[^"]*)"/.exec(message)?.[1] ?? message;
}
