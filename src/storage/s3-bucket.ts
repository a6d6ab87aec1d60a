import {
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { ErrorDetails } from '../domain/errors.ts';
import { assertObjectKey } from './object-key.ts';
import {
  CONTROL_PATIENCE,
  createS3Clients,
  type S3Clients,
  type S3Settings,
  WRITE_PATIENCE,
} from './s3-clients.ts';
import { isAbsent, readS3Failure, toS3Fault } from './s3-faults.ts';
import { type Patience, retrying } from './s3-retry.ts';

type Send<T> = (client: S3Client, signal: AbortSignal) => Promise<T>;

/** A bucket and the way to it: what every request of the store goes through. */
export interface S3Bucket {
  readonly name: string;
  readonly clients: S3Clients;
  /** The key as S3 knows it. @throws `internal-error` for what is no key of ours */
  pathOf(key: string): string;
  /** The key as we know it. */
  keyOf(path: string): string;
  /** A small question, with little patience. */
  ask<T>(send: Send<T>, signal?: AbortSignal): Promise<T>;
  /** A step of a write, with more. */
  write<T>(send: Send<T>, signal?: AbortSignal): Promise<T>;
  /** Undefined where there is no such object, in a bucket that is there. */
  head(key: string): Promise<HeadObjectCommandOutput | undefined>;
  /** Asks the bucket for anything; throws what is wrong with the way to it. */
  reach(patience?: Partial<Patience>): Promise<void>;
  /** Runs `action`; what fails comes out in our own codes, with a sentence where a person can do something. */
  withFaults<T>(details: ErrorDetails, action: () => Promise<T>): Promise<T>;
  toFault(error: unknown, details: ErrorDetails): Promise<unknown>;
}

/** An answer "no such object" is believed without asking for the bucket again for this long. */
const BUCKET_SEEN_MS = 10_000;

/** @param hurry changes the patience of all requests, for tests */
export function openS3Bucket(settings: S3Settings, hurry: Partial<Patience> = {}): S3Bucket {
  const { bucket: name, prefix } = settings;
  const clients = createS3Clients(settings);
  let seenAt = Number.NEGATIVE_INFINITY;

  const pathOf = (key: string) => {
    assertObjectKey(key);
    return `${prefix}${key}`;
  };

  const ask = <T>(send: Send<T>, signal?: AbortSignal, patience: Partial<Patience> = {}) =>
    retrying(
      (limited) => send(clients.control, limited),
      { ...CONTROL_PATIENCE, ...hurry, ...patience },
      signal,
    );

  const reach = async (patience: Partial<Patience> = {}) => {
    const command = new ListObjectsV2Command({ Bucket: name, Prefix: prefix, MaxKeys: 1 });
    const send: Send<unknown> = (client, abortSignal) => client.send(command, { abortSignal });
    await ask(send, undefined, patience).catch((error: unknown) => {
      throw isAbsent(readS3Failure(error)) ? refusal('NoSuchBucket', 404) : error;
    });
    seenAt = performance.now();
  };

  /** An answer to HEAD has no body, so it cannot say why it refuses, nor that it is the bucket that is missing. */
  const toFault = async (error: unknown, details: ErrorDetails) => {
    const { code, status } = readS3Failure(error);
    const isMute =
      status !== undefined && [400, 401, 403].includes(status) && /^\W*$|^Unknown|^\d/.test(code);
    if (!isMute) return toS3Fault(error, settings, details);
    try {
      await reach();
    } catch (reason) {
      return toS3Fault(reason, settings, details);
    }
    return toS3Fault(refusal('AccessDenied', status), settings, details);
  };

  return {
    name,
    clients,
    pathOf,
    keyOf: (path) => path.slice(prefix.length),
    ask: (send, signal) => ask(send, signal),
    write: (send, signal) =>
      retrying((limited) => send(clients.writes, limited), { ...WRITE_PATIENCE, ...hurry }, signal),

    async head(key) {
      const command = new HeadObjectCommand({ Bucket: name, Key: pathOf(key) });
      try {
        return await ask((client, abortSignal) => client.send(command, { abortSignal }));
      } catch (error) {
        if (!isAbsent(readS3Failure(error))) throw error;
        if (performance.now() - seenAt > BUCKET_SEEN_MS) await reach();
        return undefined;
      }
    },

    reach,
    toFault,

    async withFaults(details, action) {
      try {
        return await action();
      } catch (error) {
        throw await toFault(error, details);
      }
    },
  };
}

/** A failure that the server did not put into words. */
function refusal(code: string, status: number): Error {
  return Object.assign(new Error(code), { name: code, $metadata: { httpStatusCode: status } });
}
