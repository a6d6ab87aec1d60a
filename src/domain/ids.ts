import { AppError } from './errors.ts';

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

export type VideoId = Branded<number, 'VideoId'>;
export type UserId = Branded<number, 'UserId'>;

/** One execution in Temporal. A reset keeps the workflow id and gets a new run id. */
export interface RunIdentity {
  readonly workflowId: string;
  readonly runId: string;
}

/** PostgreSQL's `integer`, which ids are. */
export const MAX_ID = 2_147_483_647;

export function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_ID;
}

/** Brands a number that came from outside. @throws `validation-failed` unless it is an integer from 1 to 2^31−1. */
export function toVideoId(value: unknown): VideoId {
  if (!isId(value)) {
    throw new AppError('validation-failed', {
      detail: 'A video id is an integer from 1 to 2147483647.',
    });
  }
  return value as VideoId;
}

/** The workflow id under which the product starts a video's runs. */
export function processWorkflowId(videoId: VideoId): string {
  return `process-video-${videoId}`;
}

/** Of the workflow that makes the pictures that people ask for. */
export function picturesWorkflowId(videoId: VideoId): string {
  return `make-pictures-${videoId}`;
}

export function deleteWorkflowId(videoId: VideoId): string {
  return `delete-video-${videoId}`;
}
