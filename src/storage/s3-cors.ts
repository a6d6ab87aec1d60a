import { type CORSRule, GetBucketCorsCommand, PutBucketCorsCommand } from '@aws-sdk/client-s3';
import { type AddressSettings, bucketAddress } from './presign.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { readS3Failure } from './s3-faults.ts';

/**
 * What scripts of players need of a bucket that they are sent to. From any origin: who may read is decided by the signature in
 * the address, and a browser that was sent on from one site to another and to a third calls its page's origin `null`.
 */
const RULE: CORSRule = {
  ID: 'steadyreel-viewers',
  AllowedOrigins: ['*'],
  AllowedMethods: ['GET', 'HEAD'],
  AllowedHeaders: ['*'],
  ExposeHeaders: ['Accept-Ranges', 'Content-Length', 'Content-Range', 'ETag', 'Last-Modified'],
  MaxAgeSeconds: 3600,
};

const ASK_MS = 10_000;

export type PageAccess =
  /** They could already, or can from now on. */
  | { readonly access: 'allowed' | 'set' }
  /** They cannot, and our key may not change that; one sentence on what to set. */
  | { readonly access: 'refused'; readonly sentence: string };

/**
 * Lets pages read from the bucket. Asks as a browser would; only where that is refused a rule is added to those that are there.
 * Throws raw errors of the SDK where the store does not answer.
 */
export async function allowPages(
  bucket: S3Bucket,
  settings: AddressSettings,
  origin: string,
): Promise<PageAccess> {
  if (await mayRead(settings, origin)) return { access: 'allowed' };
  try {
    const rules = await readRules(bucket);
    const CORSRules = [...rules.filter(({ ID }) => ID !== RULE.ID), RULE];
    const command = new PutBucketCorsCommand({
      Bucket: bucket.name,
      CORSConfiguration: { CORSRules },
    });
    await bucket.ask((client, abortSignal) => client.send(command, { abortSignal }));
    return { access: 'set' };
  } catch (error) {
    if (!REFUSALS.includes(readS3Failure(error).status ?? 0)) throw error;
    const sentence = `Pages at ${origin} may not read from the bucket ${bucket.name}, and the key may not change that: in its CORS settings allow GET and HEAD from any origin (*) with any header (*), and expose ${RULE.ExposeHeaders?.join(', ')}.`;
    return { access: 'refused', sentence };
  }
}

/** Not allowed, or not known to the server. */
const REFUSALS: readonly number[] = [400, 401, 403, 405, 501];

async function readRules(bucket: S3Bucket): Promise<readonly CORSRule[]> {
  const command = new GetBucketCorsCommand({ Bucket: bucket.name });
  try {
    const answer = await bucket.ask((client, abortSignal) => client.send(command, { abortSignal }));
    return answer.CORSRules ?? [];
  } catch (error) {
    if (readS3Failure(error).code === 'NoSuchCORSConfiguration') return [];
    throw error;
  }
}

/** The question that a browser asks before a range is read by a script. */
async function mayRead(settings: AddressSettings, origin: string): Promise<boolean> {
  const response = await fetch(`${bucketAddress(settings)}/any`, {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': 'GET',
      'Access-Control-Request-Headers': 'range',
    },
    signal: AbortSignal.timeout(ASK_MS),
  }).catch(() => undefined);
  await response?.body?.cancel();
  const allowed = response?.headers.get('Access-Control-Allow-Origin');
  return response?.ok === true && (allowed === '*' || allowed === origin);
}
