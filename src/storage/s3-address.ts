import type { S3Settings } from './s3-clients.ts';
import { encodeForSignature } from './s3-signature.ts';

/** Where a bucket is. */
export interface BucketAddress {
  /** `https://host` */
  readonly origin: string;
  /** As the server is called, and as it is signed. */
  readonly host: string;
  /** Before the keys; empty, or with a slash in front and none at the end. */
  readonly basePath: string;
}

/** The bucket in the host's name or in the path. Names with dots are no names under a certificate for `*.host`. */
export function locateBucket({
  endpoint,
  bucket,
  forcePathStyle,
}: Pick<S3Settings, 'endpoint' | 'bucket' | 'forcePathStyle'>): BucketAddress {
  const { protocol, host, pathname } = new URL(endpoint);
  const base = pathname.replace(/\/$/, '');
  const isInPath = forcePathStyle || (bucket.includes('.') && protocol === 'https:');
  if (isInPath) return { origin: `${protocol}//${host}`, host, basePath: `${base}/${bucket}` };
  const named = `${bucket}.${host}`;
  return { origin: `${protocol}//${named}`, host: named, basePath: base };
}

/** @param path as S3 knows the object */
export function requestPath({ basePath }: BucketAddress, path: string): string {
  return [basePath, ...path.split('/').map(encodeForSignature)].join('/');
}
