import type { Fault } from './faults.ts';

/**
 * Every failure that the product can name, in one table.
 *
 * The code is the same string everywhere: failure type in Temporal, database column, problem document, log key `errorCode`.
 * `fault` says who has to act, and with `faults.ts` what becomes of a run; `retry` says whether Temporal may try the same activity
 * again.
 */

/** `never`: the same attempt cannot succeed. `later`: it may, once something outside has changed. */
export type RetryAdvice = 'never' | 'later';

interface ErrorEntry {
  readonly fault: Fault;
  readonly retry: RetryAdvice;
  readonly status: number;
  readonly title: string;
}

const caller = (status: number, title: string): ErrorEntry => ({
  fault: 'caller',
  retry: 'never',
  status,
  title,
});
const conflict = (title: string): ErrorEntry => ({
  fault: 'conflict',
  retry: 'never',
  status: 409,
  title,
});
const source = (title: string): ErrorEntry => ({
  fault: 'source',
  retry: 'never',
  status: 422,
  title,
});
const encoder = (title: string): ErrorEntry => ({
  fault: 'encoder',
  retry: 'later',
  status: 500,
  title,
});
const platform = (status: number, title: string): ErrorEntry => ({
  fault: 'platform',
  retry: 'later',
  status,
  title,
});

export const ERRORS = {
  // Requests
  'unreadable-request': caller(400, 'The request could not be read'),
  'validation-failed': caller(422, 'Some values are not valid'),
  'authentication-required': caller(401, 'Log in or send an API key'),
  'invalid-credentials': caller(401, 'These credentials are not valid'),
  'permission-denied': caller(403, 'This login may not do that'),
  'origin-not-allowed': caller(403, 'The request came from another site'),
  'sign-up-disabled': caller(403, 'Sign-up is switched off'),
  'not-found': caller(404, 'There is nothing at this address'),
  'video-not-found': caller(404, 'There is no such video'),
  'thumbnail-not-found': caller(404, 'There is no such thumbnail'),
  'picture-not-found': caller(404, 'There is no such picture'),
  'category-not-found': caller(404, 'There is no such category'),
  'playlist-not-found': caller(404, 'There is no such playlist'),
  'comment-not-found': caller(404, 'There is no such comment'),
  'api-key-not-found': caller(404, 'There is no such API key'),
  'user-not-found': caller(404, 'There is no such user'),
  'quality-not-available': caller(404, 'The video does not have this quality'),
  'original-not-kept': caller(410, 'The original was not kept'),
  'method-not-allowed': caller(405, 'This address does not take that method'),
  'precondition-failed': caller(412, 'The resource has changed meanwhile'),
  'range-not-satisfiable': caller(416, 'The range lies outside the file'),
  'visibility-not-available': caller(422, 'Only private videos are offered'),
  'rate-limited': caller(429, 'Too many requests'),
  'request-too-slow': caller(408, 'The request took too long to arrive'),
  // Uploads
  'upload-content-type': caller(415, 'An upload is sent as multipart/form-data'),
  'upload-file-missing': caller(400, 'The form has no file part'),
  'upload-file-empty': caller(422, 'The file is empty'),
  'upload-too-many-files': caller(400, 'One upload carries one file'),
  'request-too-large': caller(413, 'The request is too large'),
  'upload-too-large': caller(413, 'The file is larger than this server accepts'),
  'quota-exceeded': caller(403, 'The videos of this member take as much as they may'),
  'upload-not-a-video': caller(415, 'The file is not a video of a known kind'),
  'upload-interrupted': caller(400, 'The upload ended before it was complete'),
  'upload-stalled': caller(408, 'The upload made no progress'),
  'poster-not-a-picture': caller(415, 'A poster is a JPEG, PNG or WebP picture'),
  // States
  'video-busy': conflict('The video is being processed by another run'),
  'video-not-published': conflict('Nothing of the video is published yet'),
  'picture-limit-reached': conflict('The video has as many pictures as it may have'),
  'picture-pending': {
    fault: 'conflict',
    retry: 'later',
    status: 503,
    title: 'The picture is still being made',
  },
  'no-active-run': conflict('Nothing is running for this video'),
  'migration-running': conflict('The storage is being moved already'),
  'no-open-migration': conflict('The storage is not being moved'),
  'already-completed': conflict('The video is already completed'),
  'nothing-to-do': conflict('The video no longer waits for this run'),
  'run-superseded': conflict('Another run has taken this video over'),
  'email-taken': conflict('There is already a user with this address'),
  'name-taken': conflict('There is already one with this name'),
  'category-in-use': conflict('The category still has videos'),
  // Sources
  'source-missing': source('The original file is gone'),
  'source-empty': source('The file is empty'),
  'source-unreadable': source('The file cannot be read as a video'),
  'source-format-not-allowed': source('This kind of file is not accepted'),
  'source-codec-unsupported': source('The video is coded in a way that cannot be read'),
  'source-has-no-video': source('The file has no picture'),
  'source-too-many-streams': source('The file has too many streams'),
  'source-too-large-picture': source('The picture is too large'),
  'source-too-small-picture': source('The picture is too small'),
  'source-too-long': source('The video is too long'),
  'source-has-gaps': source('The pictures of the file lie too far apart'),
  'source-truncated': source('The file ends before the video does'),
  'poster-unreadable': source('The file cannot be read as a picture'),
  // Encoding
  'encoder-failed': encoder('The encoder failed'),
  'encoder-stalled': encoder('The encoder made no progress'),
  'encoder-out-of-memory': encoder('The encoder was killed, most likely for want of memory'),
  'output-check-failed': encoder('An encoded file did not pass its check'),
  'chunk-frames-wrong': encoder('A piece has another number of frames than planned'),
  'worker-lost': {
    ...encoder('The work was started again and again without an end'),
    retry: 'never',
  },
  'processing-timeout': {
    fault: 'timeout',
    retry: 'never',
    status: 500,
    title: 'The work took longer than allowed',
  },
  // Runs
  'invalid-workflow-input': caller(422, 'The input of the run is not valid'),
  'piece-missing': conflict('A finished piece of the work is no longer there'),
  'plan-changed': conflict('The plan of the run was changed'),
  'run-lost': platform(500, 'The run ended without a result'),
  'run-wedged': platform(500, 'The code of the worker cannot go on with the run'),
  cancelled: { fault: 'cancelled', retry: 'never', status: 409, title: 'The run was cancelled' },
  // Platform
  'storage-unavailable': platform(503, 'The storage does not answer'),
  'storage-object-missing': platform(503, 'A stored file is missing or damaged'),
  'original-without-video': platform(500, 'An original belongs to no video'),
  'storage-object-exists': platform(500, 'Another file is stored under this name'),
  'database-unavailable': platform(503, 'The database does not answer'),
  'temporal-unavailable': platform(503, 'The workflow server does not answer'),
  'waiting-for-memory': platform(503, 'The encoders of this worker leave no room in memory'),
  'waiting-for-disk': platform(503, 'The disk has no room for the work'),
  'disk-full': platform(507, 'There is no space left'),
  'internal-error': platform(500, 'Something went wrong on the server'),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };
export type ErrorDetails = Readonly<Record<string, JsonValue>>;

/** True for a string that stands in the table. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERRORS, value);
}

/**
 * The one error class of the product. `message` is a sentence for people: the code's title, or `details.detail` when given.
 *
 * `details.detail` is the sentence for the uploader; everything else in `details` is for operators.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails = {}, options: { cause?: unknown } = {}) {
    const detail = details['detail'];
    super(typeof detail === 'string' ? detail : ERRORS[code].title, options);
    this.name = 'AppError';
    this.code = code;
    this.details = details;
  }
}

/** The entry of a code; `internal-error`'s for a string that is no code. */
export function describeError(code: string): ErrorEntry {
  return isErrorCode(code) ? ERRORS[code] : ERRORS['internal-error'];
}
