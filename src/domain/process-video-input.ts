import { AppError } from './errors.ts';
import { isId, type VideoId } from './ids.ts';
import { findContradiction, type RunRequest } from './run-request.ts';
import { MAX_THUMBNAILS } from './thumbnail-times.ts';
import { PROFILES, QUALITIES, STEPS } from './video.ts';

/**
 * Who starts a run for a video that waits for one; such a run does nothing once the video no longer waits. Told beside the input,
 * in the memo: whoever starts a run like this one in the Web UI repeats the input, and means the video as it is now.
 */
export const ORIGINS = ['upload', 'recover'] as const;
export type Origin = (typeof ORIGINS)[number];

/**
 * Input of `ProcessVideo`: one small object that a person can type, as in `{"videoId": 42}`.
 *
 * Without more it is a retry where no version is published, else a reprocess.
 */
export interface ProcessVideoInput extends RunRequest {
  readonly videoId: VideoId;
}

export const LONGEST_TIMEOUT_SECONDS = 7 * 24 * 3600;

/** @throws `invalid-workflow-input` with a sentence that names the field; unknown fields are refused, since they are typing errors */
export function parseProcessVideoInput(raw: unknown): ProcessVideoInput {
  // Runs of older versions carry their origin here.
  const { origin: _, ...input } = requireObject(raw);
  const known: Record<keyof ProcessVideoInput, (value: unknown) => boolean> = {
    videoId: isId,
    profile: isOneOf(PROFILES),
    timeoutSeconds: (value) => isNumberBetween(value, 1, LONGEST_TIMEOUT_SECONDS),
    thumbnailTimestamps: isTimestampList,
    skip: isQualityList,
    from: isOneOf(STEPS),
    renditions: isQualityList,
  };
  for (const [name, value] of Object.entries(input)) {
    if (!Object.hasOwn(known, name)) refuse(`"${name}" is not a field of the input.`);
    if (!known[name as keyof ProcessVideoInput](value))
      refuse(`"${name}" has a value that it cannot have.`);
  }
  if (!Object.hasOwn(input, 'videoId')) refuse('"videoId" is missing, as in {"videoId": 42}.');
  const fault = findContradiction(input as RunRequest);
  if (fault !== undefined) refuse(fault.detail);
  return input as unknown as ProcessVideoInput;
}

/** Input of `DeleteVideo` and `MakePictures`: `{"videoId": 42}`. @throws `invalid-workflow-input` */
export function parseVideoInput(raw: unknown): { readonly videoId: VideoId } {
  const input = requireObject(raw);
  if (Object.keys(input).length !== 1 || !isId(input['videoId']))
    refuse('The input is {"videoId": 42} and nothing else.');
  return input as unknown as { readonly videoId: VideoId };
}

function requireObject(raw: unknown): Record<string, unknown> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    refuse('The input is a JSON object, as in {"videoId": 42}.');
  }
  return raw as Record<string, unknown>;
}

function isOneOf(values: readonly string[]): (value: unknown) => boolean {
  return (value) => typeof value === 'string' && values.includes(value);
}

function isNumberBetween(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most;
}

function isTimestampList(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= MAX_THUMBNAILS &&
    value.every((time) => typeof time === 'number' && Number.isFinite(time) && time >= 0)
  );
}

function isQualityList(value: unknown): boolean {
  return Array.isArray(value) && value.length >= 1 && value.every(isOneOf(QUALITIES));
}

function refuse(detail: string): never {
  throw new AppError('invalid-workflow-input', { detail });
}
