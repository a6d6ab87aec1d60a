import { createHash } from 'node:crypto';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { HTML_ANSWER } from './s3-faults.ts';
import { createS3Getter, type S3Getter } from './s3-get.ts';
import type { Patience } from './s3-retry.ts';
import { errnoOf } from './storage-faults.ts';

/** How to reach a bucket. */
export interface S3Settings {
  /** `https://host`, without the bucket. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** The bucket in the path instead of the host's name. */
  readonly forcePathStyle: boolean;
  /** Below which all keys lie: empty, or ending in `/`. */
  readonly prefix: string;
  /** `when-supported` adds the SDK's own checksums, which many servers other than Amazon's do not take. */
  readonly checksums: 'when-required' | 'when-supported';
  /** `https://host` of a CDN in front of the bucket, which viewers are sent to. */
  readonly cdnUrl?: string | undefined;
}

/**
 * One client for each kind of traffic, so that none starves another: a client that has no socket left lets requests wait.
 *
 *   control  small questions and answers
 *   writes   parts on their way up
 *   reads    bodies on their way to viewers and workers, of which slow ones hold a socket for hours
 */
export interface S3Clients {
  readonly control: S3Client;
  readonly writes: S3Client;
  readonly reads: S3Getter;
  destroy(): void;
}

const WRITE_SOCKETS = 32;
const CONTROL_SOCKETS = 32;
const CONNECT_MS = 5_000;
/** Without a byte in either direction. */
const IDLE_MS = 30_000;

export const CONTROL_PATIENCE: Patience = {
  attempts: 4,
  timeoutMs: 10_000,
  backoffMs: 100,
  totalMs: 20_000,
};
/** Long enough for a server to be restarted; a part of 8 MiB is let through at 0.2 Mbit/s. */
export const WRITE_PATIENCE: Patience = {
  attempts: 8,
  timeoutMs: 300_000,
  backoffMs: 200,
  totalMs: 60_000,
};

export function createS3Clients(settings: S3Settings): S3Clients {
  const control = createClient(settings, CONTROL_SOCKETS);
  const writes = createClient(settings, WRITE_SOCKETS);
  const reads = createS3Getter(settings);
  return {
    control,
    writes,
    reads,
    destroy() {
      for (const client of [control, writes, reads]) client.destroy();
    },
  };
}

function createClient(
  { endpoint, region, accessKey, secretKey, forcePathStyle, checksums }: S3Settings,
  maxSockets: number,
): S3Client {
  const mode = checksums === 'when-required' ? 'WHEN_REQUIRED' : 'WHEN_SUPPORTED';
  const agent = { keepAlive: true, maxSockets };
  const config: S3ClientConfig = {
    endpoint,
    region,
    forcePathStyle,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    requestChecksumCalculation: mode,
    responseChecksumValidation: mode,
    followRegionRedirects: false,
    maxAttempts: 1,
    requestHandler: {
      httpAgent: agent,
      httpsAgent: agent,
      connectionTimeout: CONNECT_MS,
      socketTimeout: IDLE_MS,
    },
  };
  const client = new S3Client(config);
  refuseWebPages(client);
  if (checksums === 'when-required') signDeletionsByMd5(client);
  return client;
}

interface Answer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: { destroy?: () => void };
}

/** A web page would be read as an empty list, or as an object. */
function refuseWebPages(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args).catch((error: unknown) => {
        throw asOurError(error);
      });
      const { statusCode, headers, body } = result.response as Answer;
      if (!/^text\/html\b/i.test(headers['content-type'] ?? '')) return result;
      body?.destroy?.();
      throw Object.assign(new Error('the answer is a web page'), {
        name: HTML_ANSWER,
        $metadata: { httpStatusCode: statusCode },
      });
    },
    { step: 'deserialize', priority: 'low', name: 'refuseWebPages' },
  );
}

/** Errors of Node's own may come from another realm, as they do under a test runner; the SDK would strip those of their code. */
function asOurError(error: unknown): unknown {
  const code = errnoOf(error);
  if (error instanceof Error || code === undefined) return error;
  return Object.assign(new Error(String(error)), { code });
}

interface SignedRequest {
  readonly headers: Record<string, string>;
  readonly body?: string | Uint8Array;
}

/**
 * The one request that must carry a checksum is the deletion of many. The SDK sends CRC32, which other servers do not know; all of
 * them know MD5, which was there first.
 */
function signDeletionsByMd5(client: S3Client): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const request = args.request as SignedRequest;
      if (context.commandName === 'DeleteObjectsCommand' && request.body !== undefined) {
        for (const name of Object.keys(request.headers)) {
          if (/^x-amz-(checksum-|sdk-checksum)/i.test(name)) delete request.headers[name];
        }
        request.headers['content-md5'] = createHash('md5').update(request.body).digest('base64');
      }
      return next(args);
    },
    { step: 'build', priority: 'low', name: 'signDeletionsByMd5' },
  );
}
