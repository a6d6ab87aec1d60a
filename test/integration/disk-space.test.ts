import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { findCurrentRuns } from '../../src/db/run-views.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { presentStage } from '../../src/usecases/present-video.ts';
import { createTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { makeClip } from '../support/make-clip.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';
import { encodeForm, FORM_TYPE, openRaw, requestHead } from '../support/raw-http.ts';
import { canMountDisks, FILLER, mountSmallDisk, type SmallDisk } from '../support/small-disk.ts';
import { writeStubFfmpeg } from '../support/stub-ffmpeg.ts';
import { startUploadServer, type UploadServer } from '../support/upload-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const MB = 1_000_000;
const MARGIN_BYTES = 15 * MB;

(canMountDisks() ? describe : describe.skip)('a disk of 300 MB', () => {
  let disk: SmallDisk;
  let folder: string;
  beforeAll(async () => {
    disk = mountSmallDisk(300);
    folder = await mkdtemp(join(tmpdir(), 'steadyreel-disk-'));
  });
  afterEach(() => disk.free());
  afterAll(async () => {
    disk.unmount();
    await rm(folder, { recursive: true, force: true });
  });

  describe('uploads', () => {
    let api: TestApi;
    let user: TestUser;
    let server: UploadServer;
    beforeAll(async () => {
      api = await createTestApi();
      user = await api.addUser();
      server = await startUploadServer({
        databaseUrl: api.db.url,
        folder: join(disk.folder, 'uploads'),
        diskMarginBytes: MARGIN_BYTES,
      });
    });
    beforeEach(() => disk.fill(MARGIN_BYTES + 40 * MB));
    afterEach(async () => {
      await waitUntil(filesLeft, (files) => files.length === 0);
    });
    afterAll(async () => {
      await server.close();
      await api.close();
      await rm(join(disk.folder, 'uploads'), { recursive: true });
    });

    async function filesLeft(): Promise<readonly string[]> {
      const entries = await readdir(join(disk.folder, 'uploads'), {
        recursive: true,
        withFileTypes: true,
      });
      return entries
        .filter((entry) => entry.isFile() && entry.name !== '.steadyreel-store')
        .map(({ name }) => name);
    }

    /** Sends the head alone and waits for an answer. */
    async function announce(headers: Record<string, string | number>) {
      const client = await openRaw(server.port);
      client.socket.write(
        requestHead('POST /videos/upload/', {
          'Content-Type': FORM_TYPE,
          Authorization: `Bearer ${user.key}`,
          ...headers,
        }),
      );
      return client;
    }
    const expecting = (bytes: number) =>
      announce({ Expect: '100-continue', 'Content-Length': bytes });

    it('are refused with 507 before their first byte where they do not fit', async () => {
      const tooLarge = await expecting(41 * MB);
      await tooLarge.until(/^HTTP\/1.1 507 [^]*"code":"disk-full"/);
      expect(tooLarge.text()).toContain(
        'The server has no room for this file now: 41 MB more are needed, 40 MB are free.',
      );
      const fitting = await expecting(39 * MB);
      await fitting.until(/^HTTP\/1.1 100 Continue/);

      // What the one has still to send is not there for the other.
      const second = await expecting(2 * MB);
      await second.until(/^HTTP\/1.1 507 /);
      const told = await api.db.sql('select reserved_bytes from open_uploads');
      expect(told.map((row) => Number(row['reserved_bytes']))).toEqual([39 * MB]);
      fitting.socket.destroy();
      await waitUntil(
        () => api.db.sql('select 1 from open_uploads where reserved_bytes > 0'),
        (rows) => rows.length === 0,
      );
      const third = await expecting(2 * MB);
      await third.until(/^HTTP\/1.1 100 Continue/);
      for (const { socket } of [tooLarge, second, third]) socket.destroy();
    });

    it('leave the room that active runs have reserved and not filled yet', async () => {
      const id = await api.addVideo(user);
      await api.db.sql(
        `insert into video_runs (video_id, workflow_id, run_id, kind, version, settings, source, reserved_bytes)
         values ($1, 'w', 'r', 'upload', 1, '{}', '{}', $2)`,
        [id, 30 * MB],
      );
      const refused = await expecting(11 * MB);
      await refused.until(/^HTTP\/1.1 507 [^]*(?:9\.\d|10) MB are free/);
      await api.db.sql(
        `insert into pieces (video_id, source_sha256, name, kind, recipe, object_key, size_bytes, sha256, tool_version, facts)
         values ($1, 's', 'audio', 'audio', 'r', 'k', $2, 'x', 'v', '{}')`,
        [id, 5 * MB],
      );
      const admitted = await expecting(11 * MB);
      await admitted.until(/^HTTP\/1.1 100 Continue/);
      await api.db.sql(`update video_runs set state = 'failed' where video_id = $1`, [id]);
      admitted.socket.destroy();
      const larger = await expecting(39 * MB);
      await larger.until(/^HTTP\/1.1 100 Continue/);
      for (const { socket } of [refused, larger]) socket.destroy();
    });

    it('leave room for what is uploaded already and waits to be probed, or for its disk', async () => {
      const id = await api.addVideo(user, { originalSizeBytes: 30 * MB });
      const refused = await expecting(11 * MB);
      await refused.until(/^HTTP\/1.1 507 [^]*(?:9\.\d|10) MB are free/);

      // One that could not go on anyway stops nobody.
      await api.db.sql(
        `insert into video_runs (video_id, workflow_id, run_id, kind, version, settings, source, plan)
         values ($1, 'w2', 'r2', 'upload', 1, '{}', '{}', $2)`,
        [id, JSON.stringify({ estimate: { storedBytes: 100 * MB } })],
      );
      const admitted = await expecting(39 * MB);
      await admitted.until(/^HTTP\/1.1 100 Continue/);
      for (const { socket } of [refused, admitted]) socket.destroy();
      await api.db.sql('delete from videos');
    });

    it('without a length are stopped at the border', async () => {
      const client = await announce({ 'Transfer-Encoding': 'chunked' });
      const start = encodeForm([{ name: 'video', content: film(MB), fileName: 'a.mp4' }]);
      const body = start.subarray(0, start.length - 100);
      sendChunk(client.socket, body);
      const more = randomBytes(MB);
      for (let sent = 1; sent < 60 && !client.text().includes('507'); sent += 1) {
        if (!sendChunk(client.socket, more))
          await Promise.race([once(client.socket, 'drain'), client.until(/507/)]);
      }
      await client.until(/^HTTP\/1.1 507 [^]*"code":"disk-full"/);
      expect(disk.freeBytes()).toBeGreaterThan(MARGIN_BYTES);
      client.socket.destroy();
    });

    it('end with 507 and leave nothing where others have filled the disk meanwhile', async () => {
      const body = encodeForm([{ name: 'video', content: film(30 * MB), fileName: 'a.mp4' }]);
      const client = await announce({ 'Content-Length': body.length });
      client.socket.write(body.subarray(0, MB));
      await waitUntil(filesLeft, (files) => files.length === 1);
      disk.fill();
      client.socket.write(body.subarray(MB));
      await client.until(/^HTTP\/1.1 507 [^]*"code":"disk-full"/);
      client.socket.destroy();
    });

    it('are taken back with 507 where there is no room for their manifest', async () => {
      const full = await startUploadServer({
        databaseUrl: api.db.url,
        folder: join(disk.folder, 'uploads'),
        onCrashPoint: (name) => (name === 'original-stored' ? disk.fill() : undefined),
      });
      try {
        const body = encodeForm([{ name: 'video', content: film(MB), fileName: 'a.mp4' }]);
        const answer = await fetch(`${full.url}/videos/upload/`, {
          method: 'POST',
          headers: { Authorization: `Bearer ${user.key}`, 'Content-Type': FORM_TYPE },
          body,
        });
        expect(answer.status).toBe(507);
        expect(await answer.json()).toMatchObject({ code: 'disk-full' });
      } finally {
        await full.close();
      }
    });
  });

  describe('runs', () => {
    let pipeline: Pipeline;
    let long: string;
    let short: string;
    beforeAll(async () => {
      // 30 s at 360p and 240p: 12 MB by the caps of their bitrates.
      long = await makeClip(join(folder, 'long.mp4'), { seconds: 30, framesPerSecond: 5 });
      short = await makeClip(join(folder, 'short.mp4'), { seconds: 2 });
    });
    afterEach(() => pipeline.close());

    const start = async (ffmpegPath: string, settings = {}) => {
      pipeline = await startPipeline({
        parent: disk.folder,
        diskMarginBytes: MARGIN_BYTES,
        ffmpegPath,
        settings,
      });
    };
    /** What it is told that this video waits for, while that is its disk. */
    const waitOf = async (id: VideoId): Promise<string | undefined> => {
      const [run] = await pipeline.deps.database.run((em) => findCurrentRuns(em, [id]));
      const isWaiting = run && presentStage(run, new Date()) === 'waiting-for-disk';
      return isWaiting ? (run.waitingFor ?? undefined) : undefined;
    };

    it('rule 34: one that does not fit waits in plain sight, holds no slot, and goes on by itself', async () => {
      const gate = join(folder, 'gate');
      const wait = `while [ ! -e ${gate} ]; do sleep 0.1; done`;
      await start(
        await writeStubFfmpeg(
          folder,
          `if mkdir ${join(folder, 'first')} 2> /dev/null; then ${wait}; fi; exec ffmpeg "$@"`,
        ),
      );
      disk.fill(MARGIN_BYTES + 26 * MB);
      const first = await pipeline.submit(long);
      await pipeline.until('the first has its reservation', async () => {
        const [row] = await pipeline.db.sql('select reserved_bytes from video_runs');
        return Number(row?.['reserved_bytes']) > 0;
      });
      const second = await pipeline.submit(long);
      // Told until the next try.
      let told: string | undefined;
      const isWaiting = async () => (told = await waitOf(second)) !== undefined;
      await pipeline.until('the second is seen to wait', isWaiting);
      expect(told).toMatch(
        /^waiting-for-disk: the work needs 12 MB of disk, (?:\d\.\d|1[01]) MB are free, next try \d\d:\d\d:\d\d UTC$/,
      );
      expect(await pipeline.video(second)).toMatchObject({ status: 'pending', failure: null });

      // There is room for a small one, which overtakes.
      await pipeline.waitForStatus(await pipeline.submit(short), 'completed');
      await pipeline.until('the second waits still', isWaiting);
      await writeFile(gate, '');
      await pipeline.waitForStatus(first, 'completed');
      await pipeline.hurryTo(second, 'completed');
    });

    it('rule 34: a disk that is filled in any step is waited out', async () => {
      const notes = await mkdtemp(join(folder, 'notes-'));
      const filler = join(disk.folder, FILLER);
      const steps = ['chunk', 'sound', 'join', 'package', 'picture'];
      const fillOnce = (step: string) =>
        `if [ ! -e ${notes}/${step} ]; then touch ${notes}/${step}; head -c 400M /dev/zero > ${filler} 2>/dev/null; fi`;
      await start(
        await writeStubFfmpeg(
          folder,
          `case "$*" in
             *libx264*) ${fillOnce('chunk')} ;;
             *chunks.txt*) ${fillOnce('join')}
               ffmpeg "$@"; code=$?; [ $code -ne 0 ] || { ${fillOnce('package')}; }; exit $code ;;
             *audio.mp4*) ${fillOnce('sound')} ;;
             *image2*) ${fillOnce('picture')} ;;
           esac; exec ffmpeg "$@"`,
          '-progress',
        ),
      );
      const id = await pipeline.submit(short);
      const seen: string[] = [];
      await pipeline.until('it is completed', async () => {
        const told = await waitOf(id);
        if (told !== undefined) {
          seen.push(told);
          disk.free();
          await pipeline.tryNow(`process-video-${id}`);
        }
        const { status } = await pipeline.video(id);
        expect(status).not.toBe('failed');
        return status === 'completed';
      });
      expect((await readdir(notes)).toSorted()).toEqual(steps.toSorted());
      expect(seen.length).toBeGreaterThanOrEqual(steps.length - 1);
      for (const text of seen) expect(text).toMatch(/^(disk-full|waiting-for-disk): /);
      expect(await pipeline.video(id)).toMatchObject({ warnings: [], failure: null });
      const counts = await pipeline.db.sql(
        'select sum(encoder_faults) as faults, sum(kills) as kills from piece_attempts',
      );
      expect(counts).toEqual([{ faults: '0', kills: '0' }]);
    });

    it('fail with disk-full once the patience for the platform is over, and can be tried again', async () => {
      await start(process.env['FFMPEG_PATH'] ?? '/usr/bin/ffmpeg', {
        platformFaultPatienceSeconds: 1,
      });
      disk.fill(MARGIN_BYTES / 2);
      const id = await pipeline.submit(short);
      await pipeline.until('it waits', async () => (await waitOf(id)) !== undefined);
      const { failure } = await pipeline.hurryTo(id, 'failed');
      expect(failure).toMatchObject({ code: 'disk-full', step: 'probe' });
      disk.free();
      await pipeline.untilRunEnds(id);
      await pipeline.deps.workflows.startRun(
        { id, ownerId: pipeline.ownerId, title: 'short', priority: 'normal' },
        {},
      );
      await pipeline.until('it is completed', async () => {
        return (await pipeline.video(id))['status'] === 'completed';
      });
    });
  });
});

/** Looks like a film, is none: only a probe would tell. */
function film(sizeBytes: number): Buffer {
  const bytes = randomBytes(sizeBytes);
  bytes.write('\0\0\0\x18ftypisom\0\0\0\0isommp42', 0, 'latin1');
  return bytes;
}

function sendChunk(socket: Socket, bytes: Buffer): boolean {
  socket.write(`${bytes.length.toString(16)}\r\n`);
  socket.write(bytes);
  return socket.write('\r\n');
}
