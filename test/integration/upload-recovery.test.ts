import { randomBytes } from 'node:crypto';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { Database } from '../../src/db/database.ts';
import { AppError } from '../../src/domain/errors.ts';
import { createLocalStore } from '../../src/storage/local-store.ts';
import { createManifestFolder } from '../../src/storage/manifest-folder.ts';
import { recoverManifests } from '../../src/usecases/recover-manifests.ts';
import { createSubmitUpload } from '../../src/usecases/submit-upload.ts';
import { createTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { encodeForm, FORM_TYPE, openRaw, requestHead } from '../support/raw-http.ts';
import { spawnUploadChild } from '../support/upload-child.ts';
import { startUploadServer, type UploadServer } from '../support/upload-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const FILM = randomBytes(700_000);
FILM.write('\0\0\0\x18ftypisom\0\0\0\0isommp42', 0, 'latin1');
const NOTHING = { registered: 0, settled: 0, dropped: 0, postponed: 0 };

let api: TestApi;
let user: TestUser;
let folder: string;

beforeAll(async () => {
  api = await createTestApi();
  user = await api.addUser();
});
afterAll(() => api.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steadyreel-recovery-'));
});
afterEach(async () => {
  await api.db.sql('delete from videos');
  await rm(folder, { recursive: true, force: true });
});

const rows = () => api.db.sql('select * from videos');
const filesIn = async (path: string) =>
  (await readdir(join(folder, path)).catch((): string[] => [])).toSorted();

async function sendTo(port: number, bytes: number): Promise<void> {
  const body = encodeForm([{ name: 'video', content: FILM, fileName: 'holiday.mp4' }]);
  const { socket } = await openRaw(port);
  const head = {
    Authorization: `Bearer ${user.key}`,
    'Content-Type': FORM_TYPE,
    'Content-Length': body.length,
  };
  socket.write(requestHead('POST /videos/upload/', head));
  socket.write(body.subarray(0, bytes));
}

async function afterRestart<T>(check: (server: UploadServer) => Promise<T>): Promise<T> {
  const server = await startUploadServer({ databaseUrl: api.db.url, folder });
  try {
    return await check(server);
  } finally {
    await server.close();
  }
}

describe('an API process that is killed during an upload', () => {
  it.each([
    ['store-file-synced', 0],
    ['store-file-published', 0],
    ['original-stored', 0],
    ['manifest-written', 1],
    ['row-inserted', 1],
    ['manifest-removed', 1],
  ])(
    'at %s: nothing is half-there, and what was complete (%d) is kept once',
    async (crashAt, videos) => {
      const child = await spawnUploadChild({ databaseUrl: api.db.url, folder, crashAt });
      await sendTo(child.port, Number.POSITIVE_INFINITY);
      expect(await child.ended).toBe('SIGKILL');

      await afterRestart(async (server) => {
        const report = await server.recover();
        expect(report).toEqual({
          ...NOTHING,
          registered: crashAt === 'manifest-written' ? 1 : 0,
          settled: crashAt === 'row-inserted' ? 1 : 0,
        });
        expect(await server.recover()).toEqual(NOTHING);
        expect(server.workflows.uploads).toHaveLength(report.registered);
      });

      const found = await rows();
      expect(found).toHaveLength(videos);
      expect(await filesIn('process')).toEqual([]);
      expect(await filesIn('media/.incoming')).toEqual([]);
      const originals = await filesIn('media/videos/original');
      for (const name of originals)
        expect((await readFile(join(folder, 'media/videos/original', name))).equals(FILM)).toBe(
          true,
        );
      if (videos === 1) expect(originals).toEqual([found[0]?.['stored_name']]);
    },
  );

  it('in the middle of the body: nothing is left', async () => {
    const child = await spawnUploadChild({ databaseUrl: api.db.url, folder });
    await sendTo(child.port, 600_000);
    await waitUntil(
      () => filesIn('media/.incoming'),
      (files) => files.length === 1,
    );
    await child.kill();

    expect(await filesIn('media/.incoming')).toHaveLength(1);
    await afterRestart(async (server) => expect(await server.recover()).toEqual(NOTHING));
    expect(await filesIn('media/.incoming')).toEqual([]);
    expect(await filesIn('media/videos/original')).toEqual([]);
    expect(await rows()).toEqual([]);
  });
});

