import type { AddressOptions } from './object-store.ts';
import { type BucketAddress, locateBucket, requestPath } from './s3-address.ts';
import type { S3Settings } from './s3-clients.ts';
import {
  ALGORITHM,
  credentialOf,
  encodeForSignature,
  type Signer,
  signingTime,
  signRequest,
} from './s3-signature.ts';

/** What addresses for viewers are made of. */
export type AddressSettings = Signer &
  Pick<S3Settings, 'endpoint' | 'bucket' | 'forcePathStyle' | 'cdnUrl'>;

interface PresignOptions {
  /** As S3 knows it. */
  readonly path: string;
  /** Beside what the signature takes, as in `response-content-type`. */
  readonly query: Readonly<Record<string, string>>;
  readonly signedAt: Date;
  /** 1 to 604,800. */
  readonly expiresSeconds: number;
}

/**
 * The address of an object for a viewer: presigned, and the same for all that is asked within a twentieth of its life.
 * @param path as S3 knows the object
 */
export function signAddress(
  settings: AddressSettings,
  path: string,
  { expiresSeconds, contentType, cacheControl, contentDisposition }: AddressOptions,
  nowMs: number,
): string {
  const termMs = Math.max(1, Math.floor(expiresSeconds / 20)) * 1000;
  return presignGet(settings, {
    path,
    query: {
      'response-content-type': contentType,
      'response-cache-control': cacheControl,
      ...(contentDisposition === undefined
        ? {}
        : { 'response-content-disposition': contentDisposition }),
    },
    signedAt: new Date(Math.floor(nowMs / termMs) * termMs),
    expiresSeconds,
  });
}

/**
 * An address at which anybody can GET an object for some time, signed in its query. Pure, and asks nobody: a bucket that is not
 * there has addresses too.
 *
 * Source: Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)".
 */
export function presignGet(settings: AddressSettings, options: PresignOptions): string {
  const { origin, host, basePath } = locateForViewers(settings);
  const time = signingTime(options.signedAt);
  const query = toQuery({
    ...options.query,
    'X-Amz-Algorithm': ALGORITHM,
    'X-Amz-Credential': credentialOf(settings, time),
    'X-Amz-Date': time,
    'X-Amz-Expires': String(options.expiresSeconds),
    'X-Amz-SignedHeaders': 'host',
  });
  const path = requestPath({ origin, host, basePath }, options.path);
  const request = ['GET', path, query, `host:${host}`, '', 'host', 'UNSIGNED-PAYLOAD'].join('\n');
  return `${origin}${path}?${query}&X-Amz-Signature=${signRequest(settings, request, time)}`;
}

/** What all addresses of a bucket begin with, without a slash at the end. */
export function bucketAddress(settings: AddressSettings): string {
  const { origin, basePath } = locateForViewers(settings);
  return origin + basePath;
}

/** A CDN calls its origin by the bucket's own name, whatever the settings say: signed is that, and only then the host is another. */
function locateForViewers({ cdnUrl, ...settings }: AddressSettings): BucketAddress {
  if (cdnUrl === undefined) return locateBucket(settings);
  const { host, pathname } = new URL(settings.endpoint);
  return {
    origin: cdnUrl,
    host: `${settings.bucket}.${host}`,
    basePath: pathname.replace(/\/$/, ''),
  };
}

/** In the order of names, as it is signed. */
function toQuery(parameters: Readonly<Record<string, string>>): string {
  return Object.entries(parameters)
    .map(([name, value]) => `${encodeForSignature(name)}=${encodeForSignature(value)}`)
    .toSorted()
    .join('&');
}
