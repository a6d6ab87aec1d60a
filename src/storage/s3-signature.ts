import { createHash, createHmac } from 'node:crypto';
import type { S3Settings } from './s3-clients.ts';

/** Whom a request is signed by. */
export type Signer = Pick<S3Settings, 'region' | 'accessKey' | 'secretKey'>;

export const ALGORITHM = 'AWS4-HMAC-SHA256';

/** `20130524T000000Z` */
export function signingTime(at: Date): string {
  return at.toISOString().replaceAll(/[-:]|\.\d+/g, '');
}

/** `<access key>/20130524/us-east-1/s3/aws4_request` */
export function credentialOf({ accessKey, region }: Signer, time: string): string {
  return [accessKey, ...scopeOf(region, time)].join('/');
}

/**
 * Signs a request by Signature Version 4.
 * @param request in its canonical form
 * @param time as by `signingTime`
 * @returns hex
 * Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
 */
export function signRequest(signer: Signer, request: string, time: string): string {
  const scope = scopeOf(signer.region, time);
  const digest = createHash('sha256').update(request).digest('hex');
  const toSign = [ALGORITHM, time, scope.join('/'), digest].join('\n');
  const key = scope.reduce<string | Buffer>(hmac, `AWS4${signer.secretKey}`);
  return hmac(key, toSign).toString('hex');
}

/** As in the paths and queries that are signed: everything but letters, digits and `-._~`. */
export function encodeForSignature(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function scopeOf(region: string, time: string): readonly string[] {
  return [time.slice(0, 8), region, 's3', 'aws4_request'];
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
