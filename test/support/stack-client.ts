import { openAsBlob, readdirSync } from 'node:fs';
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
  /** Waits until no ffmpeg is left. */
  noTools(seconds?: number): Promise<void>;
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
    ended: (videoId, seconds = 150) =>
      wait(
        async () => (await ask(`/videos/${videoId}`)).body,
        (video) => ENDS.includes(String(video['status'])),
        seconds * 1000,
        500,
      ),
    async encoding() {
      await wait(
        // The tool itself, not what it is about to be shut in by.
        async () => onlyRunning('ffmpeg', await tools('libx264')),
        (pids) => pids.length > 0,
        60_000,
      );
    },
    async noTools(seconds = 5) {
      await wait(
        () => tools(),
        (pids) => pids.length === 0,
        seconds * 1000,
      );
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
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}
