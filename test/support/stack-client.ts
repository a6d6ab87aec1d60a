import { type Dirent, openAsBlob, readdirSync } from 'node:fs';
import path from 'node:path';
import { expect } from '@jest/globals';
import { Client } from 'pg';
import { readStackFile } from '../../src/config/stack-file.ts';
import { readIdentity } from '../../src/stack/process-identity.mjs';
import { findProcesses, onlyRunning } from './processes.ts';
import type { RunningStack } from './stack.ts';
import { waitUntil } from './wait-until.ts';

/** A video as the API tells it. */
export type VideoAnswer = Record<string, unknown>;

/** What a test does with a running stack: asks it as its administrator, and looks behind it. */
export interface StackClient {
  ask(route: string, init?: RequestInit): Promise<{ status: number; body: VideoAnswer }>;
  /** Uploads a file and checks the 201. @param fields further fields of the form */
  upload(file: string, fields?: Readonly<Record<string, string>>): Promise<VideoAnswer>;
  /** Waits until a video is completed, failed or cancelled. */
  ended(videoId: number, seconds?: number): Promise<VideoAnswer>;
  /** Live processes of ffmpeg, and of what it is started through, whose command lines hold these words. */
  tools(...words: readonly string[]): Promise<readonly number[]>;
  /** Waits until a picture is being encoded. */
  encoding(): Promise<void>;
  /** Waits until a picture is being encoded and stops its encoder in its tracks: from then on it does not end unless it is killed. */
  freezeEncoder(): Promise<void>;
  /** Waits until no ffmpeg is left. */
  noTools(seconds?: number): Promise<void>;
  /** Waits until no work on a video that has ended is left: no pieces, nothing half-done of any video, no ffmpeg. */
  cleanedUp(videoId: number): Promise<void>;
  /** Process of a part of the stack right now, as in `worker`. */
  pidOf(part: string): number;
  /** All files below a folder of the data folder; absolute. */
  filesBelow(folder: string): readonly string[];
  /** The stored objects whose keys begin with the folder, as files; absolute. */
  mediaBelow(folder: string): readonly string[];
  sql(statement: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
}

const ENDS = ['completed', 'failed', 'cancelled'];
const LAST_LINES = 30;
/** Looking at all processes costs some milliseconds. */
const LOOK_EVERY_MS = 100;

/** A stack that is restarted keeps its client. */
export function createStackClient(stack: RunningStack): StackClient {
  const ask: StackClient['ask'] = async (route, init = {}) => {
    const headers = { authorization: `Bearer ${stack.apiKey}` };
    const response = await fetch(`${stack.url}${route}`, { ...init, headers });
    return { status: response.status, body: (await response.json()) as VideoAnswer };
  };
  /** What the stack said last goes into the error. */
  const wait: typeof waitUntil = async (...args) => {
    try {
      return await waitUntil(...args);
    } catch (error) {
      const lines = stack.output().split('\n');
      const said = lines.filter((line) => !line.includes('"GET /videos')).slice(-LAST_LINES);
      throw new Error(`${(error as Error).message}; the stack said last:\n${said.join('\n')}`, {
        cause: error,
      });
    }
  };
  const tools: StackClient['tools'] = (...words) =>
    findProcesses(path.join(stack.dataDir, 'work'), ...words);

  /** The tools themselves, not what they are about to be shut in by. */
  const encoders = async () => onlyRunning('ffmpeg', await tools('libx264'));
  return {
    ask,
    tools,
    async upload(file, fields = {}) {
      const form = new FormData();
      for (const [name, value] of Object.entries(fields)) form.set(name, value);
      form.set('video', await openAsBlob(file), path.basename(file));
      const { status, body } = await ask('/videos/upload/', { method: 'POST', body: form });
      expect(status).toBe(201);
      return body;
    },
    ended: (videoId, seconds = 200) =>
      wait(
        async () => (await ask(`/videos/${videoId}`)).body,
        (video) => ENDS.includes(String(video['status'])),
        seconds * 1000,
        500,
      ),
    async encoding() {
      await wait(encoders, (pids) => pids.length > 0, 120_000, LOOK_EVERY_MS);
    },
    async freezeEncoder() {
      const freeze = async () => (await encoders()).filter((pid) => stop(pid));
      await wait(freeze, (pids) => pids.length > 0, 120_000, LOOK_EVERY_MS);
    },
    async noTools(seconds = 30) {
      await wait(
        () => tools(),
        (pids) => pids.length === 0,
        seconds * 1000,
        LOOK_EVERY_MS,
      );
    },
    async cleanedUp(videoId) {
      const left = async () => [
        ...listFiles(path.join(stack.mediaFolder, 'videos')).filter((file) =>
          file.includes(`/videos/work/${videoId}/`),
        ),
        ...listFiles(path.join(stack.dataDir, 'work')).filter(
          (file) => !file.includes('/source-cache/'),
        ),
        ...listFiles(path.join(stack.dataDir, 'process')),
        ...(await tools()),
      ];
      await wait(left, (found) => found.length === 0, 60_000, LOOK_EVERY_MS);
    },
    pidOf(part) {
      const identity = readIdentity(path.join(stack.dataDir, 'run', `${part}.pid`));
      if (identity === undefined) throw new Error(`${part} does not run`);
      return identity.pid;
    },
    filesBelow: (folder) => listFiles(path.join(stack.dataDir, folder)),
    mediaBelow: (folder) => listFiles(path.join(stack.mediaFolder, folder)),
    async sql(statement, values = []) {
      const client = new Client({ connectionString: readStackFile(stack.dataDir)?.databaseUrl });
      await client.connect();
      try {
        return (await client.query(statement, [...values])).rows;
      } finally {
        await client.end();
      }
    },
  };
}

function listFiles(folder: string): readonly string[] {
  return filesOf(readdirSync(folder, { withFileTypes: true }));
}

/** @returns false where it has just ended */
function stop(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGSTOP');
  } catch {
    return false;
  }
}

/** Folders may go while they are looked through. */
function filesOf(entries: readonly Dirent[]): readonly string[] {
  return entries.flatMap((entry) => {
    const found = path.join(entry.parentPath, entry.name);
    if (!entry.isDirectory()) return entry.isFile() ? [found] : [];
    try {
      return filesOf(readdirSync(found, { withFileTypes: true }));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  });
}
