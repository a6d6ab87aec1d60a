import type { RunIdentity } from '../domain/ids.ts';
import type {
  MigrationFilter,
  MigrationState,
  MoveState,
  StoreName,
} from '../domain/storage-migration.ts';
import type { Failure } from '../domain/failure.ts';
import { ObjectMove, StorageMigration } from './entities/storage-migration.ts';
import type { EntityManager } from './orm.ts';

/** Requests to move objects from one store to another; where each object stands is in `object-moves.ts`. */
export interface MigrationSpec {
  readonly fromName: StoreName;
  readonly toName: StoreName;
  readonly fromPlace: string;
  readonly toPlace: string;
  readonly filter: MigrationFilter;
  readonly bytesPerSecond: number | null;
}

export interface MigrationRecord extends MigrationSpec {
  readonly id: number;
  readonly identity: RunIdentity;
  readonly state: MigrationState;
  readonly waitingFor: string | null;
  readonly failure: Pick<Failure, 'code' | 'detail'> | null;
  readonly finishedObjects: number;
  readonly finishedBytes: number;
  readonly startedAt: Date;
  readonly endedAt: Date | null;
}

const OPEN = { $in: ['moving', 'paused'] as MigrationState[] };

/** Enters an open migration; fails on the partial unique index where there is one already. */
export async function insertMigration(
  tx: EntityManager,
  spec: MigrationSpec,
  identity: RunIdentity,
): Promise<MigrationRecord> {
  const id = await tx.insert(StorageMigration, { ...spec, ...identity });
  return requireMigration(tx, id);
}

export async function findMigration(
  em: EntityManager,
  id: number,
): Promise<MigrationRecord | undefined> {
  return toRecord(await em.findOne(StorageMigration, { id }, { refresh: true }));
}

/** The one that is moving or paused. */
export async function findOpenMigration(em: EntityManager): Promise<MigrationRecord | undefined> {
  return toRecord(await em.findOne(StorageMigration, { state: OPEN }, { refresh: true }));
}

export async function findLatestMigration(em: EntityManager): Promise<MigrationRecord | undefined> {
  const options = { orderBy: { id: 'desc' as const }, refresh: true };
  return toRecord(await em.findOne(StorageMigration, { id: { $gt: 0 } }, options));
}

/** An open migration goes on in another execution, at another speed perhaps. */
export async function adoptMigration(
  tx: EntityManager,
  id: number,
  changes: RunIdentity & Pick<MigrationSpec, 'bytesPerSecond'>,
): Promise<void> {
  await tx.nativeUpdate(StorageMigration, { id }, changes);
}

/** Between moving and paused. One that has ended stays as it ended. */
export async function setMigrationState(
  em: EntityManager,
  id: number,
  state: 'moving' | 'paused',
): Promise<void> {
  await em.nativeUpdate(StorageMigration, { id, state: OPEN }, { state });
}

/** @param ending `runId`: only while this execution goes on with it */
export async function endMigration(
  tx: EntityManager,
  id: number,
  ending: {
    readonly state: 'completed' | 'cancelled' | 'failed';
    readonly failure: Pick<Failure, 'code' | 'detail'> | null;
    readonly runId?: string;
  },
): Promise<void> {
  const { state, failure, runId } = ending;
  const where = { id, state: OPEN, ...(runId === undefined ? {} : { runId }) };
  await tx.nativeUpdate(StorageMigration, where, {
    state,
    failure,
    waitingFor: null,
    endedAt: new Date(),
  });
}

/** @param waitingFor what is awaited, in one line; null when nothing is any more */
export async function reportMigrationWaiting(
  em: EntityManager,
  id: number,
  waitingFor: string | null,
): Promise<void> {
  await em.nativeUpdate(StorageMigration, { id }, { waitingFor });
}

/** Objects and bytes by where they stand. */
export type MoveCounts = Readonly<Record<MoveState, { objects: number; bytes: number }>>;

export async function countMoves(em: EntityManager, migrationId: number): Promise<MoveCounts> {
  const rows = await em.execute<{ state: MoveState; objects: number; bytes: string | number }[]>(
    `select state, count(*)::int as objects, sum(size_bytes)::bigint as bytes from object_moves
      where migration_id = ? group by state`,
    [migrationId],
  );
  const of = (state: MoveState) => {
    const row = rows.find((each) => each.state === state);
    return { objects: row?.objects ?? 0, bytes: Number(row?.bytes ?? 0) };
  };
  return {
    waiting: of('waiting'),
    copying: of('copying'),
    switched: of('switched'),
    failed: of('failed'),
  };
}

export interface FailedMove {
  readonly objectKey: string;
  readonly failure: Pick<Failure, 'code' | 'detail'>;
}

export async function listFailedMoves(
  em: EntityManager,
  migrationId: number,
  limit: number,
): Promise<readonly FailedMove[]> {
  const rows = await em.find(
    ObjectMove,
    { migrationId, state: 'failed' },
    { orderBy: { objectKey: 'asc' }, limit, disableIdentityMap: true },
  );
  return rows.flatMap(({ objectKey, failure }) => (failure ? [{ objectKey, failure }] : []));
}

/** When the last switched object was switched: its old copy goes when the grace has passed since. */
export async function findLastSwitch(
  em: EntityManager,
  migrationId: number,
): Promise<Date | undefined> {
  const [row] = await em.find(
    ObjectMove,
    { migrationId, state: 'switched' },
    { orderBy: { switchedAt: 'desc' }, limit: 1, disableIdentityMap: true },
  );
  return row?.switchedAt ?? undefined;
}

async function requireMigration(em: EntityManager, id: number): Promise<MigrationRecord> {
  const found = await findMigration(em, id);
  if (found === undefined) throw new Error(`migration ${id} is gone`);
  return found;
}

function toRecord(row: StorageMigration | null): MigrationRecord | undefined {
  if (row === null) return undefined;
  return {
    id: row.id,
    identity: { workflowId: row.workflowId, runId: row.runId },
    fromName: row.fromName,
    toName: row.toName,
    fromPlace: row.fromPlace,
    toPlace: row.toPlace,
    filter: row.filter,
    bytesPerSecond: row.bytesPerSecond ?? null,
    state: row.state,
    waitingFor: row.waitingFor ?? null,
    failure: row.failure ?? null,
    finishedObjects: row.finishedObjects,
    finishedBytes: row.finishedBytes,
    startedAt: row.startedAt,
    endedAt: row.endedAt ?? null,
  };
}
