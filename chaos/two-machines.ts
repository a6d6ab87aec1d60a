import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PROJECT_ROOT } from '../src/config/env.ts';
import { launch, type Launched } from '../src/stack/launch.ts';
import { findProcesses, onlyRunning } from '../test/support/processes.ts';
import { startProductionTemporal } from '../test/support/production-temporal.ts';
import { spacesVariables, startS3Server } from '../test/support/s3-server.ts';
import { SERVICE_VARIABLES, testDatabaseUrl } from '../test/support/services.ts';
import { startPostgres } from '../test/support/start-services.ts';
import { startStack } from '../test/support/stack.ts';
import { waitUntil } from '../test/support/wait-until.ts';
import { createDice } from './dice.ts';
import { judge } from './judge.ts';
import { countMadePieces, keepDiary } from './ledger.ts';
import { untilQuiet } from './quiet.ts';
import { report, say } from './report.ts';
import { clipsIn, keepUploading, type Upload } from './uploads.ts';
import { COMMON_SETTINGS, kill, lookAt } from './world.ts';

/**
 * `npm run prove:two-machines`: the larger topology of `docs/deployment.md`, as plain processes. PostgreSQL, and on it the
 * Temporal server of `docker-compose.yml`; media in a bucket (versitygw); API and worker with one data folder, and a second worker
 * with another. Each machine is lost once while both encode: the other must complete everything. Then the judge of
 * `npm run chaos` looks at all of it. Ends with 1 on any breach. Needs Go.
 */
const VIDEOS = 4;
const BOTH_ENCODE_MS = 120_000;
const COMPLETE_MS = 600_000;

await using cleanUp = new AsyncDisposableStack();
const postgres = await startPostgres();
cleanUp.defer(() => postgres.stop());
const temporal = await startProductionTemporal(testDatabaseUrl());
cleanUp.defer(() => temporal.stop());
process.env[SERVICE_VARIABLES.temporal] = temporal.address;
const s3 = await startS3Server();
cleanUp.defer(() => s3.close());
const folder = mkdtempSync(path.join(tmpdir(), 'steadyreel-two-'));
cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }));
const settings = { ...COMMON_SETTINGS, ...spacesVariables(s3), VIDEO_PRESET: 'fast' };
const first = await startStack(settings);
await using world = lookAt({ stack: first, s3, folder, parts: ['api', 'worker'] });
const secondData = path.join(folder, 'second-machine');
let second = await startSecond();
cleanUp.defer(() => second.stop(10_000).then(() => undefined));
await keepDiary(world);
const clips = clipsIn(folder, ['long.mp4']);
const uploads: Upload[] = [];

await uploadSome();
say(`Both machines encode. The second is lost …`);
killAll([second.identity.pid, ...(await findProcesses(secondData))]);
await untilCompleted();
say(`Completed on the first: ${uploads.length} videos, ${await countMadePieces(world)} pieces.`);

second = await startSecond();
await uploadSome();
say(`Both machines encode. The first is lost, and the API with it …`);
const { pid: supervisor } = JSON.parse(
  readFileSync(path.join(first.dataDir, 'stack.lock'), 'utf8'),
) as { pid: number };
killAll([supervisor, ...world.parts.flatMap((part) => world.pidOf(part) ?? [])]);
killAll(await findProcesses(first.dataDir));
await untilCompleted();
say(`Completed on the second: ${uploads.length} videos, ${await countMadePieces(world)} pieces.`);

await first.restart();
say('The first is back; waiting until it is quiet …');
if (!(await untilQuiet(world))) say('It does not become quiet.');
await second.stop(20_000);
const marked = { cancelled: new Set<number>(), terminated: new Set<number>() };
report(
  await judge(world, { uploads, marked, wasWiped: false }),
  'Each of two machines was lost once.',
);

/** A worker for everything, as on a machine of its own: another data folder, and the same servers and bucket. */
function startSecond(): Promise<Launched> {
  return launch({
    command: process.execPath,
    args: ['src/workers/worker.ts'],
    env: { ...first.env, DATA_DIR: secondData },
    cwd: PROJECT_ROOT,
    stopSignal: 'SIGTERM',
    onLine: () => undefined,
  });
}

/** Returns once both machines encode. */
async function uploadSome(): Promise<void> {
  const made = await keepUploading(world, clips, {
    total: VIDEOS,
    dice: createDice(1),
    signal: new AbortController().signal,
    label: `round ${uploads.length}:`,
  });
  uploads.push(...made);
  await waitUntil(
    () => Promise.all([first.dataDir, secondData].map((data) => countEncoders(data))),
    (counts) => counts.every((count) => count > 0),
    BOTH_ENCODE_MS,
  );
}

async function countEncoders(dataDir: string): Promise<number> {
  const tools = await findProcesses(path.join(dataDir, 'work'), 'libx264');
  return (await onlyRunning('ffmpeg', tools)).length;
}

function untilCompleted(): Promise<unknown> {
  return waitUntil(
    () => world.sql<{ status: string }>(`select status from videos where status <> 'completed'`),
    (open) => open.length === 0,
    COMPLETE_MS,
    500,
  );
}

function killAll(pids: readonly number[]): void {
  for (const pid of pids) kill(pid, 'SIGKILL');
}
