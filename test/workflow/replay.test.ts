import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { DeterminismViolationError } from '@temporalio/workflow';
import { Worker } from '@temporalio/worker';
import { PROJECT_ROOT } from '../../src/config/env.ts';
import { prepareWorkflowBundle } from '../../src/workers/workflow-bundle.ts';

const FOLDER = path.join(PROJECT_ROOT, 'test/fixtures/histories');
const CACHE = path.join(PROJECT_ROOT, '.cache');

interface Recorded {
  readonly workflowId: string;
  readonly history: object;
}

function readHistory(name: string): Recorded {
  return JSON.parse(readFileSync(path.join(FOLDER, `${name}.json`), 'utf8')) as Recorded;
}

/** Rule 32: histories of every ending, recorded by `npm run record-histories`, replay with today's code. */
describe('replay of recorded runs', () => {
  const names = readdirSync(FOLDER).map((file) => path.basename(file, '.json'));

  it('has a history of every kind of ending', () => {
    expect(names).toEqual(
      expect.arrayContaining([
        'busy',
        'cancelled',
        'completed',
        'continued',
        'deleted',
        'failed-encoder',
        'failed-platform',
        'failed-source',
        'failed-timeout',
        'migrated',
        'migration-cancelled',
        'one-thread',
        'original-replaced',
        'pictures',
        'reconcile-continued',
        'reconciled',
        'reprocessed',
        'reprocessed-from',
        'reset',
        'retention',
      ]),
    );
  });

  it.each(names)('%s', async (name) => {
    const { workflowId, history } = readHistory(name);
    const codePath = await prepareWorkflowBundle(CACHE);
    await Worker.runReplayHistory({ workflowBundle: { codePath } }, history, workflowId);
  });

  it('an operator replays a run by a command, which says what would not go on', async () => {
    const good = path.join(FOLDER, 'busy.json');
    const bad = path.join(CACHE, `altered-${process.pid}.json`);
    await writeFile(bad, (await readFile(good, 'utf8')).replaceAll('claimVideo', 'claimNothing'));
    const node = path.join(PROJECT_ROOT, 'node_modules/node/bin/node');
    const command = path.join(PROJECT_ROOT, 'src/cli/replay.ts');
    const replayed = promisify(execFile)(node, [command, good, bad]);
    await expect(replayed).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        /^busy: replays, \d+ events in .* s\naltered-\d+: does not replay. .*claimNothing.*\n$/,
      ),
    });
    await rm(bad);
  });

  it('a workflow whose order of steps was changed is found out', async () => {
    const codePath = await prepareWorkflowBundle(CACHE);
    const code = await readFile(codePath, 'utf8');
    const order = /await run\.convert\(([^;]*)\);(\s*)await run\.compress\(/;
    expect(code).toMatch(order);
    const changed = path.join(CACHE, `reordered-${process.pid}.js`);
    await writeFile(changed, code.replace(order, 'await run.compress($1);$2await run.convert('));
    const { workflowId, history } = readHistory('completed');
    await expect(
      Worker.runReplayHistory({ workflowBundle: { codePath: changed } }, history, workflowId),
    ).rejects.toThrow(DeterminismViolationError);
  });
});
