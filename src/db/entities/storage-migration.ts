import { defineEntity, p } from '@mikro-orm/core';
import type { Failure } from '../../domain/failure.ts';
import {
  MIGRATION_STATES,
  type MigrationFilter,
  MOVE_STATES,
  STORE_NAMES,
} from '../../domain/storage-migration.ts';

/** One request to move objects from one store to another. At most one is open, by a partial unique index. */
const StorageMigrationSchema = defineEntity({
  name: 'StorageMigration',
  tableName: 'storage_migrations',
  properties: {
    id: p.integer().primary(),
    workflowId: p.text(),
    /** Of the execution that goes on with it now. */
    runId: p.text(),
    fromName: p.enum(STORE_NAMES),
    toName: p.enum(STORE_NAMES),
    /** What the names stood for when it began: settings may call another place so tomorrow. */
    fromPlace: p.text(),
    toPlace: p.text(),
    filter: p.json().$type<MigrationFilter>(),
    bytesPerSecond: p.bigint('number').nullable(),
    state: p.enum(MIGRATION_STATES).default('moving'),
    /** Set while a store in trouble is waited for: what is awaited, in one line. */
    waitingFor: p.text().nullable(),
    failure: p.json().$type<Pick<Failure, 'code' | 'detail'>>().nullable(),
    /** Objects that are moved and whose old copies are gone; their rows are, too. */
    finishedObjects: p.integer().default(0),
    finishedBytes: p.bigint('number').default(0),
    startedAt: p.datetime().defaultRaw('now()').$type<Date>(),
    endedAt: p.datetime().nullable().$type<Date>(),
  },
});

export class StorageMigration extends StorageMigrationSchema.class {}
StorageMigrationSchema.setClass(StorageMigration);

/** An object on its way from the store of its migration to the other one. While there is a row, both may have it. */
const ObjectMoveSchema = defineEntity({
  name: 'ObjectMove',
  tableName: 'object_moves',
  properties: {
    objectKey: p.text().primary(),
    migrationId: () =>
      p.manyToOne(StorageMigration).mapToPk().fieldName('migration_id').deleteRule('cascade'),
    /** For reports; what it must be when it is copied stands with the row that names it. */
    sizeBytes: p.bigint('number'),
    state: p.enum(MOVE_STATES).default('waiting'),
    /** How often copying was begun. */
    attempts: p.integer().default(0),
    failure: p.json().$type<Pick<Failure, 'code' | 'detail'>>().nullable(),
    switchedAt: p.datetime().nullable().$type<Date>(),
  },
  indexes: [
    { name: 'object_moves_state_index', properties: ['migrationId', 'state', 'objectKey'] },
    {
      name: 'object_moves_switched_index',
      properties: ['switchedAt'],
      where: `state = 'switched'`,
    },
  ],
});

export class ObjectMove extends ObjectMoveSchema.class {}
ObjectMoveSchema.setClass(ObjectMove);
