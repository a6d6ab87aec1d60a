import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { findVersitygw } from '../../scripts/set-up/versitygw.mjs';
import { launch, type Launched } from '../../src/stack/launch.ts';
import { isListening } from '../../src/stack/ports.ts';
import { createS3Clients, type S3Settings } from '../../src/storage/s3-clients.ts';
import { reservePort } from './ports.ts';
import { waitUntil } from './wait-until.ts';

/** A real S3 server (versitygw) of a test, with a bucket. */
export interface S3Server {
  /** Where it keeps the bucket's objects, as plain files. */
  readonly folder: string;
  readonly port: number;
  /** For a store in the bucket. */
  readonly settings: S3Settings;
  /** `host:port` that the server knows itself by too; with `<bucket>.` in front it is the bucket's. Nobody can look it up. */
  readonly host: string;
  /** Multipart uploads that are not at their end, of keys that begin so. */
  countUploads(prefix?: string): Promise<number>;
  isRunning(): boolean;
  /** As by `kill -9`. Connections break. */
  kill(): Promise<void>;
  /** Again, on the same port with the same objects. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Whether tests of object storage can run here. Says so aloud where they cannot.
 * @throws with `CI=true`, where nothing may be left out
 */
export function hasS3Server(): boolean {
  if (findVersitygw(process.env) !== undefined) return true;
  const sentence =
    'versitygw is missing: the tests of object storage are left out (`npm test` builds it where Go is installed).';
  if (process.env['CI'] === 'true') throw new Error(sentence);
  process.stderr.write(`\n${sentence}\n`);
  return false;
}

/** The settings by which the product uses its bucket. */
export function spacesVariables({ settings }: S3Server): NodeJS.ProcessEnv {
  return {
    USE_SPACES: 'True',
    SPACES_ENDPOINT_URL: settings.endpoint,
    SPACES_BUCKET_NAME: settings.bucket,
    SPACES_ACCESS_KEY: settings.accessKey,
    SPACES_SECRET_KEY: settings.secretKey,
  };
}

export async function startS3Server(): Promise<S3Server> {
  const base = await mkdtemp(join(tmpdir(), 'steadyreel-s3-'));
  const accessKey = `key-${randomBytes(4).toString('hex')}`;
  const secretKey = randomBytes(16).toString('hex');
  const bucket = `media-${randomBytes(4).toString('hex')}`;
  const port = await reservePort();
  const root = join(base, 'buckets');
  const sidecar = join(base, 'sidecar');
  await mkdir(join(root, bucket), { recursive: true });
  await mkdir(sidecar);
  const settings: S3Settings = {
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    bucket,
    accessKey,
    secretKey,
    forcePathStyle: true,
    prefix: '',
    checksums: 'when-required',
  };
  let running: Launched | undefined;

  const start = async () => {
    const lines: string[] = [];
    running = await launch({
      command: findVersitygw(process.env) ?? '',
      args: [
        ...['--quiet', '--keep-alive', '--port', `127.0.0.1:${port}`],
        ...['--virtual-domain', nameOf(port)],
        // Not every file system of a test has extended attributes.
        ...['posix', '--sidecar', sidecar, root],
      ],
      env: { ...process.env, ROOT_ACCESS_KEY: accessKey, ROOT_SECRET_KEY: secretKey },
      cwd: base,
      stopSignal: 'SIGTERM',
      onLine: (line) => void lines.push(line),
    });
    try {
      await waitUntil(
        () => isListening(port, '127.0.0.1'),
        (isThere) => isThere,
      );
    } catch (error) {
      throw new Error(`versitygw did not start:\n${lines.join('\n')}`, { cause: error });
    }
  };

  const stop = async (graceMs: number) => {
    await running?.stop(graceMs);
    running = undefined;
  };
  await start();
  return {
    folder: join(root, bucket),
    port,
    settings,
    host: nameOf(port),
    async countUploads(prefix = '') {
      const client = createS3Clients(settings).control;
      const command = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix });
      const { Uploads } = await client.send(command);
      client.destroy();
      return Uploads?.length ?? 0;
    },
    isRunning: () => running !== undefined,
    kill: () => stop(0),
    start,
    async close() {
      await stop(2000);
      await rm(base, { recursive: true, force: true });
    },
  };
}

function nameOf(port: number): string {
  return `storage.test:${port}`;
}
