import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PROJECT_ROOT } from '../../src/config/env.ts';
import { readStackFile } from '../../src/config/stack-file.ts';
import { createTestDatabase } from './database.ts';
import { createNamespace, untilRunClosed } from './namespace.ts';
import { reservePort } from './ports.ts';
import { spacesVariables, startS3Server } from './s3-server.ts';
import { testTemporalAddress } from './services.ts';

/** The product as `npm start` runs it, on a data folder, a database and a namespace that nobody else uses. */
export interface RunningStack {
  readonly url: string;
  /** Of the first administrator. */
  readonly apiKey: string;
  readonly admin: { readonly email: string; readonly password: string };
  readonly dataDir: string;
  /** Where media lie as plain files, on the disk or behind the S3 server. */
  readonly mediaFolder: string;
  /** The settings, for commands that are run beside it. */
  readonly env: NodeJS.ProcessEnv;
  /** Everything that it has said. */
  output(): string;
  /** Starts it again on the same data, once it was killed, or stops it first. @param whileStopped  done in between */
  restart(whileStopped?: () => Promise<void>): Promise<void>;
  /** Waits until the latest run of a video has closed, which it does a moment after it has settled its row. */
  runClosed(videoId: number): Promise<void>;
  /** Stops it in order and removes what is left. Idempotent. */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 20_000;
const ADMIN = { email: 'admin@example.org', password: 'correct horse battery' };

export interface StackOptions {
  /**
   * PostgreSQL and Temporal of the stack itself, which a test may kill: it keeps their addresses, and starts them again. Else
   * those of this run of jest.
   */
  readonly ownServers?: boolean;
  /** Where the data folder is made; the system's folder for temporary files when left out. */
  readonly parent?: string;
}

/**
 * Starts the supervisor with the real API and worker. With `TEST_STORAGE=s3` in the environment its media lie on an S3 server of
 * its own, unless the settings say where they lie.
 * @param settings more environment variables; they win
 */
export async function startStack(
  settings: NodeJS.ProcessEnv = {},
  { ownServers = false, parent = tmpdir() }: StackOptions = {},
): Promise<RunningStack> {
  const needsBucket = process.env['TEST_STORAGE'] === 's3' && settings['USE_SPACES'] === undefined;
  const [servers, port, s3] = await Promise.all([
    ownServers ? prepareOwnServers() : prepareSharedServers(),
    reservePort(),
    needsBucket ? startS3Server() : undefined,
  ]);
  const dataDir = mkdtempSync(join(parent, 'steadyreel-e2e-'));
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    NODE_OPTIONS: '',
    HOST: '127.0.0.1',
    PORT: String(port),
    PUBLIC_URL: '',
    DATA_DIR: dataDir,
    ...servers.env,
    ADMIN_API_KEY: '',
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    VIDEO_PRESET: 'ultrafast',
    LOG_FORMAT: 'json',
    ...(s3 && spacesVariables(s3)),
    ...settings,
  };
  let program = run(env);
  const remove = async () => {
    await end(program.child);
    await servers.remove(dataDir);
    await s3?.close();
    rmSync(dataDir, { recursive: true, force: true });
  };
  let removed: Promise<void> | undefined;
  const stop = () => (removed ??= remove());
  try {
    await program.said('Ready in');
    const apiKey =
      env['ADMIN_API_KEY'] || readFileSync(join(dataDir, 'admin-api-key'), 'utf8').trim();
    return {
      url: `http://127.0.0.1:${port}`,
      apiKey,
      admin: ADMIN,
      dataDir,
      mediaFolder: s3?.folder ?? join(dataDir, 'media'),
      env,
      output: () => program.output(),
      async restart(whileStopped) {
        await end(program.child);
        await whileStopped?.();
        program = run(env);
        await program.said('Ready in');
      },
      runClosed(videoId) {
        const address = readStackFile(dataDir)?.temporalAddress ?? '';
        return untilRunClosed({ address, namespace: env['TEMPORAL_NAMESPACE'] ?? '' }, videoId);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Servers {
  readonly env: NodeJS.ProcessEnv;
  /** Called when the stack has stopped. */
  remove(dataDir: string): Promise<void>;
}

async function prepareSharedServers(): Promise<Servers> {
  const [db, namespace] = await Promise.all([createTestDatabase(), createNamespace()]);
  return {
    env: {
      DATABASE_URL: db.url,
      TEMPORAL_ADDRESS: testTemporalAddress(),
      TEMPORAL_NAMESPACE: namespace,
    },
    remove: () => db.drop(),
  };
}

async function prepareOwnServers(): Promise<Servers> {
  return {
    env: {
      DATABASE_URL: '',
      TEMPORAL_ADDRESS: '',
      TEMPORAL_NAMESPACE: 'default',
      TEMPORAL_PORT: String(await reservePort()),
      TEMPORAL_UI_PORT: String(await reservePort()),
    },
    // Root's cluster lies outside of the data folder.
    async remove(dataDir) {
      const record = join(dataDir, 'postgres.json');
      if (!existsSync(record)) return;
      const { directory } = JSON.parse(readFileSync(record, 'utf8')) as { directory: string };
      rmSync(dirname(directory), { recursive: true, force: true });
    },
  };
}

function run(env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, ['src/stack/main.ts'], {
    cwd: PROJECT_ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      for (const look of waiting) look();
    });
  }
  return {
    child,
    output: () => text,
    /** Resolves when the output holds the words. */
    said: (words: string) =>
      new Promise<void>((resolve, reject) => {
        const finish = (error?: Error) => {
          clearTimeout(timer);
          waiting.delete(look);
          child.off('exit', onExit);
          if (error === undefined) resolve();
          else reject(error);
        };
        const look = () => text.includes(words) && finish();
        const onExit = () =>
          finish(new Error(`the stack ended before it said “${words}”:\n${text}`));
        const timer = setTimeout(
          () => finish(new Error(`the stack did not say “${words}” in time:\n${text}`)),
          START_TIMEOUT_MS,
        );
        waiting.add(look);
        child.once('exit', onExit);
        look();
      }),
  };
}

/** SIGTERM stops it in order; its parts are tied to it, so that not even SIGKILL leaves any. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  child.kill('SIGTERM');
  await exited;
  clearTimeout(timer);
}
