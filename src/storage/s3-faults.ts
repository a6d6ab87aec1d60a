import { AppError, type ErrorDetails } from '../domain/errors.ts';
import { errnoOf } from './storage-faults.ts';

/** What is known of a failed request: enough to decide and to tell, and no more, since the SDK's own errors quote the request. */
export interface S3Failure {
  /** The server's code, a system's error number, or the name of the error. */
  readonly code: string;
  readonly status: number | undefined;
  /** As S3 asks for by `Retry-After`. */
  readonly retryAfterMs: number | undefined;
}

/** Where requests go, for sentences. */
export interface S3Target {
  /** As in `SPACES_ENDPOINT_URL`. */
  readonly endpoint: string;
  readonly bucket: string;
}

/** Thrown for an answer that is a web page. The status is kept: one of a proxy that finds no server behind it passes. */
export const HTML_ANSWER = 'HtmlAnswer';

const NETWORK_CODES: readonly string[] = [
  ...['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['ENOTFOUND', 'EAI_AGAIN', 'TimeoutError', 'ERR_STREAM_PREMATURE_CLOSE'],
];
/** `ConditionalRequestConflict`: two conditional writes met; the loser may ask again. */
const PASSING_CODES: readonly string[] = [
  ...['SlowDown', 'RequestTimeout', 'InternalError', 'ServiceUnavailable', 'Throttling'],
  ...['RequestTimeTooSkewed', 'ConditionalRequestConflict', 'OperationAborted'],
];
const FULL_CODES: readonly string[] = [
  ...['QuotaExceeded', 'InsufficientStorage', 'InsufficientStorageSpace', 'XMinioStorageFull'],
];

/** Reads a failure out of whatever the SDK or the system threw. */
export function readS3Failure(error: unknown): S3Failure {
  const { name, Code, $metadata, $response } = (error ?? {}) as {
    name?: string;
    Code?: string;
    $metadata?: { httpStatusCode?: number };
    $response?: { headers?: Record<string, string> };
  };
  const seconds = Number($response?.headers?.['retry-after']);
  return {
    code: Code ?? errnoOf(error) ?? name ?? 'unknown',
    status: $metadata?.httpStatusCode,
    retryAfterMs: seconds > 0 ? seconds * 1000 : undefined,
  };
}

/** Whether the same request may well succeed in a moment. */
export function isPassing({ code, status }: S3Failure): boolean {
  return (
    NETWORK_CODES.includes(code) ||
    PASSING_CODES.includes(code) ||
    status === 429 ||
    (status !== undefined && status >= 500 && status !== 501 && status !== 507)
  );
}

/** Whether S3 asks for less. */
export function isThrottling({ code, status }: S3Failure): boolean {
  return code === 'SlowDown' || code === 'Throttling' || status === 429 || status === 503;
}

/** No object, or no upload, of that name. A bucket that is missing is another matter. */
export function isAbsent({ code, status }: S3Failure): boolean {
  return ['NoSuchKey', 'NotFound', 'NoSuchUpload'].includes(code) && status === 404;
}

/**
 * Turns a failed request into an error of ours; errors of ours, and what is no failed request, pass as they are.
 *
 * Neither keys nor what was signed is in it: the SDK's error stays behind.
 */
export function toS3Fault(error: unknown, target: S3Target, details: ErrorDetails = {}): unknown {
  if (error instanceof AppError) return error;
  const failure = readS3Failure(error);
  if (failure.code === 'AbortError' || failure.code === 'ABORT_ERR') return error;
  const { code, status } = failure;
  const all = { ...details, s3Code: code, ...(status === undefined ? {} : { s3Status: status }) };
  if (isAbsent(failure) || code === 'InvalidRange')
    return new AppError('storage-object-missing', all);
  if (FULL_CODES.includes(code) || status === 507) return new AppError('disk-full', all);
  if (!isRequestFailure(error)) return error;
  const detail = explain(failure, target);
  return new AppError('storage-unavailable', detail === undefined ? all : { ...all, detail });
}

function isRequestFailure(error: unknown): boolean {
  const isOurs = errnoOf(error) !== undefined || readS3Failure(error).code === HTML_ANSWER;
  return isOurs || (typeof error === 'object' && error !== null && '$metadata' in error);
}

/** One sentence on what to change; undefined where waiting is all there is to do. */
function explain({ code, status }: S3Failure, target: S3Target): string | undefined {
  const { endpoint, bucket } = target;
  const { host } = new URL(endpoint);
  const pasted = withoutBucket(target);
  if (pasted !== undefined)
    return `SPACES_ENDPOINT_URL has the bucket in it: ${pasted} is the endpoint, ${bucket} belongs in SPACES_BUCKET_NAME alone.`;
  switch (code) {
    case 'SignatureDoesNotMatch':
      return `SPACES_SECRET_KEY is refused by ${host}.`;
    case 'InvalidAccessKeyId':
    case 'XAdminUserNotFound':
      return `SPACES_ACCESS_KEY is not known at ${host}.`;
    case 'NoSuchBucket':
      return `There is no bucket ${bucket} at ${host}: see SPACES_BUCKET_NAME, and make it where it is missing.`;
    case 'AccessDenied':
    case 'Forbidden':
      return `The key in SPACES_ACCESS_KEY may not use the bucket ${bucket} at ${host}.`;
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
      return `The bucket ${bucket} lies in another region: see SPACES_ENDPOINT_URL and SPACES_REGION.`;
    case 'RequestTimeTooSkewed':
      return `The clock of this machine and that of ${host} lie too far apart.`;
    case 'ENOTFOUND':
      return `No address is known for ${host}, or for a bucket's name in front of it: see SPACES_ENDPOINT_URL, and SPACES_FORCE_PATH_STYLE for servers without names for buckets.`;
    case HTML_ANSWER:
      return status !== undefined && status >= 500
        ? undefined
        : `${host} answers with a web page: SPACES_ENDPOINT_URL is not the address of an S3 service.`;
    default:
      return NETWORK_CODES.includes(code) ? `${host} does not answer (${code}).` : undefined;
  }
}

/** The endpoint as it should be, where somebody pasted the bucket's own address; undefined where nobody did. */
export function withoutBucket({ endpoint, bucket }: S3Target): string | undefined {
  const url = new URL(endpoint);
  // Of `media.example.com` nobody knows whether `media` is the bucket; an endpoint proper has three labels or more.
  const isInHost =
    url.host.startsWith(`${bucket}.`) && url.host.slice(bucket.length + 1).split('.').length > 2;
  const isInPath = url.pathname.split('/').includes(bucket);
  if (!isInHost && !isInPath) return undefined;
  return `${url.protocol}//${isInHost ? url.host.slice(bucket.length + 1) : url.host}`;
}
