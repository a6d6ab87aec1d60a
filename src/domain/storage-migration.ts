import { AppError } from './errors.ts';
import { isId } from './ids.ts';

/**
 * Stores by the names that people use. Which place a name stands for is a matter of settings, and may be another tomorrow; so the
 * database knows stores by their place.
 *
 *   local       the disk below MEDIA_ROOT
 *   spaces      the bucket that SPACES_… names
 *   old-spaces  the bucket that OLD_SPACES_… names: where media lay before
 */
export const STORE_NAMES = ['local', 'spaces', 'old-spaces'] as const;
export type StoreName = (typeof STORE_NAMES)[number];

/** Kinds of objects, by the folder of their keys. */
export const OBJECT_KINDS = [
  'original',
  'processed',
  'compressed',
  'streams',
  'thumbnails',
  'storyboards',
  'posters',
  'work',
] as const;
export type ObjectKind = (typeof OBJECT_KINDS)[number];

/** What is to be moved; everything that is left out does not narrow it. */
export interface MigrationFilter {
  readonly videoIds?: readonly number[];
  readonly ownerId?: number;
  /** Videos uploaded before this instant, ISO 8601. */
  readonly uploadedBefore?: string;
  readonly kinds?: readonly ObjectKind[];
}

/** Input of `MigrateStorage`: `{"from": "local", "to": "spaces"}`. */
export interface MigrationInput {
  readonly from: StoreName;
  readonly to: StoreName;
  readonly filter?: MigrationFilter;
  /** At most this much is read from a store at any time; unlimited when left out. */
  readonly bytesPerSecond?: number;
}

/**
 * Where a migration stands. `moving` and `paused` are open, of which there is one at most. `failed`: it could not go on, or its
 * workflow was ended from outside; that single objects failed does not make it so.
 */
export const MIGRATION_STATES = ['moving', 'paused', 'completed', 'cancelled', 'failed'] as const;
export type MigrationState = (typeof MIGRATION_STATES)[number];

/**
 * Where an object stands on its way from one store to another. While there is a row, both stores may have it.
 *
 *   waiting   only the old store has it
 *   copying   the old one counts; the new one may have it, unchecked
 *   switched  the new one counts, its checksum was compared; the old one has it until the grace is over, and then the row goes
 *   failed    only the old store has it; a further migration tries again
 */
export const MOVE_STATES = ['waiting', 'copying', 'switched', 'failed'] as const;
export type MoveState = (typeof MOVE_STATES)[number];

/** One at a time: its workflow id. */
export const MIGRATION_WORKFLOW_ID = 'migrate-storage';

export const SLOWEST_BYTES_PER_SECOND = 64 * 1024;
export const MOST_FILTERED_VIDEOS = 1_000;

/** @throws `invalid-workflow-input` with a sentence that names the field; unknown fields are refused, since they are typing errors */
export function parseMigrationInput(raw: unknown): MigrationInput {
  const input = readFields(raw, 'The input', {
    from: isOneOf(STORE_NAMES),
    to: isOneOf(STORE_NAMES),
    filter: (value) => typeof value === 'object' && value !== null,
    bytesPerSecond: (value) => Number.isInteger(value) && Number(value) >= SLOWEST_BYTES_PER_SECOND,
  });
  for (const field of ['from', 'to'])
    if (!Object.hasOwn(input, field))
      refuse(`"${field}" is missing, as in {"from": "local", "to": "spaces"}.`);
  if (input['from'] === input['to']) refuse('"from" and "to" are the same store.');
  if (input['filter'] !== undefined)
    readFields(input['filter'], '"filter"', {
      videoIds: (value) =>
        Array.isArray(value) &&
        value.length >= 1 &&
        value.length <= MOST_FILTERED_VIDEOS &&
        value.every(isId),
      ownerId: isId,
      uploadedBefore: (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
      kinds: (value) =>
        Array.isArray(value) && value.length >= 1 && value.every(isOneOf(OBJECT_KINDS)),
    });
  return input as unknown as MigrationInput;
}

function readFields(
  raw: unknown,
  what: string,
  known: Readonly<Record<string, (value: unknown) => boolean>>,
): Record<string, unknown> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    refuse(`${what} is a JSON object.`);
  for (const [name, value] of Object.entries(raw)) {
    if (!Object.hasOwn(known, name)) refuse(`"${name}" is not a field of the input.`);
    if (known[name]?.(value) !== true) refuse(`"${name}" has a value that it cannot have.`);
  }
  return raw as Record<string, unknown>;
}

function isOneOf(values: readonly string[]): (value: unknown) => boolean {
  return (value) => typeof value === 'string' && values.includes(value);
}

function refuse(detail: string): never {
  throw new AppError('invalid-workflow-input', { detail });
}
