import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ActivityDeps } from '../../src/activities/deps.ts';
import { removeVideo } from '../../src/activities/delete-video.ts';
import {
  beginMigration,
  endMigration,
  moveObjects,
  planMoves,
} from '../../src/activities/migrate-storage.ts';
import { checkStoredObjects } from '../../src/activities/reconcile-objects.ts';
import { settleMoves } from '../../src/activities/settle-moves.ts';
import { findCountingPlace } from '../../src/db/object-moves.ts';
import type { MigrationInput } from '../../src/domain/storage-migration.ts';
import { joinStores } from '../../src/storage/joined-stores.ts';
import { createLocalStore } from '../../src/storage/local-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createS3Store, type S3Store } from '../../src/storage/s3-store.ts';
import {
  createStorageWorkflow,
  type StorageWorkflow,
} from '../../src/temporal/storage-workflow.ts';
import { createStorageMigrations } from '../../src/usecases/migrate-storage.ts';
import { scopesOf, type Viewer } from '../../src/usecases/viewer.ts';
import { TASK_QUEUES, WORKFLOW_TYPES } from '../../src/workflows/messages.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';
import { type Attempt, runAsActivity } from '../support/run-as-activity.ts';
import { hasS3Server, type S3Server, startS3Server } from '../support/s3-server.ts';
import { checksum, storeVideo, type StoredVideo } from '../support/stored-video.ts';
import { waitUntil } from '../support/wait-until.ts';

const FORTH: MigrationInput = { from: 'local', to: 'spaces' };
const BACK: MigrationInput = { from: 'spaces', to: 'local' };
const RUN = { workflowId: 'migrate-storage', runId: 'an-attempt' };
const canRun = hasS3Server();

