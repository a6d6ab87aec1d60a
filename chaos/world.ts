import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import type { Client as TemporalClient } from '@temporalio/client';
import { ABANDONED_GRACES } from '../src/config/settings.ts';
import { readStackFile } from '../src/config/stack-file.ts';
import { identifyProcess, isAlive, readIdentity } from '../src/stack/process-identity.mjs';
import { openTemporalClient } from '../src/temporal/client.ts';
import { findProcesses, onlyRunning } from '../test/support/processes.ts';
import { type S3Server, spacesVariables, startS3Server } from '../test/support/s3-server.ts';
import { type RunningStack, startStack } from '../test/support/stack.ts';
import type { ChaosOptions } from './options.ts';

/** The product as `npm start` runs it, with servers of its own that may be killed, and what is needed to hit and to judge it. */
export interface World extends AsyncDisposable {
  readonly stack: RunningStack;
  /** Absent where media lie on the disk. */
  readonly s3: S3Server | undefined;
  readonly temporal: TemporalClient;
  /** Those that the stack runs itself. */
  readonly parts: readonly Part[];
  /** Clips, and what is made for judging; outside of what is judged. */
  readonly folder: string;
  /** Of the API, as the administrator. Bounded in time. */
  ask(route: string, init?: RequestInit): Promise<Response>;
  sql<Row>(statement: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Undefined while the part is down. */
  pidOf(part: Part): number | undefined;
  /** Every live process that has to do with this stack; not the caller's. */
  processes(): Promise<readonly number[]>;
  /** Live ffmpeg processes. */
  tools(): Promise<readonly number[]>;
}

export const PARTS = ['api', 'worker', 'temporal', 'postgres'] as const;
export type Part = (typeof PARTS)[number];

/** Leftovers are found after this; all that a run does not own at its end is then gone within one reconcile. */
export const RECONCILE_GRACE_SECONDS = 4;
export const ABANDONED_UPLOAD_SECONDS = ABANDONED_GRACES * RECONCILE_GRACE_SECONDS;
const ANSWER_MS = 20_000;
const SQL_MS = 10_000;

export async function openWorld(options: ChaosOptions): Promise<World> {
  const folder = mkdtempSync(path.join(tmpdir(), 'steadyreel-chaos-'));
  const s3 = options.storage === 's3' ? await startS3Server() : undefined;
  const stack = await startStack(
    { ...COMMON_SETTINGS, ...(s3 && spacesVariables(s3)), ...breakageSettings(options, folder) },
    { ownServers: true },
  );
  return lookAt({ stack, s3, folder, parts: PARTS });
}

/** The world around a running stack. @param folder is removed with it */
export function lookAt({
  stack,
  s3,
  folder,
  parts,
}: Pick<World, 'stack' | 's3' | 'folder' | 'parts'>): World {
  const { temporalAddress } = requireAddresses(stack);
  const namespace = stack.env['TEMPORAL_NAMESPACE'] ?? '';
  const temporal = openTemporalClient({ address: temporalAddress, namespace });

  return {
    stack,
    s3,
    parts,
    temporal,
    folder,
    ask: (route, init = {}) =>
      fetch(`${stack.url}${route}`, {
        signal: AbortSignal.timeout(ANSWER_MS),
        ...init,
        headers: { authorization: `Bearer ${stack.apiKey}`, ...(init.headers as object) },
      }),
    async sql(statement, values = []) {
      const client = new Client({
        connectionString: requireAddresses(stack).databaseUrl,
        connectionTimeoutMillis: SQL_MS,
        query_timeout: SQL_MS,
      });
      // A server that is killed breaks idle connections too.
      client.on('error', () => undefined);
      try {
        await client.connect();
        return (await client.query(statement, [...values])).rows;
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    pidOf(part) {
      const identity = readIdentity(path.join(stack.dataDir, 'run', `${part}.pid`));
      return identity !== undefined && isAlive(identity) ? identity.pid : undefined;
    },
    processes: () => findProcesses(stack.dataDir),
    tools: async () => onlyRunning('ffmpeg', await findProcesses(path.join(stack.dataDir, 'work'))),
    async [Symbol.asyncDispose]() {
      await temporal.connection.close();
      await stack.stop();
      // What a broken product has left behind.
      for (const pid of await findProcesses(stack.dataDir)) kill(pid, 'SIGKILL');
      await s3?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Kills a process that cannot be mistaken for a later one of the same pid. @returns false where it was gone already */
export function kill(pid: number, signal: NodeJS.Signals): boolean {
  if (identifyProcess(pid) === undefined) return false;
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** What is left over shows soon, and encodes cost little. */
export const COMMON_SETTINGS: NodeJS.ProcessEnv = {
  VIDEO_PRESET: 'ultrafast',
  MAX_VIDEO_PROCESSING_TASKS: '2',
  RECONCILE_GRACE_SECONDS: String(RECONCILE_GRACE_SECONDS),
  OLD_VERSION_GRACE_SECONDS: '0',
};

function breakageSettings({ breakage }: ChaosOptions, folder: string): NodeJS.ProcessEnv {
  return {
    ...(breakage && {
      CHAOS_BREAK: breakage,
      NODE_OPTIONS: `--import ${new URL('break-sources.ts', import.meta.url).href}`,
    }),
    ...(breakage === 'kill-direct-child' && { SANDBOX: 'off', FFMPEG_PATH: forkingTool(folder) }),
  };
}

/** An ffmpeg with a child of its own, as wrappers have, that stays when nobody ends it. Its command line is the tool's. */
function forkingTool(folder: string): string {
  const helper = '(exec -a "helper of $*" sleep 600) < /dev/null > /dev/null 2>&1 &';
  // What is asked at start (`-version`) is no work on a video.
  const ffmpeg = `case "$*" in */work/*) ${helper} ;; esac\nexec ffmpeg "$@"\n`;
  const scripts = { ffmpeg, ffprobe: 'exec ffprobe "$@"\n' };
  for (const [name, lines] of Object.entries(scripts))
    writeFileSync(path.join(folder, name), `#!/bin/bash\n${lines}`, { mode: 0o755 });
  return path.join(folder, 'ffmpeg');
}

function requireAddresses(stack: RunningStack) {
  const addresses = readStackFile(stack.dataDir);
  if (addresses === undefined) throw new Error('the stack does not run');
  return addresses;
}