describe('recoverManifests', () => {
  /** A whole upload by the use case, with a database that can be switched off from the row on. */
  async function open() {
    let isAway = false;
    const away = () => Promise.reject(new AppError('database-unavailable'));
    const database: Database = {
      ...api.db.database,
      run: (work) => (isAway ? away() : api.db.database.run(work)),
      transact: (work) => (isAway ? away() : api.db.database.transact(work)),
      snapshot: (work) => (isAway ? away() : api.db.database.snapshot(work)),
    };
    const store = await createLocalStore({ root: join(folder, 'media') });
    const manifests = createManifestFolder(join(folder, 'process'));
    const { workflows } = api;
    let skewMs = 0;
    const now = () => new Date(Date.now() + skewMs);
    const logger = pino({ level: 'silent' });
    const shared = { database, store, manifests, workflows, logger, now };
    const submit = {
      ...shared,
      maxUploadBytes: 1e9,
      space: undefined,
      randomName: () => randomBytes(8).toString('hex'),
    };
    const uploads = createSubmitUpload(submit);
    return {
      manifests,
      recover: (isLive = uploads.isLive) => recoverManifests({ ...shared, uploads: { isLive } }),
      advanceDays(days: number) {
        skewMs += days * 86_400_000;
      },
      setAway(away: boolean) {
        isAway = away;
      },
      async upload() {
        const upload = await uploads.receive({
          userId: user.id,
          email: user.email,
          role: 'member',
          scopes: ['write'],
          via: 'session',
          apiKeyId: null,
        });
        await upload.write(FILM);
        return upload.submit('holiday.mp4', {
          title: undefined,
          description: '',
          categoryId: null,
          tags: ['a'],
          profile: 'ladder',
          priority: 'bulk',
          thumbnailTimestamps: [1.5],
        });
      },
    };
  }

  /** Accepted while the database was away, so that its manifest waits. */
  async function openWaiting() {
    const parts = await open();
    parts.setAway(true);
    await expect(parts.upload()).rejects.toMatchObject({
      code: 'database-unavailable',
      message: expect.stringContaining('is kept'),
    });
    return parts;
  }

  it('adds what arrived while the database was away, with all its details', async () => {
    const { recover, setAway } = await openWaiting();
    expect(await rows()).toEqual([]);
    expect(await recover()).toEqual({ ...NOTHING, postponed: 1 });
    setAway(false);

    expect(await recover()).toEqual({ ...NOTHING, registered: 1 });
    expect(await rows()).toMatchObject([
      {
        title: 'holiday',
        tags: ['a'],
        priority: 'bulk',
        thumbnail_timestamps: [1.5],
        status: 'pending',
        owner_id: user.id,
      },
    ]);
    expect(await filesIn('process')).toEqual([]);
  });

  it('leaves the manifest of an upload that is still at work', async () => {
    const { recover, setAway } = await openWaiting();
    setAway(false);
    expect(await recover(() => true)).toEqual(NOTHING);
    expect(await filesIn('process')).toHaveLength(1);
  });

  it('does not bring back a video that was deleted', async () => {
    const { upload, manifests, recover } = await open();
    await upload();
    const [row] = await rows();
    await api.db.sql('update videos set deleted_at = now()');
    await manifests.write(String(row?.['stored_name']), {
      ...manifestOf(row ?? {}),
      ownerId: user.id,
    });

    expect(await recover()).toEqual({ ...NOTHING, settled: 1 });
    expect(await rows()).toHaveLength(1);
  });

  it('keeps a manifest whose original is not there, and goes on when it is back', async () => {
    const { recover, setAway, advanceDays } = await openWaiting();
    setAway(false);
    await rename(join(folder, 'media/videos'), join(folder, 'media/away'));
    expect(await recover()).toEqual({ ...NOTHING, postponed: 1 });
    advanceDays(6);
    expect(await recover()).toEqual({ ...NOTHING, postponed: 1 });
    expect(await filesIn('process')).toHaveLength(1);

    await rename(join(folder, 'media/away'), join(folder, 'media/videos'));
    expect(await recover()).toEqual({ ...NOTHING, registered: 1 });
  });

  it('puts it away, for an operator, when the original has been gone for a week; rule 23: one that comes back becomes a video', async () => {
    const { recover, setAway, advanceDays } = await openWaiting();
    setAway(false);
    await rename(join(folder, 'media/videos/original'), join(folder, 'media/away'));
    const manifests = await filesIn('process');
    advanceDays(8);
    expect(await recover()).toEqual({ ...NOTHING, dropped: 1 });
    expect(await filesIn('process')).toEqual(['abandoned']);
    expect(await filesIn('process/abandoned')).toEqual(manifests);
    expect(await recover()).toEqual(NOTHING);
    expect(await rows()).toEqual([]);

    await rename(join(folder, 'media/away'), join(folder, 'media/videos/original'));
    expect(await recover()).toEqual({ ...NOTHING, registered: 1 });
    expect(await filesIn('process/abandoned')).toEqual([]);
    expect(await rows()).toMatchObject([{ status: 'pending' }]);
  });

  it('touches no manifest while the volume of the media is not mounted', async () => {
    const { recover, setAway } = await openWaiting();
    setAway(false);
    await rename(join(folder, 'media'), join(folder, 'unmounted'));
    await mkdir(join(folder, 'media'));
    await expect(recover()).rejects.toMatchObject({ code: 'storage-unavailable' });
    expect(await filesIn('process')).toHaveLength(1);
  });

  it('sets aside manifests that cannot be right', async () => {
    const { recover, setAway } = await openWaiting();
    setAway(false);
    const [name = ''] = await filesIn('media/videos/original');
    await truncate(join(folder, 'media/videos/original', name), 1000);
    await writeFile(join(folder, 'process', 'torn.json'), '{"ownerId":');
    await writeFile(join(folder, 'process', 'alien.json'), '{"hello":"world"}');

    expect(await recover()).toEqual({ ...NOTHING, dropped: 3 });
    expect(await filesIn('process')).toEqual(
      ['alien.json.broken', 'torn.json.broken', `${name}.json.broken`].toSorted(),
    );
    expect(await recover()).toEqual(NOTHING);
    expect(await rows()).toEqual([]);
  });

  it('forgets the category that was removed meanwhile', async () => {
    const { recover, setAway, manifests } = await openWaiting();
    setAway(false);
    const [name = ''] = await manifests.list();
    await manifests.write(name, { ...((await manifests.read(name)) as object), categoryId: 999 });
    expect(await recover()).toEqual({ ...NOTHING, registered: 1 });
    expect(await rows()).toMatchObject([{ category_id: null }]);
  });
});

function manifestOf(
  row: Record<string, unknown>,
): Record<string, string | number | null | string[]> {
  return {
    title: 'holiday',
    description: '',
    categoryId: null,
    tags: [],
    visibility: 'private',
    profile: 'ladder',
    priority: 'normal',
    thumbnailTimestamps: null,
    storedName: String(row['stored_name']),
    originalFileName: 'holiday.mp4',
    originalContentType: 'video/mp4',
    originalSizeBytes: FILM.length,
    originalSha256: String(row['original_sha256']),
    createdAt: '2026-11-22T11:30:15.123Z',
  };
}
