import type { Database } from '../db/database.ts';
import {
  countMoves,
  type FailedMove,
  findLastSwitch,
  findLatestMigration,
  listFailedMoves,
  type MigrationRecord,
  type MoveCounts,
} from '../db/storage-migrations.ts';
import { AppError } from '../domain/errors.ts';
import type { RunIdentity } from '../domain/ids.ts';
import type { MigrationInput, StoreName } from '../domain/storage-migration.ts';
import type { StorageWorkflow } from '../temporal/storage-workflow.ts';
import { pollUntil } from './poll-until.ts';
import { requireAdmin, type Viewer } from './viewer.ts';

export interface StorageMigrationDeps {
  readonly database: Database;
  readonly workflow: StorageWorkflow;
  /** What the settings name, the main one first. */
  readonly stores: readonly StoreFacts[];
  readonly oldVersionGraceSeconds: number;
}

/** A store by its name and its place. */
export interface StoreFacts {
  readonly name: StoreName;
  readonly place: string;
}

/** Moves of objects from one store to another: for administrators. */
export interface StorageMigrations {
  /** @throws `permission-denied` */
  look(viewer: Viewer): Promise<StorageView>;
  /**
   * Starts a migration, or goes on with one that was stopped.
   * @throws `permission-denied`, `validation-failed` (a store that is none), `migration-running`, `temporal-unavailable`
   */
  start(viewer: Viewer, input: MigrationInput): Promise<RunIdentity>;
  /** @throws `permission-denied`, `no-open-migration`, `temporal-unavailable` */
  pause(viewer: Viewer): Promise<void>;
  resume(viewer: Viewer): Promise<void>;
  cancel(viewer: Viewer): Promise<void>;
}

export interface StorageView {
  readonly stores: readonly StoreFacts[];
  /** The newest; undefined where there was none. */
  readonly migration: MigrationView | undefined;
}

export interface MigrationView {
  readonly record: MigrationRecord;
  readonly counts: MoveCounts;
  readonly failures: readonly FailedMove[];
  /** When the last old copy may go; reconcile removes them within minutes. */
  readonly oldCopiesUntil: Date | undefined;
}

const MOST_FAILURES = 100;
/** A worker that is free takes a start within milliseconds. */
const BEGIN_WAIT_MS = 5_000;

export function createStorageMigrations(deps: StorageMigrationDeps): StorageMigrations {
  const { database, workflow, stores } = deps;
  return {
    async look(viewer) {
      requireAdmin(viewer);
      return { stores, migration: await view(deps) };
    },

    async start(viewer, input) {
      requireAdmin(viewer);
      requireStores(stores, input);
      const identity = await workflow.start(input);
      // So that whoever looks next sees this one. Where no worker is there, it begins when one comes.
      await pollUntil(
        async () => {
          const latest = await database.run(findLatestMigration);
          return latest?.identity.runId === identity.runId ? latest : undefined;
        },
        { deadlineMs: BEGIN_WAIT_MS, signal: new AbortController().signal },
      );
      return identity;
    },

    async pause(viewer) {
      requireAdmin(viewer);
      await workflow.pause();
    },

    async resume(viewer) {
      requireAdmin(viewer);
      await workflow.resume();
    },

    async cancel(viewer) {
      requireAdmin(viewer);
      await workflow.cancel();
    },
  };
}

async function view({
  database,
  oldVersionGraceSeconds,
}: StorageMigrationDeps): Promise<MigrationView | undefined> {
  return database.run(async (em) => {
    const record = await findLatestMigration(em);
    if (record === undefined) return undefined;
    const lastSwitch = await findLastSwitch(em, record.id);
    return {
      record,
      counts: await countMoves(em, record.id),
      failures: await listFailedMoves(em, record.id, MOST_FAILURES),
      oldCopiesUntil: lastSwitch && new Date(lastSwitch.getTime() + oldVersionGraceSeconds * 1000),
    };
  });
}

function requireStores(stores: readonly StoreFacts[], input: MigrationInput): void {
  const known = stores.map(({ name }) => name);
  const errors = (['from', 'to'] as const)
    .filter((field) => !known.includes(input[field]))
    .map((path) => ({
      path,
      message: `The settings name no store "${input[path]}"; they name ${known.join(', ')}.`,
    }));
  if (input.from === input.to)
    errors.push({ path: 'to', message: 'The objects lie there already.' });
  if (errors.length > 0) throw new AppError('validation-failed', { errors });
}
