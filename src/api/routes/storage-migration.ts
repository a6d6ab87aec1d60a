import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import {
  MIGRATION_STATES,
  MOST_FILTERED_VIDEOS,
  OBJECT_KINDS,
  SLOWEST_BYTES_PER_SECOND,
  STORE_NAMES,
} from '../../domain/storage-migration.ts';
import type {
  MigrationView,
  StorageMigrations,
  StorageView,
} from '../../usecases/migrate-storage.ts';
import type { AppEnv } from '../app-env.ts';
import { createRouter } from '../router.ts';
import { json, jsonBody, problem } from '../schemas/answers.ts';
import { exact } from '../schemas/exact.ts';
import { id, timestamp } from '../schemas/fields.ts';

const tags = ['Administration'];
const storeName = z.enum(STORE_NAMES);

const filterSchema = z.strictObject({
  videoIds: z.array(id()).min(1).max(MOST_FILTERED_VIDEOS).readonly().optional(),
  ownerId: id().optional(),
  uploadedBefore: timestamp().optional(),
  kinds: z.array(z.enum(OBJECT_KINDS)).min(1).readonly().optional(),
});

const requestSchema = z
  .strictObject({
    from: storeName,
    to: storeName,
    filter: filterSchema.optional(),
    bytesPerSecond: z.int().min(SLOWEST_BYTES_PER_SECOND).optional(),
  })
  .openapi('StorageMigrationRequest');

const amountSchema = z.object({ objects: z.int(), bytes: z.int() });

const migrationSchema = z
  .object({
    id: id(),
    from: storeName,
    to: storeName,
    filter: filterSchema,
    bytesPerSecond: z.int().nullable(),
    state: z.enum(MIGRATION_STATES),
    waitingFor: z.string().nullable(),
    failure: z.object({ code: z.string(), detail: z.string() }).nullable(),
    workflowId: z.string(),
    startedAt: timestamp(),
    endedAt: timestamp().nullable(),
    waiting: amountSchema.openapi({ description: 'Still in the old store only.' }),
    copying: amountSchema.openapi({ description: 'Being copied; the old store counts.' }),
    switched: amountSchema.openapi({
      description: 'The new store counts; the old copies stay until their grace is over.',
    }),
    finished: amountSchema.openapi({ description: 'Moved, and the old copies are gone.' }),
    failed: amountSchema.openapi({ description: 'Where they were; see `failures`.' }),
    oldCopiesUntil: timestamp().nullable(),
    failures: z.array(z.object({ objectKey: z.string(), code: z.string(), detail: z.string() })),
  })
  .openapi('StorageMigration');

const storageSchema = z
  .object({
    stores: z.array(z.object({ name: storeName, place: z.string(), isMain: z.boolean() })),
    migration: migrationSchema.nullable(),
  })
  .openapi('StorageStores');

/** Moving objects from one store to another: administrators only. */
export function createStorageMigrationRoutes(migrations: StorageMigrations): OpenAPIHono<AppEnv> {
  const look = async (viewer: AppEnv['Variables']['viewer']) =>
    present(await migrations.look(viewer));
  return createRouter()
    .openapi(lookRoute, async (c) => c.json(await look(c.var.viewer), 200))
    .openapi(startRoute, async (c) => {
      const { filter, ...request } = c.req.valid('json');
      await migrations.start(c.var.viewer, exact({ ...request, filter: filter && exact(filter) }));
      return c.json(await look(c.var.viewer), 202);
    })
    .openapi(cancelRoute, async (c) => {
      await migrations.cancel(c.var.viewer);
      return c.json(await look(c.var.viewer), 202);
    })
    .openapi(pauseRoute, async (c) => {
      await migrations.pause(c.var.viewer);
      return c.json(await look(c.var.viewer), 202);
    })
    .openapi(resumeRoute, async (c) => {
      await migrations.resume(c.var.viewer);
      return c.json(await look(c.var.viewer), 202);
    });
}

function present({ stores, migration }: StorageView) {
  return {
    stores: stores.map((store, index) => ({ ...store, isMain: index === 0 })),
    migration: migration === undefined ? null : presentMigration(migration),
  };
}

function presentMigration({ record, counts, failures, oldCopiesUntil }: MigrationView) {
  return {
    id: record.id,
    from: record.fromName,
    to: record.toName,
    filter: record.filter,
    bytesPerSecond: record.bytesPerSecond,
    state: record.state,
    waitingFor: record.waitingFor,
    failure: record.failure,
    workflowId: record.identity.workflowId,
    startedAt: record.startedAt.toISOString(),
    endedAt: record.endedAt?.toISOString() ?? null,
    ...counts,
    finished: { objects: record.finishedObjects, bytes: record.finishedBytes },
    oldCopiesUntil: oldCopiesUntil?.toISOString() ?? null,
    failures: failures.map(({ objectKey, failure }) => ({ objectKey, ...failure })),
  };
}

const path = '/admin/storage/migrate';
const answered = json(storageSchema, 'It was asked to; this is how it stands now.');

const lookRoute = createRoute({
  method: 'get',
  path,
  tags,
  summary: 'The stores, and how the newest migration between them stands (administrators)',
  responses: { 200: json(storageSchema, 'Stores and migration.'), default: problem },
});

const startRoute = createRoute({
  method: 'post',
  path,
  tags,
  summary: 'Move objects from one store to another (administrators)',
  request: { body: jsonBody(requestSchema) },
  responses: { 202: json(storageSchema, 'It has begun.'), default: problem },
});

const cancelRoute = createRoute({
  method: 'delete',
  path,
  tags,
  summary: 'Stop moving: what is switched stays so, the rest stays where it is (administrators)',
  responses: { 202: answered, default: problem },
});

const pauseRoute = createRoute({
  method: 'post',
  path: `${path}/pause`,
  tags,
  summary: 'Pause moving (administrators)',
  responses: { 202: answered, default: problem },
});

const resumeRoute = createRoute({
  method: 'post',
  path: `${path}/resume`,
  tags,
  summary: 'Go on moving (administrators)',
  responses: { 202: answered, default: problem },
});