(canRun ? describe : describe.skip)('moving objects from one store to another', () => {
  let s3: S3Server;
  let folder: string;
  let local: ObjectStore;
  let spaces: S3Store;
  let pipeline: Pipeline;
  let deps: ActivityDeps;
  let workflow: StorageWorkflow;
  /** An object of the old store that does not come until the reader gives up. */
  let stuckKey: string | undefined;
  /** Of the readers of the old store. */
  let signals: AbortSignal[];
  /** Keys that were deleted in the new store. */
  let takenBack: string[];
  /** Instants at which attempts stop for ever, unless they are let go. */
  let gates: Map<string, Promise<void>>;
  let reached: string[];

  beforeAll(async () => {
    s3 = await startS3Server();
    folder = await mkdtemp(path.join(tmpdir(), 'steadyreel-move-'));
    local = await createLocalStore({ root: path.join(folder, 'media') });
    spaces = createS3Store(s3.settings);
    const from: ObjectStore = {
      ...local,
      async *read(key, range, signal) {
        if (signal !== undefined) signals.push(signal);
        if (signal !== undefined && key === stuckKey) await once(signal, 'abort');
        yield* local.read(key, range, signal);
      },
    };
    const to: ObjectStore = {
      ...spaces,
      async delete(keys) {
        await spaces.delete(keys);
        takenBack.push(...keys);
      },
    };
    pipeline = await startPipeline({
      replace: (real) => ({
        stores: [
          { name: 'spaces', place: 'the bucket', store: to },
          { name: 'local', place: 'local', store: from },
        ],
        store: joinStores({
          main: { place: 'the bucket', store: spaces },
          others: [{ place: 'local', store: local }],
          whichCounts: (key) => real.database.run((em) => findCountingPlace(em, key)),
        }),
        async crashPoint(name) {
          reached.push(name);
          await gates.get(name);
        },
      }),
    });
    deps = pipeline.deps;
    workflow = createStorageWorkflow(pipeline.client);
  });
  afterAll(async () => {
    await pipeline.close();
    spaces.close();
    await s3.close();
    await rm(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    gates = new Map();
    reached = [];
    stuckKey = undefined;
    signals = [];
    takenBack = [];
    for (const store of [local, spaces]) await store.delete(await keysOf(store));
    await pipeline.db.sql('delete from videos');
    await pipeline.db.sql('delete from storage_migrations');
  });

  async function keysOf(store: ObjectStore): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of store.list('videos/')) keys.push(key);
    return keys;
  }

  const store = (where: ObjectStore = local, sizeBytes?: number): Promise<StoredVideo> =>
    storeVideo(pipeline.db, where, {
      ownerId: pipeline.ownerId,
      ...(sizeBytes === undefined ? {} : { sizeBytes }),
    });

  /** An activity as an attempt of a worker runs it. */
  const attempt = <T>(work: () => Promise<T>): Attempt<T> => runAsActivity(RUN, work);
  const doMove = async (input: MigrationInput = FORTH) => {
    const { migrationId } = await attempt(() => beginMigration(deps, input)).ended;
    const plan = await attempt(() => planMoves(deps, { migrationId })).ended;
    const progress = await attempt(() => moveObjects(deps, { migrationId })).ended;
    return { migrationId, plan, progress };
  };
  const end = (migrationId: number) =>
    attempt(() => endMigration(deps, { migrationId, state: 'completed', failure: null })).ended;
  const page = { after: null, limit: 1000 };
  /** What was switched within this very millisecond, too. */
  const keen = () => ({ ...deps, settings: { ...deps.settings, oldVersionGraceSeconds: -1 } });
  const settle = async (using = keen()) => {
    const { objectsDeleted } = await attempt(() => settleMoves(using)).ended;
    return { removed: objectsDeleted };
  };
  const countRows = async () =>
    Number((await pipeline.db.sql('select 1 from object_moves')).length);
  /** All lanes of an attempt. */
  const standsAt = (name: string) =>
    waitUntil(
      () => reached.filter((each) => each === name).length,
      (count) => count >= 4,
    );
  const stateOf = async (key: string) =>
    (await pipeline.db.sql('select * from object_moves where object_key = $1', [key]))[0];

  /** The names of a video's objects after a move to a store where equal bytes are one object. */
  const moved = ({ objects, compressedKey }: StoredVideo) =>
    [...objects.keys()].filter((key) => key !== compressedKey).toSorted();

  async function expectWhole(where: ObjectStore, video: StoredVideo, keys = moved(video)) {
    for (const key of keys)
      expect([key, await where.checksum(key)]).toEqual([key, video.objects.get(key)]);
  }

  it('rule 40: moves everything, names equal bytes once, and lets the old copies go after their grace', async () => {
    const videos = [await store(), await store()];
    await local.put(`videos/work/${videos[0]?.id}/leftover.bin`, bytes('nobody names it'));
    const { plan, progress, migrationId } = await doMove();
    expect(plan).toEqual({ added: 14, held: 0 });
    expect(progress).toMatchObject({ remaining: 0, moved: 14, failed: 0 });

    expect(await keysOf(spaces)).toEqual(videos.flatMap(moved).toSorted());
    for (const video of videos) {
      await expectWhole(spaces, video);
      await expectWhole(local, video);
      const rows = await pipeline.db.sql(
        'select distinct object_key from video_streams where video_id = $1',
        [video.id],
      );
      expect(rows).toEqual([{ object_key: video.streamKey }]);
      // Whoever still knows the second name finds it.
      expect(await checksum(deps.store.read(video.compressedKey))).toEqual(
        video.objects.get(video.compressedKey),
      );
    }
    await end(migrationId);

    // The sweep keeps its hands off the second names.
    const hasty = {
      ...deps,
      settings: { ...deps.settings, reconcileGraceSeconds: -10, oldVersionGraceSeconds: 3600 },
    };
    const swept = await attempt(() => checkStoredObjects(hasty, page)).ended;
    expect(swept).toMatchObject({ counts: { objectsDeleted: 1 }, findings: [] });
    const patient = { ...deps, settings: { ...deps.settings, oldVersionGraceSeconds: 3600 } };
    expect(await settle(patient)).toEqual({ removed: 0 });
    expect(await settle()).toEqual({ removed: 14 });
    expect(await keysOf(local)).toEqual([]);
    expect(await countRows()).toBe(0);
    for (const video of videos) await expectWhole(spaces, video);
    expect(await pipeline.db.sql('select finished_objects from storage_migrations')).toEqual([
      { finished_objects: 14 },
    ]);
  });

  it.each(['object-written', 'object-copied', 'object-switched'])(
    'rule 42: goes on after a kill at %s, and the one that was taken for dead does no harm',
    async (name) => {
      const video = await store();
      let letGo = (): void => undefined;
      gates.set(name, new Promise((resolve) => (letGo = resolve)));
      const { migrationId } = await attempt(() => beginMigration(deps, FORTH)).ended;
      await attempt(() => planMoves(deps, { migrationId })).ended;
      const dead = attempt(() => moveObjects(deps, { migrationId }));
      await standsAt(name);
      for (const key of video.objects.keys())
        expect(await checksum(deps.store.read(key))).toEqual(video.objects.get(key));

      gates.clear();
      expect(await attempt(() => moveObjects(deps, { migrationId })).ended).toMatchObject({
        remaining: 0,
        moved: 7,
        failed: 0,
      });
      letGo();
      await dead.ended;
      await end(migrationId);
      expect(await settle()).toEqual({ removed: 7 });
      expect(await keysOf(spaces)).toEqual(moved(video));
      expect(await keysOf(local)).toEqual([]);
      await expectWhole(spaces, video);
      expect(await countRows()).toBe(0);
    },
  );

  it.each(['old-copies-checked', 'old-copies-deleted'])(
    'rule 42: clears up after a kill at %s',
    async (name) => {
      const video = await store();
      const { migrationId } = await doMove();
      await end(migrationId);
      gates.set(name, new Promise(() => undefined));
      void attempt(() => settleMoves(keen())).ended;
      await waitUntil(
        () => reached,
        (seen) => seen.includes(name),
      );
      await expectWhole(deps.store, video);
      gates.clear();
      expect(await settle()).toEqual({ removed: 7 });
      expect(await keysOf(local)).toEqual([]);
      expect(await countRows()).toBe(0);
      await expectWhole(spaces, video);
    },
  );

  it('rule 43: leaves nothing of a video that is deleted while it is moved', async () => {
    const [video, other] = [await store(), await store()];
    let letGo = (): void => undefined;
    gates.set('object-copied', new Promise((resolve) => (letGo = resolve)));
    const { migrationId } = await attempt(() => beginMigration(deps, FORTH)).ended;
    await attempt(() => planMoves(deps, { migrationId })).ended;
    const moving = attempt(() => moveObjects(deps, { migrationId }));
    await standsAt('object-copied');
    await pipeline.db.sql('update videos set deleted_at = now() where id = $1', [video.id]);
    await attempt(() => removeVideo(deps, { videoId: video.id })).ended;
    gates.clear();
    letGo();
    await moving.ended;
    await end(migrationId);
    await settle();
    expect(await keysOf(deps.store)).toEqual(moved(other));
    expect(await countRows()).toBe(0);
  });

  it('tells what cannot be moved, moves the rest, and tries it again next time', async () => {
    const video = await store();
    const kept = 'videos/work/1/kept.bin';
    await local.link(video.originalKey, kept);
    await local.delete([video.originalKey]);
    await local.put(video.originalKey, bytes('damaged'));
    const first = await doMove();
    expect(first.progress).toMatchObject({ moved: 6, failed: 1 });
    expect(await stateOf(video.originalKey)).toMatchObject({
      state: 'failed',
      failure: { code: 'storage-object-missing' },
    });
    expect(await spaces.stat(video.originalKey)).toBeUndefined();
    await end(first.migrationId);

    await local.delete([video.originalKey]);
    await local.link(kept, video.originalKey);
    expect((await doMove()).progress).toMatchObject({ moved: 1, failed: 0 });
    await expectWhole(spaces, video);
  });

  it('rule 41: never deletes the last copy: what is taken away from the new store counts in the old one', async () => {
    const video = await store();
    const { migrationId } = await doMove();
    await end(migrationId);
    await spaces.delete([video.streamKey]);
    expect(await settle()).toEqual({ removed: 6 });
    expect(await stateOf(video.streamKey)).toMatchObject({
      state: 'failed',
      failure: { code: 'storage-object-missing' },
    });
    await expectWhole(deps.store, video);
    const again = await doMove();
    expect(again.progress).toMatchObject({ moved: 1, failed: 0 });
    await expectWhole(spaces, video);
  });

  it('turns round what waits for its grace, and copies nothing twice', async () => {
    const video = await store();
    await end((await doMove()).migrationId);
    const sent: string[] = [];
    const counting: ObjectStore = {
      ...local,
      put: (key, ...rest) => {
        sent.push(key);
        return local.put(key, ...rest);
      },
    };
    const watched = {
      ...deps,
      stores: deps.stores.map((each) =>
        each.name === 'local' ? { ...each, store: counting } : each,
      ),
    };
    const { migrationId } = await attempt(() => beginMigration(watched, BACK)).ended;
    await attempt(() => planMoves(watched, { migrationId })).ended;
    const progress = await attempt(() => moveObjects(watched, { migrationId })).ended;
    expect(progress).toMatchObject({ moved: 6, failed: 0 });
    expect(sent.filter((key) => !key.endsWith('.probe'))).toEqual([]);
    await end(migrationId);
    await settle();
    expect(await keysOf(spaces)).toEqual([]);
    await expectWhole(local, video);
    expect(await keysOf(local)).toEqual(moved(video));
  });

  it('moves only what the filter leaves', async () => {
    const [one, two] = [await store(), await store()];
    const { plan } = await doMove({
      ...FORTH,
      filter: { videoIds: [one.id], kinds: ['original', 'streams'], ownerId: pipeline.ownerId },
    });
    expect(plan.added).toBe(2);
    expect(await keysOf(spaces)).toEqual([one.originalKey, one.streamKey].toSorted());
    await expectWhole(deps.store, one);
    await expectWhole(deps.store, two);
    const later = await doMove({ ...FORTH, filter: { uploadedBefore: '2001-01-01T00:00:00Z' } });
    expect(later.plan.added).toBe(0);
  });

  it('refuses two addresses of one place, and stores that the settings do not name', async () => {
    await store();
    const [main, other] = deps.stores;
    if (main === undefined || other === undefined) throw new Error('there are two stores');
    const same = { ...deps, stores: [main, { ...other, store: main.store }] };
    const { migrationId } = await attempt(() => beginMigration(same, FORTH)).ended;
    await expect(attempt(() => planMoves(same, { migrationId })).ended).rejects.toMatchObject({
      type: 'invalid-workflow-input',
      nonRetryable: true,
    });
    expect((await keysOf(spaces)).length).toBe(0);
    await expect(
      attempt(() => beginMigration(deps, { from: 'old-spaces', to: 'local' })).ended,
    ).rejects.toMatchObject({ code: 'invalid-workflow-input' });
  });

  it('is one workflow: paused, resumed, watchable, one at a time, and ended when all is moved', async () => {
    const videos = [await store(), await store()];
    stuckKey = videos[1]?.originalKey;
    const migrations = createStorageMigrations({
      database: deps.database,
      workflow,
      stores: deps.stores,
      oldVersionGraceSeconds: 0,
    });
    const admin: Viewer = {
      userId: pipeline.ownerId,
      email: 'admin@example.org',
      role: 'admin',
      scopes: scopesOf('admin'),
      via: 'session',
      apiKeyId: null,
    };
    const look = async () => (await migrations.look(admin)).migration;
    const stateIs = (wanted: string) =>
      waitUntil(
        async () => (await look())?.record.state,
        (state) => state === wanted,
      );

    await migrations.start(admin, FORTH);
    await expect(migrations.start(admin, FORTH)).rejects.toMatchObject({
      code: 'migration-running',
    });
    await waitUntil(
      async () => (await look())?.counts.switched.objects ?? 0,
      (count) => count > 0,
    );
    await migrations.pause(admin);
    await stateIs('paused');
    const before = await look();
    const { waiting, copying } = before?.counts ?? {};
    expect((waiting?.objects ?? 0) + (copying?.objects ?? 0)).toBeGreaterThan(0);
    for (const video of videos) await expectWhole(deps.store, video);
    stuckKey = undefined;
    await migrations.resume(admin);
    await pipeline.client.workflow.getHandle('migrate-storage').result();
    await stateIs('completed');
    expect(await look()).toMatchObject({
      counts: { switched: { objects: 14 }, failed: { objects: 0 } },
    });
    await expect(migrations.pause(admin)).rejects.toMatchObject({ code: 'no-open-migration' });

    await pipeline.client.workflow.execute(WORKFLOW_TYPES.reconcileVideos, {
      taskQueue: TASK_QUEUES.orchestration,
      workflowId: 'reconcile-after-moving',
    });
    expect(await look()).toMatchObject({
      record: { finishedObjects: 14 },
      oldCopiesUntil: undefined,
    });
    expect(await keysOf(local)).toEqual([]);
    for (const video of videos) await expectWhole(spaces, video);
  });

  it('cancelled or terminated, it leaves what is switched, undoes what is half done, and can be gone on with', async () => {
    const video = await store();
    const terminated = await startAndStop();
    await pipeline.client.workflow.getHandle('migrate-storage').terminate('an operator');
    expect(await settle()).toEqual({ removed: 1 });
    expect(await pipeline.db.sql('select state, failure from storage_migrations')).toEqual([
      { state: 'failed', failure: { code: 'run-lost', detail: expect.any(String) } },
    ]);
    expect(await keysOf(spaces)).toEqual([]);
    expect(await countRows()).toBe(0);
    // Its attempt hears of it, and its lanes take back what they had copied: the next one has the stores to itself.
    await waitUntil(
      () => signals,
      (told) => told.every(({ aborted }) => aborted),
    );
    takenBack = [];
    terminated.letGo();
    await waitUntil(
      () => takenBack,
      (keys) => keys.length >= 4,
    );

    const cancelled = await startAndStop();
    await workflow.cancel();
    cancelled.letGo();
    await expect(pipeline.client.workflow.getHandle('migrate-storage').result()).rejects.toThrow();
    expect(
      await pipeline.db.sql(`select 1 from storage_migrations where state = 'cancelled'`),
    ).toHaveLength(1);
    await settle();
    await expectWhole(deps.store, video, moved(video));
    expect(await countRows()).toBe(0);
  });

  /** Starts the workflow, and has it stand still in the middle. */
  async function startAndStop(): Promise<{ letGo: () => void }> {
    let letGo = (): void => undefined;
    gates.set('object-copied', new Promise((resolve) => (letGo = resolve)));
    reached = [];
    signals = [];
    await workflow.start(FORTH);
    await standsAt('object-copied');
    gates.clear();
    return { letGo };
  }
});

async function* bytes(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}
