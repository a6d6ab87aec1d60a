import {
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { MigrationProgress, OrchestrationActivities } from '../activities/contracts.ts';
import { type MigrationInput, parseMigrationInput } from '../domain/storage-migration.ts';
import { cleanUpPolicy, databasePolicy, movePolicy } from './activity-policies.ts';
import { reportFailure, toRunFailure } from './failures.ts';
import { PAUSE_SIGNAL, RESUME_SIGNAL } from './messages.ts';

const database = proxyActivities<OrchestrationActivities>(databasePolicy);
const ending = proxyActivities<Pick<OrchestrationActivities, 'endMigration'>>(cleanUpPolicy);
const moving =
  proxyActivities<Pick<OrchestrationActivities, 'planMoves' | 'moveObjects'>>(movePolicy);
const pause = defineSignal(PAUSE_SIGNAL);
const resume = defineSignal(RESUME_SIGNAL);

/** After so many slices the history is begun anew. */
const MOST_SLICES = 200;
/** Objects that the grace of another migration holds are looked for again. */
const LOOK_AGAIN = '1 minute';

export type MigrationResult = Omit<MigrationProgress, 'remaining' | 'remainingBytes'>;

/**
 * Moves objects from one store to another, one execution at a time: looks through the old store, moves what it finds in slices, and
 * looks again until nothing is left. Where each object stands is in the database, so a further execution goes on where this one
 * stopped. Old copies go later, by reconcile.
 *
 * A cancel leaves what is switched switched and the rest where it was.
 */
export async function MigrateStorage(rawInput: unknown): Promise<MigrationResult> {
  const gate = new Gate();
  const input = readInput(rawInput);
  const { migrationId } = await begin(gate, input);
  try {
    if ((await moveAll(gate, migrationId)) === 'all') return await complete(migrationId);
  } catch (error) {
    await undo(migrationId, error);
    throw toRunFailure(error);
  }
  return continueAsNew<typeof MigrateStorage>(rawInput);
}

function readInput(rawInput: unknown): MigrationInput {
  try {
    return parseMigrationInput(rawInput);
  } catch (error) {
    throw toRunFailure(error);
  }
}

/** A pause outlasts a history that is begun anew, and not a start by a person. */
async function begin(gate: Gate, input: MigrationInput): Promise<{ readonly migrationId: number }> {
  const { migrationId, isPaused } = await database.beginMigration(input);
  if (workflowInfo().continuedFromExecutionRunId !== undefined) gate.isPaused ||= isPaused;
  else if (isPaused) await database.setMigrationPaused({ migrationId, isPaused: false });
  return { migrationId };
}

/** @returns `slices` when the history has become long */
async function moveAll(gate: Gate, migrationId: number): Promise<'all' | 'slices'> {
  for (let slices = 0; slices < MOST_SLICES; slices += 1) {
    const progress = await gate.pass(migrationId, () => moving.moveObjects({ migrationId }));
    if (progress === 'stopped') continue;
    tell(progress);
    if (progress.remaining > 0) continue;
    const plan = await gate.pass(migrationId, () => moving.planMoves({ migrationId }));
    if (plan === 'stopped' || plan.added > 0) continue;
    if (plan.held === 0) return 'all';
    await condition(() => gate.isPaused, LOOK_AGAIN);
  }
  return 'slices';
}

async function complete(migrationId: number): Promise<MigrationResult> {
  const { moved, movedBytes, failed } = await CancellationScope.nonCancellable(() =>
    ending.endMigration({ migrationId, state: 'completed', failure: null }),
  );
  setCurrentDetails(`All is moved: ${moved} objects, ${bytesText(movedBytes)}. ${failed} failed.`);
  return { moved, movedBytes, failed };
}

async function undo(migrationId: number, error: unknown): Promise<void> {
  const { code, detail } = reportFailure(error);
  const end = isCancellation(error)
    ? ({ state: 'cancelled', failure: null } as const)
    : ({ state: 'failed', failure: { code, detail } } as const);
  await CancellationScope.nonCancellable(() => ending.endMigration({ migrationId, ...end }));
}

/** Lets work pass until it is paused; what is under way then is stopped. */
class Gate {
  isPaused = false;
  #stop = (): void => undefined;

  constructor() {
    setHandler(pause, () => {
      this.isPaused = true;
      this.#stop();
    });
    setHandler(resume, () => {
      this.isPaused = false;
    });
  }

  async pass<T>(migrationId: number, work: () => Promise<T>): Promise<T | 'stopped'> {
    if (this.isPaused) await this.#wait(migrationId);
    const scope = new CancellationScope();
    let isStopped = false;
    this.#stop = () => {
      isStopped = true;
      scope.cancel();
    };
    try {
      return await scope.run(work);
    } catch (error) {
      const isAllCancelled = CancellationScope.current().consideredCancelled;
      if (isStopped && isCancellation(error) && !isAllCancelled) return 'stopped';
      throw error;
    } finally {
      this.#stop = () => undefined;
    }
  }

  async #wait(migrationId: number): Promise<void> {
    await database.setMigrationPaused({ migrationId, isPaused: true });
    setCurrentDetails('Paused. The signal `resume` goes on.');
    await condition(() => !this.isPaused);
    await database.setMigrationPaused({ migrationId, isPaused: false });
  }
}

function tell({ moved, movedBytes, remaining, remainingBytes, failed }: MigrationProgress): void {
  setCurrentDetails(
    `${moved} objects moved (${bytesText(movedBytes)}), ${remaining} to go (${bytesText(remainingBytes)}), ${failed} failed`,
  );
}

function bytesText(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
